"""GTA5, SYNTHIA and Cityscapes as their owners lay them out."""

import cv2
import numpy as np
import pytest
import trees
from PIL import Image
from saying import message

from pointsup_jax.data import classes, official

SIZE = (64, 96)


@pytest.fixture
def root(tmp_path):
  trees.gta5(tmp_path / 'gta5', 3, SIZE)
  trees.synthia(tmp_path / 'synthia_rand_cityscapes', 3, SIZE)
  trees.cityscapes(tmp_path / 'cityscapes', 'train', 3, SIZE)
  return tmp_path


SETS = {'gta5': 'all', 'synthia_rand_cityscapes': 'all', 'cityscapes': 'train'}
NAMES = {
  'gta5': ('00001', '00002', '00003'),
  'synthia_rand_cityscapes': ('0000000', '0000001', '0000002'),
  'cityscapes': (
    'aachen/aachen_000000_000019',
    'aachen/aachen_000002_000019',
    'bochum/bochum_000001_000019',
  ),
}

FOLDERS = {
  'gta5': 'images',
  'synthia_rand_cityscapes': 'RGB',
  'cityscapes': 'leftImg8bit/train/aachen',
}
SECOND_LABEL = {
  'gta5': 'labels/00002.png',
  'synthia_rand_cityscapes': 'GT/LABELS/0000001.png',
  'cityscapes': 'gtFine/train/bochum/bochum_000001_000019_gtFine_labelIds.png',
}


def opened(root, name, size=None, labelled=True):
  return official.open_split(
    name, root / name, SETS[name], classes.CITYSCAPES, size, labelled=labelled
  )


@pytest.mark.parametrize('name', SETS)
def test_hidden_files_and_links_in_a_circle_are_passed_over(root, name):
  folder = root / name / FOLDERS[name]
  first = min(folder.glob('*.png'))
  (folder / f'._{first.name}').write_bytes(b'what macOS leaves behind')
  (folder / '.thumbnails').mkdir()
  (folder / '.thumbnails' / first.name).write_bytes(first.read_bytes())
  (folder / 'again').symlink_to('.')
  assert opened(root, name).names == NAMES[name]


@pytest.mark.parametrize('name', SETS)
def test_images_and_labels_are_read_exactly(root, name):
  images = opened(root, name)
  assert images.names == NAMES[name]
  order = (0, 2, 1) if name == 'cityscapes' else (0, 1, 2)
  look = 'camera' if name == 'cityscapes' else 'game'
  for example, index in zip(images, order, strict=True):
    image, labels = trees.scene(look, index, SIZE)
    np.testing.assert_array_equal(example.image, image)
    np.testing.assert_array_equal(example.labels, labels)
    assert len(np.unique(labels)) > 6


@pytest.mark.parametrize('name', SETS)
def test_they_are_resized_and_labels_may_be_withheld(root, name):
  example = opened(root, name, size=(32, 64))[0]
  assert example.image.shape == (32, 64, 3)
  assert example.labels.shape == (32, 64)
  assert (opened(root, name, labelled=False)[0].labels == 255).all()


def test_every_id_of_synthia_is_read_exactly_from_16_bits(root):
  ids = np.arange(23, dtype=np.uint16).repeat(2).reshape(2, 23)
  pixels = np.stack([ids * 0 + 999, ids * 0 + 21, ids], axis=-1)  # BGR
  assert cv2.imwrite(
    str(root / 'synthia_rand_cityscapes/GT/LABELS/0000000.png'), pixels
  )
  Image.new('RGB', (23, 2)).save(
    root / 'synthia_rand_cityscapes/RGB/0000000.png'
  )
  table = {
    3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 16: 9, 1: 10,
    10: 11, 17: 12, 8: 13, 18: 14, 19: 15, 20: 16, 12: 17, 11: 18,
  }  # fmt: skip
  expected = np.vectorize(lambda i: table.get(i, 255))(ids)
  np.testing.assert_array_equal(
    opened(root, 'synthia_rand_cityscapes')[0].labels, expected
  )


@pytest.mark.parametrize('name', SETS)
def test_pairs_of_different_sizes_are_left_out_and_said_so(root, name, capsys):
  path = SECOND_LABEL[name]
  Image.new('L', (96, 60)).save(root / name / path)
  images = opened(root, name)
  assert len(images) == 2
  said = capsys.readouterr().err
  assert '1 of 3 pairs are left out' in said
  assert f'{path} is 96x60' in said


@pytest.mark.parametrize('name', SETS)
def test_a_missing_folder_label_or_split(root, name):
  assert 'has no split' in message(
    lambda: official.open_split(
      name, root / name, 'none', classes.CITYSCAPES, None
    )
  )
  assert 'there is no folder' in message(
    lambda: official.open_split(
      name, root / 'nowhere', SETS[name], classes.CITYSCAPES, None
    )
  )
  (root / name / SECOND_LABEL[name]).unlink()
  text = message(lambda: opened(root, name))
  assert f'1 of 3 images have no label: no {SECOND_LABEL[name]}' in text


def test_a_damaged_or_foreign_label_of_synthia_is_named(root):
  path = root / 'synthia_rand_cityscapes/GT/LABELS/0000000.png'
  whole = path.read_bytes()
  for content in (whole[:60], whole[: len(whole) // 2], b'<html>'):
    images = opened(root, 'synthia_rand_cityscapes')
    path.write_bytes(content)
    assert 'GT/LABELS/0000000.png' in message(lambda images=images: images[0])
    path.write_bytes(whole)
  images = opened(root, 'synthia_rand_cityscapes')
  Image.new('RGB', SIZE[::-1]).save(path)
  assert 'not GT/COLOR' in message(lambda: images[0])


@pytest.mark.parametrize('name', SETS)
def test_sixteen_classes_are_the_nineteen_without_three(root, name):
  images = opened(root, name)
  fewer = official.open_split(
    name, root / name, SETS[name], classes.CITYSCAPES_16, None
  )
  for one, two in zip(images, fewer, strict=True):
    for index, class_name in enumerate(classes.CITYSCAPES.names):
      where = one.labels == index
      if class_name in classes.CITYSCAPES_16.names:
        expected = classes.CITYSCAPES_16.names.index(class_name)
      else:
        expected = 255
      assert (two.labels[where] == expected).all()
    assert (two.labels[one.labels == 255] == 255).all()


def test_a_class_that_the_set_lacks_is_named(root):
  mine = classes.ClassSet(('road', 'cow'), classes.distinct_palette(2))
  text = message(
    lambda: official.open_split('gta5', root / 'gta5', 'all', mine, None)
  )
  assert "'cow'" in text
