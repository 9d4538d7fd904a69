import dataclasses
import shutil
import subprocess

import numpy as np
import pytest
import trees
from launching import REPOSITORY, assert_refused, command, launch, succeed
from numbered import Numbered
from PIL import Image
from saying import message

from pointsup_jax import config as config_lib
from pointsup_jax import errors
from pointsup_jax.data import building, domains, encoded
from pointsup_jax.types import Example

SIZE, SOURCE_SIZE, FULL = (32, 64), (40, 64), (64, 128)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
  root = tmp_path_factory.mktemp('files')
  trees.gta5(root / 'GTA5', 5, FULL)
  trees.synthia(root / 'SYNTHIA', 3, FULL)
  trees.cityscapes(root / 'Cityscapes', 'train', 4, FULL)
  trees.cityscapes(root / 'Cityscapes', 'val', 3, FULL)
  return root


def config_of(root, prepared_in, source='gta5', folder='GTA5'):
  config = config_lib.get_config()
  data, domain = config.data, config_lib.domain
  data.root, data.prepared = str(root), str(prepared_in)
  data.source = domain(source, 'all', SOURCE_SIZE, root=folder)
  data.target = domain('cityscapes', 'train', SIZE, root='Cityscapes')
  data.evaluation = domain('cityscapes', 'val', SIZE, root='Cityscapes')
  return config


def orders_of(config):
  return building.orders_of(config, domains.classes_of(config.data))


def build(config, order):
  building.build(order, domains.classes_of(config.data))


def opened(config, name, prepared_in, labelled=True):
  data = config.copy_and_resolve_references().data
  data.prepared = str(prepared_in)
  kinds, full = domains.classes_of(data), name == 'evaluation'
  return domains.open_domain(
    data, name, classes=kinds, seed=0, labelled=labelled, full_labels=full
  )


def test_evaluation_images_that_are_off_are_not_built(files, tmp_path):
  config = config_of(files, tmp_path)
  every = orders_of(config)
  config.data.evaluation.dataset = ''
  assert orders_of(config) == every[:2]


@pytest.mark.parametrize(
  ('source', 'folder'),
  [('gta5', 'GTA5'), ('synthia_rand_cityscapes', 'SYNTHIA')],
)
def test_a_build_gives_what_the_files_give(files, tmp_path, source, folder):
  config = config_of(files, tmp_path, source, folder)
  for order in orders_of(config):
    build(config, order)
  for name in domains.NAMES:
    direct, built = (opened(config, name, x) for x in ('', tmp_path))
    assert tuple(direct.names) == tuple(built.names)
    assert len(direct) == len(built) >= 3
    assert domains.of_one_size(built)
    for one, two in zip(direct, built, strict=True):
      if name == 'evaluation':
        assert two.labels.shape == FULL
        image = Image.fromarray(one.image)
        image = image.resize(SIZE[::-1], Image.Resampling.BICUBIC)
        one = one._replace(image=np.asarray(image))
      np.testing.assert_equal(one, two)
    hidden = opened(config, name, tmp_path, labelled=False)[0]
    assert (hidden.labels == 255).all()
  assert not list(tmp_path.rglob('*.parts'))


def test_encoding_is_lossless():
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, (31, 47, 3), np.uint8)
  labels = rng.integers(0, 256, (31, 47), np.uint8)
  both = encoded.encode(Example('a', image, labels))
  np.testing.assert_array_equal(encoded.decode_image(both.image), image)
  np.testing.assert_array_equal(encoded.decode_labels(both.labels), labels)
  assert encoded.size_of(both.image) == encoded.size_of(both.labels) == (31, 47)


def test_encoding_goes_on_where_it_was_stopped(tmp_path):
  source = Numbered(10, broken={7: KeyboardInterrupt()})
  with pytest.raises(KeyboardInterrupt):
    list(encoded.encode_all(source, tmp_path / 'parts'))
  found = list(encoded.encode_all(source, tmp_path / 'parts'))
  assert [index for index, _ in found] == list(range(10))
  for index, example in found:
    assert (encoded.decode_image(example.image) == index).all()
  assert sorted(source.reads) == sorted([*range(10), 7])
  assert not list(tmp_path.rglob('*.part'))


def test_a_file_that_is_wrong_leaves_no_build(tmp_path):
  root = tmp_path / 'files'
  trees.gta5(root / 'GTA5', 3, FULL)
  path = root / 'GTA5/images/00002.png'
  path.write_bytes(path.read_bytes()[:-60])
  config = config_of(root, tmp_path / 'built')
  order = orders_of(config)[0]
  with pytest.raises(errors.UserError, match=r'images/00002\.png'):
    build(config, order)
  assert not order.folder.exists()
  with pytest.raises(errors.UserError, match='has not been built'):
    opened(config, 'source', tmp_path / 'built')


def test_too_small_a_disk_is_said_at_once(files, tmp_path, monkeypatch):
  config = config_of(files, tmp_path)
  order = orders_of(config)[0]
  usage = type('Usage', (), {'free': 1000})
  monkeypatch.setattr(building.shutil, 'disk_usage', lambda _: usage)
  with pytest.raises(errors.UserError, match='free'):
    build(config, order)
  assert not order.folder.exists()


def test_the_command_builds_once_and_survives_a_kill(files, tmp_path):
  gta = '--config=configs/gta_active.py'
  args = (
    gta,
    f'--config.data.root={files}',
    f'--config.data.prepared={tmp_path}',
    '--config.data.source.size=(40,64)',
    '--config.data.target.size=(32,64)',
    '--config.data.evaluation.size=(32,64)',
  )
  words = command(*args, program='prepare')
  process = subprocess.Popen(
    words, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
  )
  while not list(tmp_path.rglob('*.labels.png')):
    assert process.poll() is None, process.stderr.read()
  process.kill()
  process.communicate()
  for said in ('5 examples', 'built before'):
    assert said in succeed(*args, program='prepare').stderr
  assert_refused(launch(gta, program='prepare'), 2, 'data.prepared')


def test_domains_that_differ_in_root_or_classes_have_builds_of_their_own(
  files, tmp_path
):
  config = config_of(files, tmp_path)
  folder = orders_of(config)[0].folder
  other = config.copy_and_resolve_references()
  other.data.source.root = 'GTA5b'
  assert orders_of(other)[0].folder != folder
  classes = domains.classes_of(config.data)
  fewer = dataclasses.replace(classes, names=classes.names[:-1])
  assert building.orders_of(config, fewer)[0].folder != folder


def test_a_stopped_build_of_other_files_is_not_continued(tmp_path, capsys):
  root = tmp_path / 'files'
  trees.gta5(root / 'GTA5', 3, FULL)
  config = config_of(root, tmp_path / 'built')
  order, classes = orders_of(config)[0], domains.classes_of(config.data)
  parts = building.parts_of(order, building.identify(order, {}))
  list(encoded.encode_all(building.open_files(order, classes), parts))
  paint(root / 'GTA5/labels/00002.png')  # its name is the same
  build(config, order)
  assert 'the files have changed since it stopped' in capsys.readouterr().err
  direct = opened(config, 'source', '')
  built = opened(config, 'source', tmp_path / 'built')
  np.testing.assert_equal(list(direct), list(built))
  assert not list((tmp_path / 'built').rglob('*.parts'))


def test_files_that_change_while_they_are_read_leave_no_build(
  tmp_path, monkeypatch
):
  root = tmp_path / 'files'
  trees.gta5(root / 'GTA5', 3, FULL)
  config = config_of(root, tmp_path / 'built')
  order = orders_of(config)[0]
  encode_all = building.encode

  def encode(*args):
    encode_all(*args)
    paint(root / 'GTA5/labels/00002.png')

  monkeypatch.setattr(building, 'encode', encode)
  said = message(lambda: build(config, order))
  assert '1 label changed (00002)' in said
  assert not order.folder.exists()
  assert not list((tmp_path / 'built').rglob('*.parts'))


def paint(path):
  size = np.asarray(Image.open(path)).shape
  trees.save(path, np.full(size, 7, np.uint8))


@pytest.fixture(scope='module')
def once(tmp_path_factory):
  """Files and their build; do not change them."""
  folder = tmp_path_factory.mktemp('once')
  trees.gta5(folder / 'files/GTA5', 3, FULL)
  config = config_of(folder / 'files', folder / 'built')
  build(config, orders_of(config)[0])
  return folder


@pytest.fixture
def made(once, tmp_path):
  """A config of their copy, and the order of the build."""
  shutil.copytree(once, tmp_path, dirs_exist_ok=True)
  config = config_of(tmp_path / 'files', tmp_path / 'built')
  return config, orders_of(config)[0]


def add(root):
  for kind in ('images', 'labels'):
    shutil.copy(root / kind / '00001.png', root / kind / '4.png')


@pytest.mark.parametrize(
  ('edit', 'words'),
  [
    (lambda r: paint(r / 'labels/00001.png'), '1 label changed (00001)'),
    (lambda r: paint(r / 'images/00001.png'), '1 image changed (00001)'),
    (lambda r: (r / 'images/00002.png').unlink(), '1 image removed (00002)'),
    (add, '1 image added (4)'),
  ],
)
def test_a_build_of_files_that_changed_is_refused(made, edit, words):
  _, order = made
  edit(order.root)
  said = message(lambda: building.check_unchanged(order))
  assert words in said
  assert f'delete {order.folder}' in said


def test_a_build_of_a_copy_of_the_files_is_as_good(made):
  building.check_unchanged(made[1])


def overwrite(path):
  content = bytearray(path.read_bytes())
  begin = len(content) // 16  # further on are padding bytes
  content[begin : begin + 16] = bytes(16)
  path.write_bytes(content)


def cut(path):
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
  path.write_text('{}')


@pytest.mark.parametrize('spoil', [overwrite, cut, empty])
@pytest.mark.parametrize(
  'file',
  ['*.array_record*', 'dataset_info.json', 'metadata.json', 'features.json'],
)
def test_a_damaged_build_is_named_in_one_line(made, tmp_path, file, spoil):
  config, order = made
  (path,) = order.folder.glob(file)
  spoil(path)
  said = message(lambda: list(opened(config, 'source', tmp_path / 'built')))
  assert str(order.folder) in said
  assert 'launch.prepare' in said
