import dataclasses
import subprocess

import numpy as np
import pytest
import trees
from launching import REPOSITORY, assert_refused, command, launch, succeed
from numbered import Numbered
from PIL import Image

from pointsup_jax import config as config_lib
from pointsup_jax import errors
from pointsup_jax.data import building, domains, encoded
from pointsup_jax.data import classes as classes_lib

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
  both = encoded.encode(image, labels)
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


def test_a_stopped_build_of_other_files_is_not_continued(tmp_path):
  root = tmp_path / 'files'
  trees.gta5(root / 'GTA5', 3, FULL)
  config = config_of(root, tmp_path / 'built')
  order, classes = orders_of(config)[0], domains.classes_of(config.data)
  files = building.open_files(order, classes)
  parts = f'{order.folder.name}.{building.names_of(files)}.parts'
  list(encoded.encode_all(files, order.folder.with_name(parts)))
  image, labels = trees.scene('game', 9, FULL)
  trees.save(root / 'GTA5/images/00000.png', image)
  ids = trees.file_ids(labels, classes_lib.LABEL_IDS, 0)
  trees.save(root / 'GTA5/labels/00000.png', ids)
  build(config, order)
  direct = opened(config, 'source', '')
  built = opened(config, 'source', tmp_path / 'built')
  np.testing.assert_equal(list(direct), list(built))
  assert not list((tmp_path / 'built').rglob('*.parts'))
