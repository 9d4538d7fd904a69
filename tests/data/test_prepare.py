"""Building data sets: the same pixels as the files, whole or not at all."""

import dataclasses
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import trees
from PIL import Image

from pointsup_jax import config as config_lib
from pointsup_jax import errors
from pointsup_jax.data import building, domains, encoded, prepared
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
  data = config.data
  data.root, data.prepared = str(root), str(prepared_in)
  data.source = config_lib.domain(source, 'all', SOURCE_SIZE, root=folder)
  data.target = config_lib.domain(
    'cityscapes', 'train', SIZE, root='Cityscapes'
  )
  data.evaluation = config_lib.domain(
    'cityscapes', 'val', SIZE, root='Cityscapes'
  )
  return config


def build_all(config):
  for order in orders_of(config):
    building.build(order, domains.classes_of(config.data))


def orders_of(config):
  return building.orders_of(config, domains.classes_of(config.data))


def opened(config, name, prepared_in, labelled=True):
  data = config.copy_and_resolve_references().data
  data.prepared = str(prepared_in)
  return domains.open_domain(
    data,
    name,
    classes=domains.classes_of(data),
    seed=0,
    labelled=labelled,
    full_labels=name == 'evaluation',
  )


@pytest.mark.parametrize(
  ('source', 'folder'),
  [('gta5', 'GTA5'), ('synthia_rand_cityscapes', 'SYNTHIA')],
)
def test_a_build_gives_what_the_files_give(files, tmp_path, source, folder):
  config = config_of(files, tmp_path, source, folder)
  build_all(config)
  for name in domains.NAMES:
    direct, built = (opened(config, name, x) for x in ('', tmp_path))
    assert tuple(direct.names) == tuple(built.names)
    assert len(direct) == len(built) >= 3
    for one, two in zip(direct, built, strict=True):
      assert one.name == two.name
      np.testing.assert_array_equal(one.labels, two.labels)
      if name == 'evaluation':
        assert two.labels.shape == FULL
        one = one._replace(image=resized(one.image))
      np.testing.assert_array_equal(one.image, two.image)
    hidden = opened(config, name, tmp_path, labelled=False)[0]
    assert (hidden.labels == 255).all()
  left = [path.name for path in tmp_path.rglob('*.parts')]
  assert not left


def resized(image):
  size = SIZE[::-1]
  return np.asarray(
    Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
  )


def test_encoding_is_lossless():
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, (31, 47, 3), np.uint8)
  labels = rng.integers(0, 256, (31, 47), np.uint8)
  both = encoded.encode(image, labels)
  np.testing.assert_array_equal(encoded.decode_image(both.image), image)
  np.testing.assert_array_equal(encoded.decode_labels(both.labels), labels)


class Stopping:
  """Ten images; reading the seventh fails the first time."""

  names = tuple(map(str, range(10)))

  def __init__(self):
    self.reads = []

  def __len__(self):
    return 10

  def __getitem__(self, index):
    first = index not in self.reads
    self.reads.append(index)
    if index == 7 and first:
      raise KeyboardInterrupt
    return prepared.Example(
      str(index),
      np.full((4, 4, 3), index, np.uint8),
      np.full((4, 4), index, np.uint8),
    )


def test_encoding_goes_on_where_it_was_stopped(tmp_path):
  source = Stopping()
  with pytest.raises(KeyboardInterrupt):
    list(encoded.encode_all(source, tmp_path / 'parts'))
  found = list(encoded.encode_all(source, tmp_path / 'parts'))
  assert [index for index, _ in found] == list(range(10))
  for index, example in found:
    assert (encoded.decode_image(example.image) == index).all()
  assert sorted(source.reads) == sorted([*range(10), 7])
  assert not list(tmp_path.rglob('*.part'))


def test_a_file_that_is_wrong_leaves_no_build(files, tmp_path):
  root = tmp_path / 'files'
  trees.gta5(root / 'GTA5', 3, FULL)
  trees.cityscapes(root / 'Cityscapes', 'train', 2, FULL)
  trees.cityscapes(root / 'Cityscapes', 'val', 2, FULL)
  path = root / 'GTA5/images/00002.png'
  path.write_bytes(path.read_bytes()[:-60])
  config = config_of(root, tmp_path / 'built')
  order = orders_of(config)[0]
  with pytest.raises(errors.UserError, match=r'images/00002\.png'):
    building.build(order, domains.classes_of(config.data))
  assert not order.folder.exists()
  with pytest.raises(errors.UserError, match='has not been built'):
    opened(config, 'source', tmp_path / 'built')


def test_too_small_a_disk_is_said_at_once(files, tmp_path, monkeypatch):
  config = config_of(files, tmp_path)
  order = orders_of(config)[0]
  usage = type('Usage', (), {'free': 1000})
  monkeypatch.setattr(building.shutil, 'disk_usage', lambda _: usage)
  with pytest.raises(errors.UserError, match='free'):
    building.build(order, domains.classes_of(config.data))
  assert not order.folder.exists()


def command(*args):
  return [
    sys.executable, '-m', 'launch.prepare',
    '--config=configs/gta_active.py', *args,
  ]  # fmt: skip


def test_the_command_builds_once_and_survives_a_kill(files, tmp_path):
  args = (
    f'--config.data.root={files}',
    f'--config.data.prepared={tmp_path}',
    '--config.data.source.size=(40,64)',
    '--config.data.target.size=(32,64)',
    '--config.data.evaluation.size=(32,64)',
  )
  repository = pathlib.Path(__file__).parents[2]
  process = subprocess.Popen(
    command(*args), cwd=repository, stderr=subprocess.PIPE, text=True
  )
  while not list(tmp_path.rglob('*.labels.png')):
    assert process.poll() is None, process.stderr.read()
  process.kill()
  process.communicate()
  for said in ('5 examples', 'built before'):
    done = subprocess.run(
      command(*args), cwd=repository, capture_output=True, text=True,
      check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert said in done.stderr
  done = subprocess.run(
    command(), cwd=repository, capture_output=True, text=True, check=False
  )
  assert done.returncode == 2
  assert 'data.prepared' in done.stderr


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
  parts = order.folder.with_name(
    f'{order.folder.name}.'
    f'{building.names_of(building.open_files(order, classes))}.parts'
  )
  list(encoded.encode_all(building.open_files(order, classes), parts))
  image, labels = trees.scene('game', 9, FULL)
  Image.fromarray(image).save(root / 'GTA5/images/00000.png')
  ids = trees.file_ids(labels, classes_lib.LABEL_IDS, 0)
  Image.fromarray(ids).save(root / 'GTA5/labels/00000.png')
  building.build(order, classes)
  direct, built = (
    opened(config, 'source', x) for x in ('', tmp_path / 'built')
  )
  for one, two in zip(direct, built, strict=True):
    assert one.name == two.name
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.labels, two.labels)
  assert not list((tmp_path / 'built').rglob('*.parts'))
