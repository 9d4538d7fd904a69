import cv2
import numpy as np
import pytest
import trees
from PIL import Image
from saying import message

from pointsup_jax.data import classes, official, palettes

SIZE = (64, 96)


@pytest.fixture
def root(tmp_path):
  trees.gta5(tmp_path / 'gta5', 3, SIZE)
  trees.synthia(tmp_path / SYNTHIA, 3, SIZE)
  trees.cityscapes(tmp_path / 'cityscapes', 'train', 3, SIZE)
  return tmp_path


SYNTHIA = 'synthia_rand_cityscapes'
SETS = {'gta5': 'all', SYNTHIA: 'all', 'cityscapes': 'train'}
NAMES = {
  'gta5': ('00001', '00002', '00003'),
  SYNTHIA: ('0000000', '0000001', '0000002'),
  'cityscapes': (
    'aachen/aachen_000000_000019',
    'aachen/aachen_000002_000019',
    'bochum/bochum_000001_000019',
  ),
}
FOLDERS = {
  'gta5': 'images',
  SYNTHIA: 'RGB',
  'cityscapes': 'leftImg8bit/train/aachen',
}
SECOND_LABEL = {
  'gta5': 'labels/00002.png',
  SYNTHIA: 'GT/LABELS/0000001.png',
  'cityscapes': 'gtFine/train/bochum/bochum_000001_000019_gtFine_labelIds.png',
}


def opened(
  root, name, split='', kinds=classes.CITYSCAPES, size=None, **options
):
  return official.open_split(
    name, root / name, split or SETS[name], kinds, size, **options
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
  assert cv2.imwrite(str(root / SYNTHIA / 'GT/LABELS/0000000.png'), pixels)
  Image.new('RGB', (23, 2)).save(root / SYNTHIA / 'RGB/0000000.png')
  expected = np.vectorize(lambda i: trees.SYNTHIA_IDS.get(i, 255))(ids)
  np.testing.assert_array_equal(opened(root, SYNTHIA)[0].labels, expected)


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
  assert 'has no split' in message(lambda: opened(root, name, 'none'))
  nowhere = root / 'nowhere'
  assert 'there is no folder' in message(lambda: opened(nowhere, name))
  (root / name / SECOND_LABEL[name]).unlink()
  text = message(lambda: opened(root, name))
  assert f'1 of 3 images have no label: no {SECOND_LABEL[name]}' in text


def test_a_damaged_or_foreign_label_of_synthia_is_named(root):
  path = root / SYNTHIA / 'GT/LABELS/0000000.png'
  whole = path.read_bytes()
  for content in (whole[:60], whole[: len(whole) // 2], b'<html>'):
    images = opened(root, SYNTHIA)
    path.write_bytes(content)
    assert 'GT/LABELS/0000000.png' in message(lambda images=images: images[0])
    path.write_bytes(whole)
  images = opened(root, SYNTHIA)
  Image.new('RGB', SIZE[::-1]).save(path)
  assert 'not GT/COLOR' in message(lambda: images[0])


def test_a_label_of_synthia_that_opencv_refuses_is_named(root, monkeypatch):
  images = opened(root, SYNTHIA)

  def refuse(*unused):
    raise cv2.error('too many pixels')

  monkeypatch.setattr(cv2, 'imread', refuse)
  said = 'GT/LABELS/0000000.png cannot be read'
  assert said in message(lambda: images[0])


@pytest.mark.parametrize('name', SETS)
def test_sixteen_classes_are_the_nineteen_without_three(root, name):
  images = opened(root, name)
  fewer = opened(root, name, kinds=classes.CITYSCAPES_16)
  sixteen = dict(zip(classes.CITYSCAPES_16.names, range(16), strict=True))
  table = [sixteen.get(x, 255) for x in classes.CITYSCAPES.names]
  table = np.array(table + [255] * (256 - 19))
  for one, two in zip(images, fewer, strict=True):
    np.testing.assert_array_equal(two.labels, table[one.labels])


def test_a_class_that_the_set_lacks_is_named(root):
  mine = classes.ClassSet(('road', 'cow'), palettes.distinct(2))
  assert "'cow'" in message(lambda: opened(root, 'gta5', kinds=mine))
