import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image
from saying import message, refusal
from trees import save

from pointsup_jax.data import classes, image_files, image_folder, palettes

CLOCKWISE = Image.Exif()
CLOCKWISE[0x0112] = 6  # rotated 90 degrees
THREE = classes.ClassSet(
  ('road', 'sky', 'car'), palettes.distinct(3), ignore_id=9
)


def colours(height=6, width=8, seed=0):
  shape = (height, width, 3)
  return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def ids(height=6, width=8):
  return (np.arange(height * width).reshape(height, width) % 3).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
  names = ('town/b', 'town/a', 'field/c', 'field/d')
  for seed, name in enumerate(names):
    save(tmp_path / f'images/{name}.png', colours(seed=seed))
    save(tmp_path / f'labels/{name}.png', ids())
  (tmp_path / 'splits').mkdir()
  (tmp_path / 'splits/mixed.txt').write_text('town/a\r\n\nfield/d\n')
  return tmp_path


def folder(root, split='', size=None, **options):
  return image_folder.open_split(root, split, THREE, size, **options)


def refused(root, split=''):
  return message(lambda: folder(root, split))


def refused_image(root, index=0, kinds=THREE):
  images = image_folder.open_split(root, 'town', kinds, None)
  return message(lambda: images[index])


# Reading.


def test_a_split_is_a_list_a_folder_or_everything(root):
  assert folder(root, 'mixed').names == ('field/d', 'town/a')
  assert folder(root, 'town').names == ('town/a', 'town/b')
  assert folder(root).names == ('field/c', 'field/d', 'town/a', 'town/b')
  assert len(folder(root)) == 4
  # A list takes precedence over a folder of the same name.
  (root / 'splits/town.txt').write_text('field/c')
  assert folder(root, 'town').names == ('field/c',)


def test_pixels_and_ids_come_through_unchanged(root):
  example = folder(root, 'town')[1]
  assert example.name == 'town/b'
  np.testing.assert_array_equal(example.image, colours(seed=0))
  np.testing.assert_array_equal(example.labels, ids())
  assert example.image.dtype == example.labels.dtype == np.uint8


def test_ignored_ids_become_255(root):
  labels = ids()
  labels[0], labels[1] = 9, 255
  save(root / 'labels/town/a.png', labels)
  labels[0] = 255
  np.testing.assert_array_equal(folder(root, 'town')[0].labels, labels)


def test_palette_labels_are_read_by_index(root):
  picture = Image.fromarray(ids(), 'P')
  # Colours that would decode to other ids than the indices.
  picture.putpalette([200, 10, 10, 0, 0, 0, 255, 255, 255])
  picture.save(root / 'labels/town/a.png')
  assert Image.open(root / 'labels/town/a.png').mode == 'P'
  np.testing.assert_array_equal(folder(root, 'town')[0].labels, ids())


@pytest.mark.parametrize('suffix', ['jpg', 'jpeg', 'JPG'])
def test_jpegs_are_images_too(root, suffix):
  (root / 'images/town/a.png').unlink()
  path = root / f'images/town/a.{suffix}'
  save(path, np.full((6, 8, 3), 77, np.uint8), format='jpeg')
  assert (folder(root, 'town')[0].image == 77).all()


def test_grey_and_transparent_images_become_rgb(root):
  save(root / 'images/town/a.png', np.full((6, 8), 77, np.uint8))
  save(root / 'images/town/b.png', np.dstack([colours(), ids()]))  # RGBA
  town = folder(root, 'town')
  assert (town[0].image == 77).all()
  np.testing.assert_array_equal(town[1].image, colours())


def test_exif_orientation_is_honoured(root):
  pixels = np.zeros((8, 16, 3), np.uint8)
  pixels[:, :8] = 200  # the left half; the upper one when rotated
  (root / 'images/town/a.png').unlink()
  save(root / 'images/town/a.jpg', pixels, quality=95, exif=CLOCKWISE)
  save(root / 'labels/town/a.png', ids(16, 8))
  image = folder(root, 'town')[0].image
  assert image.shape == (16, 8, 3)
  assert (image[:7] > 150).all()
  assert (image[9:] < 50).all()


def test_both_are_resized_and_no_id_is_invented(root):
  labels = np.zeros((60, 80), np.uint8)
  labels[:, 40:] = 2
  save(root / 'images/town/a.png', colours(60, 80))
  save(root / 'labels/town/a.png', labels)
  example = folder(root, 'town', size=(7, 10))[0]
  assert example.image.shape == (7, 10, 3)
  assert example.labels.shape == (7, 10)
  assert set(np.unique(example.labels)) == {0, 2}


def test_without_labels_everything_is_255(root):
  for path in (root / 'labels').rglob('*.png'):
    path.unlink()
  example = folder(root, 'town', size=(3, 4), labelled=False)[0]
  assert example.labels.shape == (3, 4)
  assert (example.labels == 255).all()


def test_linked_folders_are_followed(root):
  os.rename(root / 'images/field', root / 'elsewhere')
  (root / 'images/field').symlink_to(root / 'elsewhere')
  assert folder(root).names == ('field/c', 'field/d', 'town/a', 'town/b')


def test_what_is_hidden_and_pipes_are_not_images(root):
  (root / 'images/town/._a.png').write_bytes(b'what macOS leaves behind')
  os.mkfifo(root / 'images/town/pipe.png')
  save(root / 'images/.thumbnails/town/a.png', colours())
  save(root / 'images/town/.cache/a.png', colours())
  assert folder(root).names == ('field/c', 'field/d', 'town/a', 'town/b')
  assert folder(root, 'town').names == ('town/a', 'town/b')


def test_links_that_lead_round_in_a_circle_change_nothing(root):
  (root / 'images/again').symlink_to('.')
  (root / 'images/field/up').symlink_to('..')
  (root / 'images/field/other').symlink_to('../town')
  assert folder(root).names == ('field/c', 'field/d', 'town/a', 'town/b')
  assert folder(root, 'town').names == ('town/a', 'town/b')


def test_every_camvid_split_opens(shared):
  camvid = shared / 'data/camvid'
  camvid_classes = classes.load(camvid / 'classes.json')
  for split, count in (
    ('day_train', 305), ('day_val', 101), ('dusk_train', 62), ('dusk_test', 62),
  ):  # fmt: skip
    images = image_folder.open_split(camvid, split, camvid_classes, None)
    assert len(images) == count
    example = images[count // 2]
    raw = np.asarray(Image.open(camvid / f'labels/{example.name}.png'))
    assert example.image.shape == (270, 360, 3)
    ignored = raw == 11
    assert (example.labels[ignored] == 255).all()
    np.testing.assert_array_equal(example.labels[~ignored], raw[~ignored])


# Errors on opening.


def test_a_missing_root_is_named(tmp_path):
  text = refused(tmp_path / 'nowhere')
  assert str(tmp_path / 'nowhere/images') in text
  assert 'data.root' in text


def test_an_unknown_split_comes_with_those_there_are(root):
  text = refused(root, 'mixt')
  assert "no split 'mixt'" in text
  assert 'field, mixed, town' in text


def test_a_folder_without_images_is_refused(root):
  (root / 'images/empty').mkdir()
  assert 'images/empty has no images' in refused(root, 'empty')


@pytest.mark.parametrize(
  ('content', 'said'),
  [
    (b'\n\n', ' is empty'),
    (b'\xff\xfe\xff', ' cannot be read'),
    (b'town/a\ntown/b\ntown/a\n', ' has 1 names more than once: town/a'),
  ],
  ids=['empty', 'no text', 'a name twice'],
)
def test_a_list_of_no_distinct_names_is_refused(root, content, said):
  (root / 'splits/wrong.txt').write_bytes(content)
  assert f'splits/wrong.txt{said}' in refused(root, 'wrong')


def test_listed_names_without_image_are_counted(root):
  (root / 'splits/wrong.txt').write_text('town/a.png\ntown/a\nx\ny\nz\n')
  text = refused(root, 'wrong')
  assert 'splits/wrong.txt: 4 of 5 names have no image' in text
  assert 'town/a.png, x, y and 1 more' in text
  assert 'without suffix' in text


def test_two_images_of_one_name_are_refused(root):
  save(root / 'images/town/a.jpg', colours())
  said = 'images/town/a.jpg and images/town/a.png have the same name'
  assert said in refused(root)


def test_images_without_labels_are_counted(root):
  for path in (root / 'labels').rglob('*.png'):
    path.unlink()
  text = refused(root)
  assert '4 of 4 images have no label' in text
  assert 'labels/town/a.png and 1 more' in text


def test_sizes_that_differ_are_given_for_both_files(root):
  save(root / 'labels/town/a.png', ids(5, 8))
  said = (
    'labels/town/a.png is 8x5 but images/town/a.png is 8x6; both must match'
  )
  assert refused(root).startswith(said)


def test_many_sizes_that_differ_are_counted(root):
  for path in (root / 'labels').rglob('*.png'):
    save(path, ids(5, 8))
  text = refused(root)
  assert text.count(' but ') == 3
  assert 'and 1 more' in text
  assert '4 such pairs' in text


@pytest.mark.parametrize('kind', ['images', 'labels'])
def test_a_file_that_is_no_image_is_named(root, kind):
  (root / kind / 'town/a.png').write_text('<html>404</html>')
  assert f'{kind}/town/a.png cannot be read' in refused(root)


# Errors on reading.


@pytest.mark.parametrize('kind', ['images', 'labels'])
def test_a_truncated_file_is_named(root, kind):
  save(root / 'images/town/a.png', colours(60, 80))
  save(root / 'labels/town/a.png', ids(60, 80))
  path = root / kind / 'town/a.png'
  images = folder(root, 'town')
  path.write_bytes(path.read_bytes()[:-40])
  assert f'{kind}/town/a.png cannot be read' in message(lambda: images[0])


@pytest.mark.filterwarnings('ignore::UserWarning:PIL')
@pytest.mark.parametrize('file_format', ['png', 'jpeg'])
def test_no_damage_escapes_as_another_error(root, file_format):
  exif = Image.Exif()
  exif[0x0112] = 1
  path = save(root / 'any', colours(20, 30), format=file_format, exif=exif)
  content = path.read_bytes()
  save(root / 'labels/town/a.png', ids(20, 30))
  path = save(root / 'images/town/a.png', colours(20, 30))
  images = folder(root, 'town')
  random = np.random.default_rng(0)
  messages = []
  for start in random.integers(0, len(content), 60):
    damaged = bytearray(content)
    damaged[start : start + 8] = random.bytes(8)
    for bytes_ in (content[:start], bytes(damaged)):
      path.write_bytes(bytes_)
      messages.append(refusal(lambda: images[0]))
  messages = list(filter(None, messages))
  assert len(messages) >= 40
  assert all('images/town/a.png' in text for text in messages)


def test_an_id_of_no_class_is_named_with_the_valid_ones(root):
  labels = ids()
  labels[2, 3], labels[4, 4] = 3, 200
  save(root / 'labels/town/a.png', labels)
  text = refused_image(root)
  assert 'labels/town/a.png has the id 3, 200' in text
  assert 'valid are 0 to 2, and 9 or 255 for ignore' in text
  assert 'labelIds' not in text


def test_label_ids_in_place_of_train_ids_are_recognised(root):
  save(root / 'labels/town/a.png', np.full((6, 8), 26, np.uint8))
  said = 'valid are 0 to 18, and 255 for ignore; are these labelIds?'
  assert said in refused_image(root, kinds=classes.CITYSCAPES)


def test_a_coloured_label_is_refused(root):
  save(root / 'labels/town/a.png', colours())
  said = 'labels/town/a.png has mode RGB, 3 channel(s)'
  assert said in refused_image(root)


def test_labels_of_sixteen_bits_are_refused(root):
  save(root / 'labels/town/a.png', ids().astype(np.uint16))
  assert 'labels/town/a.png has mode I;16' in refused_image(root)


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
def test_of_sixteen_bits_those_in_use_count(root, bits, channels):
  eight = colours()[..., 0]
  eight[0, 0] = 255
  wide = eight.astype(np.uint16) << (bits - 8)
  path = str(root / 'images/town/a.png')
  pixels = wide if channels == 1 else np.dstack([wide] * channels)
  assert cv2.imwrite(path, pixels)
  image = folder(root, 'town')[0].image
  np.testing.assert_array_equal(image, np.dstack([eight] * 3))


@pytest.mark.parametrize('where', ['before', 'behind'])
def test_exif_data_of_a_png_count_before_its_pixels(root, where):
  path = save(root / 'images/town/a.png', colours(), exif=CLOCKWISE)
  if where == 'behind':
    whole = path.read_bytes()
    start = whole.index(b'eXIf') - 4
    length = 12 + int.from_bytes(whole[start : start + 4])
    rest, end = whole[:start] + whole[start + length :], whole[-12:]
    path.write_bytes(rest[:-12] + whole[start : start + length] + end)
  turned = where == 'before'
  save(root / 'labels/town/a.png', ids(8, 6) if turned else ids())
  image = folder(root, 'town')[0].image
  assert image.shape == ((8, 6, 3) if turned else (6, 8, 3))


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('kind', ['png', 'jpeg', 'tiff', 'webp'])
def test_headers_turn_as_pixels_do(tmp_path, kind, orientation):
  exif = Image.Exif()
  exif[0x0112] = orientation
  save(tmp_path / 'x', colours(), format=kind, exif=exif)
  header = image_files.header(tmp_path, 'x')
  assert header.size == image_files.read_image(tmp_path, 'x').shape[:2]
  assert header.turned == (orientation != 1)


def test_a_png_turned_by_exif_must_match_its_label(root):
  save(root / 'images/town/a.png', colours(), exif=CLOCKWISE)
  said = (
    'labels/town/a.png is 8x6 but images/town/a.png is 6x8 as its EXIF data '
    'turn it'
  )
  assert said in refused(root)


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_ids_of_grey_pngs_with_few_bits_are_not_rescaled(root, bits):
  labels = ids() % min(3, 2**bits)
  low_bits = np.unpackbits(labels[..., None], axis=-1)[..., -bits:]
  rows = np.packbits(low_bits.reshape(6, -1), axis=-1)
  rows = np.pad(rows, ((0, 0), (1, 0)))  # filter type 0: none

  def chunk(kind, data):
    crc = zlib.crc32(kind + data)
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', crc)

  header = struct.pack('>IIBBBBB', 8, 6, bits, 0, 0, 0, 0)
  (root / 'labels/town/a.png').write_bytes(
    b'\x89PNG\r\n\x1a\n'
    + chunk(b'IHDR', header)
    + chunk(b'IDAT', zlib.compress(rows.tobytes()))
    + chunk(b'IEND', b'')
  )
  np.testing.assert_array_equal(folder(root, 'town')[0].labels, labels)
