"""What launch.check says of doubtful data, and a run at its start alike."""

import json
import unicodedata

import numpy as np
import pytest
from PIL import Image
from trees import cityscapes, gta5, save

from configs import camvid_dusk, gta_active
from launch import check
from pointsup_jax import errors
from pointsup_jax.run import config_check, context, data_check, workdir

SIZE = (24, 32)
SPLITS = ('day_train', 'dusk_train', 'dusk_test')
LABEL = 'labels/day_train/0.png'
IMAGE = 'images/day_train/0.png'


def noise(*size):
  seed = int(np.prod(size))
  return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def bands(*ids):
  """Ids as vertical stripes: [24, 32]."""
  row = np.repeat(np.array(ids, np.uint8), 32)[:: len(ids)]
  return np.tile(row, (24, 1))


@pytest.fixture
def root(tmp_path):
  root = tmp_path / 'data'
  for number, split in enumerate(SPLITS):
    for i in range(2):
      image = np.roll(noise(*SIZE), 2 * number + i, axis=0)
      save(root / f'images/{split}/{i}.png', image)
      save(root / f'labels/{split}/{i}.png', bands(0, 1, 2, 0))
  classes(root, 'road', 'car', 'sky')
  return root


def classes(root, *names, **others):
  table = {'classes': names, **others}
  (root / 'classes.json').write_text(json.dumps(table))


def labels(root, change):
  for path in (root / 'labels').rglob('*.png'):
    save(path, change(np.array(Image.open(path))))


def coloured(ids, *palette):
  image = Image.fromarray(ids, 'P')
  image.putpalette([x for color in palette for x in color])
  return image


def exif(orientation):
  found = Image.Exif()
  found[0x0112] = orientation
  return found


# Each spoils clean data and returns words of the line.


def two_values(root):
  labels(root, lambda ids: np.where(ids == 1, 255, 0).astype(np.uint8))
  return 'wrong', 'source has no class but road'


def a_class_as_255(root):
  labels(root, lambda ids: np.where(ids == 2, 255, ids).astype(np.uint8))
  return 'doubtful', 'no label has sky, and 25% of the pixels are 255'


def lossy_label(root):
  save(root / LABEL, bands(0, 1, 2), format='jpeg')
  return 'wrong', f'{LABEL} holds JPEG data'


def smooth_label(root):
  big = Image.fromarray(np.tile(bands(0, 20, 0, 20), (4, 4)))
  classes(root, *(f'c{i}' for i in range(30)))
  save(root / IMAGE, noise(60, 80))
  save(root / LABEL, big.resize((80, 60), Image.Resampling.BILINEAR))
  return 'doubtful', '1 labels of source have other ids along edges'


def palettes_in_another_order(root):
  red, blue, grey = (200, 0, 0), (0, 0, 200), (90, 90, 90)
  classes(root, 'road', 'car', 'sky', palette=[red, blue, grey])
  ids = bands(0, 1, 2)
  save(root / LABEL, coloured(ids, red, blue, grey))
  save(root / 'labels/day_train/1.png', coloured(ids, blue, red, grey))
  return 'wrong', 'day_train/1 has road in the colour of car'


def a_palette_unlike_the_classes(root):
  red, blue, grey = (200, 0, 0), (0, 0, 200), (90, 90, 90)
  classes(root, 'road', 'car', 'sky', palette=[red, blue, grey])
  for i in range(2):
    image = coloured(bands(0, 1, 2), blue, red, grey)
    save(root / f'labels/day_train/{i}.png', image)
  return 'doubtful', 'contradict that of the classes'


def turned_alone(root):
  save(root / IMAGE, noise(*SIZE), exif=exif(3))
  return 'doubtful', 'turned by EXIF data, their labels are not'


def turned_with_its_label_as_stored(root):
  save(root / IMAGE, noise(*SIZE), exif=exif(6))
  return 'wrong', '32x24'


def turned_with_its_label_as_shown(root):
  save(root / IMAGE, noise(*SIZE), exif=exif(6))
  save(root / LABEL, bands(0, 1, 2).T)
  return 'doubtful', '1 of 2 images of source are turned by EXIF'


def masks_among_images(root):
  save(root / 'images/dusk_train/masked.png', bands(0, 200, 90))
  return 'doubtful', 'masks or labels among the images: dusk_train/masked'


def files_called_masks(root):
  save(root / 'images/dusk_train/0_depth.png', noise(24, 33))
  return 'doubtful', 'dusk_train/0_depth'


def thumbnails(root):
  save(root / 'images/dusk_train/small.png', noise(6, 8))
  return 'doubtful', 'thumbnails?: dusk_train/small'


def very_wide(root):
  save(root / 'images/dusk_train/wide.png', noise(2, 2000))
  return 'doubtful', 'more than 10 times as long as wide: dusk_train/wide'


def very_high(root):
  save(root / 'images/dusk_train/high.png', noise(2000, 2))
  return 'doubtful', 'dusk_train/high'


def other_kinds(root):
  (root / 'images/dusk_train/2.heic').write_bytes(b'not read')
  return 'doubtful', 'kinds that are not read: images/dusk_train/2.heic'


def pages(root):
  path = root / 'images/dusk_train/2.tif'
  second = Image.fromarray(noise(24, 33))
  Image.fromarray(noise(24, 34)).save(
    path, save_all=True, append_images=[second]
  )
  return 'doubtful', 'several pages or frames, of which the first is read'


def nothing_to_score(root):
  for i in range(2):
    save(root / f'labels/dusk_test/{i}.png', np.full(SIZE, 255, np.uint8))
  return 'wrong', 'evaluation has no pixel of any class; nothing can be scored'


def numbers_from_one(root):
  labels(root, lambda ids: ids + 1)
  return 'wrong', 'set "ignore_id" to 0 and "first_id" to 1'


def names_without_letters(root):
  classes(root, '道路', 'car', 'sky')
  return 'doubtful', '0 is 道路'


def name_that_is_no_text(root):
  (root / 'images/dusk_train/0.png').rename(
    (root / 'images/dusk_train/x').with_name('\udcb5\udcc0.png')
  )
  return 'wrong', 'images/dusk_train/??.png'


def name_of_two_lines(root):
  save(root / 'images/dusk_train/two\nlines.png', noise(24, 33))
  return 'wrong', 'images/dusk_train/two?lines.png'


def lfs_pointer(root):
  (root / IMAGE).write_bytes(b'version https://git-lfs.github.com/spec/v1\n')
  return 'wrong', 'git lfs pull'


def too_large(root):
  Image.new('1', (13_400, 13_400)).save(root / IMAGE)
  return 'wrong', 'is 13400x13400, more than the 178 megapixels'


def one_image_in_two_splits(root):
  (root / 'splits').mkdir()
  for split in ('dusk_train', 'dusk_test'):
    (root / f'splits/{split}.txt').write_text('dusk_test/0\ndusk_train/1')
  return 'wrong', 'target and evaluation share 2 images'


# These are all right.


def hidden_and_thumbnail_folders(root):
  for name in ('.ipynb_checkpoints', '@eaDir/0.png', '__MACOSX', '#recycle'):
    save(root / f'images/dusk_train/{name}/0.png', noise(6, 8))
  return 'plain', 'target: 2 examples'


def other_suffixes(root):
  for suffix in ('tif', 'BMP', 'webp'):
    save(root / f'images/dusk_train/{suffix}.{suffix}', noise(24, len(suffix)))
  for path in (root / 'images/dusk_train').iterdir():
    image = Image.fromarray(np.roll(noise(*SIZE), len(path.name), axis=1))
    image.save(path, **({'lossless': True} if 'webp' in path.name else {}))
  return 'plain', 'target: 5 examples'


def evaluation_of_several_sizes(root):
  save(root / 'images/dusk_test/0.png', noise(30, 40))
  save(root / 'labels/dusk_test/0.png', np.zeros((30, 40), np.uint8))
  return 'plain', 'scored one at a time'


def ids_from_one(root):
  classes(root, 'road', 'car', ignore_id=0, first_id=1)
  return 'plain', '50.00% of all ignored'


def suffix_in_capitals(root):
  (root / LABEL).rename(root / 'labels/day_train/0.PNG')
  return 'plain', 'source: 2 examples'


def list_of_windows(root):
  (root / 'splits').mkdir()
  text = 'day_train\\0\r\nday_train\\1\r\n'
  (root / 'splits/day_train.txt').write_bytes(text.encode('utf-16'))
  return 'plain', 'source: 2 examples'


def accents_taken_apart(root):
  (root / 'splits').mkdir()
  for folder in ('images', 'labels'):
    name = unicodedata.normalize('NFD', 'Müll')
    (root / f'{folder}/day_train/0.png').rename(
      root / f'{folder}/day_train/{name}.png'
    )
  name = unicodedata.normalize('NFC', 'Müll')
  (root / 'splits/day_train.txt').write_text(f'day_train/{name}')
  return 'plain', 'source: 1 examples'


def nothing(root):
  return 'plain', 'source: 2 examples'


def verdict(call, capsys):
  """('wrong', 'doubtful' or 'plain', all that was said)."""
  wrong = ''
  try:
    call()
  except errors.UserError as error:
    wrong = str(error)
    assert '\n' not in wrong
  said = capsys.readouterr()
  text = f'{said.out}{said.err}{wrong}'
  if wrong:
    return 'wrong', text
  return 'doubtful' if 'doubtful: ' in text else 'plain', text


def both(config, tmp_path, capsys):
  """The verdicts of launch.check and of launch.main before stage 1."""

  def start():
    config_check.check(config)
    run = context.open_run(config, workdir.Workdir(tmp_path / 'run'))
    data_check.check(run)

  sheet = tmp_path / 'sheet.png'
  return (
    verdict(lambda: print(check.judge(config, sheet)), capsys),
    verdict(start, capsys),
  )


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize(
  'spoil',
  [
    nothing, two_values, a_class_as_255, lossy_label, smooth_label,
    palettes_in_another_order, a_palette_unlike_the_classes, turned_alone,
    turned_with_its_label_as_stored, turned_with_its_label_as_shown,
    masks_among_images, files_called_masks, thumbnails, very_wide, very_high,
    other_kinds, pages, nothing_to_score, numbers_from_one,
    names_without_letters, name_that_is_no_text, name_of_two_lines,
    lfs_pointer, too_large, one_image_in_two_splits,
    hidden_and_thumbnail_folders, other_suffixes, evaluation_of_several_sizes,
    ids_from_one, suffix_in_capitals, list_of_windows, accents_taken_apart,
  ],
)  # fmt: skip
def test_check_and_the_start_of_a_run_judge_alike(
  root, tmp_path, capsys, spoil
):
  kind, words = spoil(root)
  config = camvid_dusk.get_config()
  config.data.root, config.annotate.oracle = str(root), 'human'
  (checked, said), (started, also) = both(config, tmp_path, capsys)
  assert (checked, started) == (kind, kind), said + also
  assert words in said
  if kind != 'plain':
    assert words in also
  assert said.endswith('all right\n') == (kind == 'plain')


@pytest.mark.parametrize(
  ('domain', 'kind', 'words'),
  [
    (
      'source', 'wrong',
      'source has train ids where this layout has label ids',
    ),
    ('mac', 'plain', ''),
    ('jpeg', 'doubtful', 'images/00001.jpg'),
    ('test', 'wrong', 'launch.predict --label_ids'),
  ],
)  # fmt: skip
def test_official_layouts_are_judged_alike(
  tmp_path, capsys, domain, kind, words
):
  root = tmp_path / 'data'
  gta5(root / 'GTA5', 2, (48, 96))
  for split in ('train', 'val'):
    cityscapes(root / 'Cityscapes', split, 2, (48, 96))
  config = gta_active.get_config()
  config.data.root, config.uda.easy_share = str(root), 0.5
  if domain == 'source':
    table = np.full(256, 255, np.uint8)
    table[[7, 8, 11, 12, 13, 17]] = range(6)
    for path in (root / 'GTA5/labels').iterdir():
      save(path, table[np.asarray(Image.open(path))])
  elif domain == 'mac':
    for path in list(root.rglob('*.png')):
      path.with_name(f'._{path.name}').write_bytes(b'what macOS leaves')
  elif domain == 'jpeg':
    save(root / 'GTA5/images/00001.jpg', noise(48, 96))
  else:
    config.data.evaluation.split = 'test'
    images = root / 'Cityscapes/leftImg8bit'
    (images / 'val').rename(images / 'test')
  (checked, said), (started, also) = both(config, tmp_path, capsys)
  assert (checked, started) == (kind, kind), said + also
  assert words in said
  assert words in also


def test_of_many_classes_only_those_that_occur_are_listed(
  root, tmp_path, capsys
):
  classes(root, *(f'c{i}' for i in range(200)))
  config = camvid_dusk.get_config()
  config.data.root = str(root)
  _, said = verdict(lambda: check.judge(config, tmp_path / 's.png'), capsys)
  assert '  absent: c3, c4, c5 and 194 more' in said
  assert len(said.splitlines()) < 30
