import io
import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from saying import message

from pointsup_jax import errors
from pointsup_jax.data import classes, image_folder

THREE = classes.ClassSet(
  ('road', 'sky', 'car'), classes.distinct_palette(3), ignore_id=9
)


def save(path, pixels, **options):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(pixels).save(path, **options)
  return path


def colours(height=6, width=8, seed=0):
  return np.random.default_rng(seed).integers(
    0, 256, (height, width, 3), np.uint8
  )


def ids(height=6, width=8):
  return (np.arange(height * width).reshape(height, width) % 3).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
  """Two folders of two pairs, and a list."""
  names = ('town/b', 'town/a', 'field/c', 'field/d')
  for seed, name in enumerate(names):
    save(tmp_path / f'images/{name}.png', colours(seed=seed))
    save(tmp_path / f'labels/{name}.png', ids())
  (tmp_path / 'splits').mkdir()
  (tmp_path / 'splits/mixed.txt').write_text('town/a\r\n\nfield/d\n')
  return tmp_path


def folder(root, split='', size=None, **options):
  return image_folder.open_split(root, split, THREE, size, **options)


# What it reads.


def test_a_split_is_a_list_a_folder_or_everything(root):
  assert folder(root, 'mixed').names == ('field/d', 'town/a')
  assert folder(root, 'town').names == ('town/a', 'town/b')
  assert folder(root).names == ('field/c', 'field/d', 'town/a', 'town/b')
  assert len(folder(root)) == 4


def test_a_list_goes_before_a_folder_of_the_same_name(root):
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
  got = folder(root, 'town')[0].labels
  assert (got[:2] == 255).all()
  np.testing.assert_array_equal(got[2:], labels[2:])


def test_palette_labels_are_read_by_index(root):
  picture = Image.fromarray(ids(), mode=None).convert('P')
  picture.putdata(ids().ravel().tolist())
  # Colours that would give other ids than the indices do.
  picture.putpalette([200, 10, 10, 0, 0, 0, 255, 255, 255])
  picture.save(root / 'labels/town/a.png')
  assert Image.open(root / 'labels/town/a.png').mode == 'P'
  np.testing.assert_array_equal(folder(root, 'town')[0].labels, ids())


@pytest.mark.parametrize('suffix', ['jpg', 'jpeg', 'JPG'])
def test_jpegs_are_images_too(root, suffix):
  (root / 'images/town/a.png').unlink()
  save(
    root / f'images/town/a.{suffix}',
    np.full((6, 8, 3), 77, np.uint8),
    format='jpeg',
  )
  assert (folder(root, 'town')[0].image == 77).all()


def test_grey_and_transparent_images_become_rgb(root):
  save(root / 'images/town/a.png', np.full((6, 8), 77, np.uint8))
  save(
    root / 'images/town/b.png', np.dstack([colours(), ids()])
  )  # with an alpha channel
  town = folder(root, 'town')
  assert (town[0].image == 77).all()
  np.testing.assert_array_equal(town[1].image, colours())


def test_exif_orientation_is_honoured(root):
  exif = Image.Exif()
  exif[0x0112] = 6  # to be turned clockwise
  pixels = np.zeros((8, 16, 3), np.uint8)
  pixels[:, :8] = 200  # the left half, above once turned
  (root / 'images/town/a.png').unlink()
  save(root / 'images/town/a.jpg', pixels, quality=95, exif=exif)
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


def test_linked_folders_are_followed_and_hidden_files_are_not_images(root):
  (root / 'images/town/._a.png').write_bytes(b'what macOS leaves behind')
  os.rename(root / 'images/field', root / 'elsewhere')
  (root / 'images/field').symlink_to(root / 'elsewhere')
  assert folder(root).names == ('field/c', 'field/d', 'town/a', 'town/b')


def test_thumbnails_in_hidden_folders_are_not_images(root):
  save(root / 'images/.thumbnails/town/a.png', colours())
  save(root / 'images/town/.cache/a.png', colours())
  assert folder(root).names == ('field/c', 'field/d', 'town/a', 'town/b')


def test_links_that_lead_round_in_a_circle_change_nothing(root):
  (root / 'images/again').symlink_to('.')
  (root / 'images/field/up').symlink_to('..')
  (root / 'images/field/other').symlink_to('../town')
  assert folder(root).names == ('field/c', 'field/d', 'town/a', 'town/b')
  assert folder(root, 'town').names == ('town/a', 'town/b')


def test_a_pipe_is_no_image(root):
  os.mkfifo(root / 'images/town/pipe.png')
  assert folder(root, 'town').names == ('town/a', 'town/b')


def test_every_camvid_split_opens(shared):
  camvid = shared / 'data/camvid'
  table = json.loads((camvid / 'classes.json').read_text())
  for split, count in (
    ('day_train', 305), ('day_val', 101), ('dusk_train', 62), ('dusk_test', 62),
  ):  # fmt: skip
    images = image_folder.open_split(
      camvid, split, classes.load(camvid / 'classes.json'), None
    )
    assert len(images) == count
    example = images[count // 2]
    raw = np.asarray(Image.open(camvid / f'labels/{example.name}.png'))
    assert example.image.shape == (270, 360, 3)
    ignored = raw == table['ignore_id']
    assert (example.labels[ignored] == 255).all()
    np.testing.assert_array_equal(example.labels[~ignored], raw[~ignored])


# What it refuses when it is opened.


def test_a_missing_root_is_named(tmp_path):
  text = message(lambda: folder(tmp_path / 'nowhere'))
  assert str(tmp_path / 'nowhere/images') in text
  assert 'data.root' in text


def test_an_unknown_split_comes_with_those_there_are(root):
  text = message(lambda: folder(root, 'mixt'))
  assert "no split 'mixt'" in text
  assert 'field, mixed, town' in text


def test_a_folder_without_images_is_refused(root):
  (root / 'images/empty').mkdir()
  assert 'images/empty has no images' in message(lambda: folder(root, 'empty'))


def test_an_empty_list_is_refused(root):
  (root / 'splits/none.txt').write_text('\n\n')
  assert 'splits/none.txt is empty' in message(lambda: folder(root, 'none'))


def test_a_list_that_is_no_text_is_refused(root):
  (root / 'splits/bytes.txt').write_bytes(b'\xff\xfe\xff')
  assert 'splits/bytes.txt cannot be read' in message(
    lambda: folder(root, 'bytes')
  )


def test_a_name_listed_twice_is_refused(root):
  (root / 'splits/twice.txt').write_text('town/a\ntown/b\ntown/a\n')
  text = message(lambda: folder(root, 'twice'))
  assert 'splits/twice.txt has 1 names more than once: town/a' in text


def test_listed_names_without_image_are_counted(root):
  (root / 'splits/wrong.txt').write_text('town/a.png\ntown/a\nx\ny\nz\n')
  text = message(lambda: folder(root, 'wrong'))
  assert 'splits/wrong.txt: 4 of 5 names have no image' in text
  assert 'town/a.png, x, y and 1 more' in text
  assert 'without suffix' in text


def test_two_images_of_one_name_are_refused(root):
  save(root / 'images/town/a.jpg', colours())
  text = message(lambda: folder(root))
  assert 'images/town/a.jpg and images/town/a.png have the same name' in text


def test_images_without_labels_are_counted(root):
  for path in (root / 'labels').rglob('*.png'):
    path.unlink()
  text = message(lambda: folder(root))
  assert '4 of 4 images have no label' in text
  assert 'labels/town/a.png and 1 more' in text


def test_sizes_that_differ_are_given_for_both_files(root):
  save(root / 'labels/town/a.png', ids(5, 8))
  text = message(lambda: folder(root))
  assert text.startswith(
    'labels/town/a.png is 8x5 but images/town/a.png is 8x6; both must match'
  )


def test_many_sizes_that_differ_are_counted(root):
  for path in (root / 'labels').rglob('*.png'):
    save(path, ids(5, 8))
  text = message(lambda: folder(root))
  assert text.count(' but ') == 3
  assert 'and 1 more' in text
  assert '4 such pairs' in text


@pytest.mark.parametrize('kind', ['images', 'labels'])
def test_a_file_that_is_no_image_is_named(root, kind):
  (root / kind / 'town/a.png').write_text('<html>404</html>')
  assert f'{kind}/town/a.png cannot be read' in message(lambda: folder(root))


# What it refuses when it reads.


@pytest.mark.parametrize('kind', ['images', 'labels'])
def test_a_truncated_file_is_named(root, kind):
  path = save(root / 'images/town/a.png', colours(60, 80))
  save(root / 'labels/town/a.png', ids(60, 80))
  path = root / kind / 'town/a.png'
  images = folder(root, 'town')
  path.write_bytes(path.read_bytes()[:-40])
  assert f'{kind}/town/a.png cannot be read' in message(lambda: images[0])


@pytest.mark.filterwarnings('ignore::UserWarning:PIL')
@pytest.mark.parametrize('file_format', ['png', 'jpeg'])
def test_no_damage_escapes_as_another_error(root, file_format):
  file, exif = io.BytesIO(), Image.Exif()
  exif[0x0112] = 1
  Image.fromarray(colours(20, 30)).save(file, file_format, exif=exif)
  content = file.getvalue()
  save(root / 'labels/town/a.png', ids(20, 30))
  save(root / 'images/town/a.png', colours(20, 30))
  images = folder(root, 'town')
  random = np.random.default_rng(0)
  messages = []
  for start in random.integers(0, len(content), 60):
    damaged = bytearray(content)
    damaged[start : start + 8] = random.bytes(8)
    for bytes_ in (content[:start], bytes(damaged)):
      (root / 'images/town/a.png').write_bytes(bytes_)
      try:
        images[0]
      except errors.UserError as error:
        messages.append(str(error))
  assert len(messages) >= 40
  for text in messages:
    assert '\n' not in text
    assert 'images/town/a.png' in text


def test_an_id_of_no_class_is_named_with_the_valid_ones(root):
  labels = ids()
  labels[2, 3], labels[4, 4] = 3, 200
  save(root / 'labels/town/a.png', labels)
  text = message(lambda: folder(root, 'town')[0])
  assert 'labels/town/a.png has the id 3, 200' in text
  assert 'valid are 0 to 2, and 9 or 255 for ignore' in text
  assert 'labelIds' not in text


def test_label_ids_in_place_of_train_ids_are_recognised(root):
  save(root / 'labels/town/a.png', np.full((6, 8), 26, np.uint8))
  images = image_folder.open_split(root, 'town', classes.CITYSCAPES, None)
  text = message(lambda: images[0])
  assert 'valid are 0 to 18, and 255 for ignore; are these labelIds?' in text


def test_a_coloured_label_is_refused(root):
  save(root / 'labels/town/a.png', colours())
  text = message(lambda: folder(root, 'town')[0])
  assert 'labels/town/a.png has mode RGB, 3 channel(s)' in text


def test_sixteen_bit_files_are_refused(root):
  save(root / 'labels/town/a.png', ids().astype(np.uint16))
  text = message(lambda: folder(root, 'town')[0])
  assert 'labels/town/a.png has mode I;16' in text
  save(root / 'images/town/b.png', ids().astype(np.uint16))
  text = message(lambda: folder(root, 'town')[1])
  assert 'images/town/b.png has mode I;16' in text


def test_a_png_turned_by_exif_must_match_its_label_when_read(root):
  exif = Image.Exif()
  exif[0x0112] = 6
  save(root / 'images/town/a.png', colours(), exif=exif)
  text = message(lambda: folder(root, 'town')[0])
  assert 'labels/town/a.png is 8x6 but images/town/a.png is 6x8' in text


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_ids_of_grey_pngs_with_few_bits_are_not_rescaled(root, bits):
  labels = ids() % min(3, 2**bits)
  rows = []
  for row in labels:
    padded = np.pad(row, (0, -len(row) % (8 // bits)))
    packed = np.zeros(len(padded) * bits // 8, np.uint8)
    for i, value in enumerate(padded):
      place = i * bits // 8
      packed[place] |= value << (8 - bits - i * bits % 8)
    rows.append(b'\0' + packed.tobytes())

  def chunk(kind, data):
    crc = zlib.crc32(kind + data)
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', crc)

  header = struct.pack('>IIBBBBB', 8, 6, bits, 0, 0, 0, 0)
  (root / 'labels/town/a.png').write_bytes(
    b'\x89PNG\r\n\x1a\n'
    + chunk(b'IHDR', header)
    + chunk(b'IDAT', zlib.compress(b''.join(rows)))
    + chunk(b'IEND', b'')
  )
  np.testing.assert_array_equal(folder(root, 'town')[0].labels, labels)
