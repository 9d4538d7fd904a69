import shutil

import folders
import launching
import numpy as np
import pytest
import trees
from PIL import Image

from pointsup_jax.data import classes, contact_sheet, palettes

SIZE = (64, 128)


def check(config, root, tmp_path, *args):
  return launching.launch(
    f'--config=configs/{config}.py',
    f'--config.data.root={root}',
    f'--sheet={tmp_path / "sheet.png"}',
    *args,
    program='check',
  )


@pytest.fixture(scope='module')
def clean(tmp_path_factory):
  root = tmp_path_factory.mktemp('clean')
  trees.gta5(root / 'GTA5', 5, SIZE)
  trees.cityscapes(root / 'Cityscapes', 'train', 4, SIZE)
  trees.cityscapes(root / 'Cityscapes', 'val', 3, SIZE)
  return root


@pytest.fixture
def root(clean, tmp_path):
  return shutil.copytree(clean, tmp_path / 'data')


def test_clean_data_are_all_right(clean, tmp_path):
  done = check('gta_active', clean, tmp_path)
  assert done.returncode == 0, done.stderr
  assert done.stdout.endswith('all right\n')
  assert 'source: 5 examples, sizes 128x64 (5)' in done.stdout
  assert 'target: 4 examples' in done.stdout
  shares = [
    float(line.split('%')[0]) for line in done.stdout.splitlines()
    if line.startswith('  ') and '%' in line and 'ignored' not in line
  ]  # fmt: skip
  assert len(shares) == 3 * 19
  assert sum(shares) == pytest.approx(300, abs=0.5)
  assert np.asarray(Image.open(tmp_path / 'sheet.png')).std() > 20


def unreadable(root):
  path = root / 'GTA5/images/00002.png'
  path.write_bytes(path.read_bytes()[:-50])
  return 1, ['source has 1 examples', 'images/00002.png']


def no_label(root):
  path = 'gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png'
  (root / 'Cityscapes' / path).unlink()
  return 1, ['target has 1 examples', path]


def three_channels(root):
  path = root / 'GTA5/labels/00003.png'
  Image.open(path).convert('RGB').save(path)
  return 1, ['labels/00003.png has mode RGB']


def another_size(root):
  path = root / 'GTA5/labels/00004.png'
  Image.open(path).resize((128, 60)).save(path)
  return 0, ['left out: 1 labels of another size', '00004 (128x60 for 128x64)']


def all_of_another_size(root):
  for path in (root / 'GTA5/labels').glob('*.png'):
    Image.open(path).resize((128, 60)).save(path)
  return 1, ['source has 5 labels of another size']


def train_ids_for_label_ids(root):
  for path in (root / 'GTA5/labels').glob('*.png'):
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(path)
  return 1, ['source has no pixel of any class']


def absent(root):
  for path in (root / 'GTA5/labels').glob('*.png'):
    Image.fromarray(np.full(SIZE, 7, np.uint8)).save(path)
  return 0, ['100.00% road', 'absent: sidewalk, building']


def one_colour(root):
  Image.new('RGB', SIZE[::-1], (9, 9, 9)).save(root / 'GTA5/images/00005.png')
  return 0, ['of one colour: 00005']


def train_on_the_test(root):
  folder = root / 'Cityscapes/leftImg8bit'
  train = next((folder / 'train/aachen').glob('*.png'))
  val = next((folder / 'val/aachen').glob('*.png'))
  shutil.copy(val, train)
  return 1, ['target and evaluation share 1 images']


@pytest.mark.parametrize(
  'spoil',
  [
    unreadable, no_label, three_channels, another_size, all_of_another_size,
    train_ids_for_label_ids, absent, one_colour, train_on_the_test,
  ],
)  # fmt: skip
def test_a_planted_fault_is_named(root, tmp_path, spoil):
  code, words = spoil(root)
  done = check('gta_active', root, tmp_path)
  assert done.returncode == code, done.stdout + done.stderr
  assert 'Traceback' not in done.stderr
  for word in words:
    assert word in done.stdout + done.stderr


def test_ids_of_no_class_are_named_with_their_first_file(clean, tmp_path):
  folder = folders.three_classes(tmp_path / 'mine', 2, SIZE, 'game')
  path = folder / 'labels/day_train/1.png'
  ids = np.array(Image.open(path))
  ids[0, 20] = 77
  Image.fromarray(ids).save(path)
  done = check('camvid_dusk', folder, tmp_path)
  assert done.returncode == 1
  assert 'ids of no class: 77 (first in day_train/1)' in done.stderr
  assert 'valid are 0 to 2, and 255 for ignore' in done.stderr


def test_streets_need_no_files(tmp_path):
  done = check(
    'streets_active', tmp_path, tmp_path, *launching.all_domains('length=3')
  )
  assert done.returncode == 0, done.stderr
  assert 'sizes 192x96 (3)' in done.stdout


def test_an_overlay_shows_classes_and_leaves_ignored_pixels_clear():
  image = np.full((1, 2, 3), 100, np.uint8)
  labels = np.array([[1, 255]], np.uint8)
  palette = np.array([[0, 0, 0], [200, 0, 0]], np.uint8)
  shown = contact_sheet.overlay(image, labels, palette)
  assert shown[0, 1].tolist() == [100, 100, 100]
  assert shown[0, 0].tolist() == [155, 45, 45]


def test_a_legend_numbers_names_that_the_font_lacks():
  def legend(*names):
    palette = palettes.distinct(2)
    return contact_sheet.legend(classes.ClassSet(names, palette))

  np.testing.assert_array_equal(legend('道路', 'car'), legend('class 0', 'car'))
  assert np.any(legend('road', 'car') != legend('class 0', 'car'))
