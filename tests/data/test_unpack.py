import errno
import zipfile
from unittest import mock

import numpy as np
import pytest
import trees
from saying import message

from pointsup_jax import errors
from pointsup_jax.data import classes, official, unpack

SIZE = (32, 64)


def pack(root, archive, pattern):
  with zipfile.ZipFile(root / archive, 'w') as packed:
    packed.writestr('README', 'terms of use')
    for path in sorted((root / 'tree').glob(pattern)):
      packed.write(path, path.relative_to(root / 'tree'))


@pytest.fixture
def cityscapes(tmp_path):
  trees.cityscapes(tmp_path / 'tree', 'train', 3, SIZE)
  pack(tmp_path, 'leftImg8bit_trainvaltest.zip', 'leftImg8bit/**/*.png')
  pack(tmp_path, 'gtFine_trainvaltest.zip', 'gtFine/**/*.png')
  return tmp_path


def names(dataset, root, split):
  images = official.open_split(dataset, root, split, classes.CITYSCAPES, None)
  assert len({example.labels.max() for example in images}) > 0
  return images.names


def test_cityscapes_is_unpacked_once(cityscapes):
  unpack.unpack('cityscapes', cityscapes)
  expected = names('cityscapes', cityscapes / 'tree', 'train')
  assert names('cityscapes', cityscapes, 'train') == expected
  assert not (cityscapes / '.unpacking').exists()
  stamp = (cityscapes / 'gtFine').stat().st_mtime_ns
  unpack.unpack('cityscapes', cityscapes)
  assert (cityscapes / 'gtFine').stat().st_mtime_ns == stamp


def test_gta5_comes_in_twenty_parts(tmp_path):
  trees.gta5(tmp_path / 'tree', 10, SIZE)
  for part in range(1, 11):
    for kind in ('images', 'labels'):
      pack(tmp_path, f'{part:02}_{kind}.zip', f'{kind}/{part:05}.png')
  unpack.unpack('gta5', tmp_path)
  assert len(names('gta5', tmp_path, 'all')) == 10


def test_a_missing_or_damaged_archive_leaves_no_folder(cityscapes):
  archive = cityscapes / 'gtFine_trainvaltest.zip'
  whole = archive.read_bytes()
  archive.write_bytes(whole[: len(whole) // 2])
  with pytest.raises(errors.UserError, match='damaged'):
    unpack.unpack('cityscapes', cityscapes)
  archive.unlink()
  with pytest.raises(errors.UserError, match='1 of 2 archives'):
    unpack.unpack('cityscapes', cityscapes)
  assert not (cityscapes / 'leftImg8bit').exists()
  archive.write_bytes(whole)  # the existing folder is used
  unpack.unpack('cityscapes', cityscapes)
  assert len(names('cityscapes', cityscapes, 'train')) == 3


def flip(data):
  """Damages what lies behind the first member's header."""
  for i in range(100, 140):
    data[i] ^= 0xFF


def overwrite(data):
  """Begins the first member's data as no compressed data begin."""
  begin = 30 + data[26]  # behind its header and name
  data[begin : begin + 40] = b'\xff' * 40


def encrypt(data):
  data[data.find(b'PK\x03\x04') + 6] |= 1
  data[data.find(b'PK\x01\x02') + 8] |= 1


def hide_method(data):
  data[data.find(b'PK\x01\x02') + 10] = 99


def move(data):
  data[-5] ^= 1  # where the list of members begins


@pytest.mark.parametrize('method', ['DEFLATED', 'BZIP2', 'LZMA'])
@pytest.mark.parametrize('spoil', [flip, overwrite, encrypt, hide_method, move])
def test_what_a_broken_download_looks_like(tmp_path, spoil, method):
  for archive in unpack.ARCHIVES['cityscapes'][0]:
    path = tmp_path / archive
    kind = getattr(zipfile, f'ZIP_{method}')
    with zipfile.ZipFile(path, 'w', kind) as packed:
      noise = np.random.default_rng(0).bytes(5000)
      packed.writestr(f'{archive[:6]}/a.png', b'abc' * 5000 + noise)
  data = bytearray(path.read_bytes())
  spoil(data)
  path.write_bytes(data)
  text = message(lambda: unpack.unpack('cityscapes', tmp_path))
  assert str(path) in text
  assert 'get it again' in text


def test_a_full_disk_is_not_blamed_on_the_archive(cityscapes, monkeypatch):
  full = OSError(errno.ENOSPC, 'No space left on device')
  monkeypatch.setattr(zipfile.ZipFile, 'extract', mock.Mock(side_effect=full))
  with pytest.raises(OSError, match='No space left'):
    unpack.unpack('cityscapes', cityscapes)


def test_members_with_evil_paths_stay_inside(tmp_path):
  root = tmp_path / 'root'
  root.mkdir()
  evil = ('../../evil.txt', '/evil.txt')
  for archive in unpack.ARCHIVES['cityscapes'][0]:
    with zipfile.ZipFile(root / archive, 'w') as packed:
      for name in (*evil, 'leftImg8bit/a.png', 'gtFine/a.png'):
        packed.writestr(name, 'x')
  unpack.unpack('cityscapes', root)
  for folder in (tmp_path, tmp_path.parent):
    assert not list(folder.glob('evil.txt'))


def test_folders_without_archives_are_left_alone(tmp_path):
  unpack.unpack('cityscapes', tmp_path)
  unpack.unpack('image_folder', tmp_path)
  assert not list(tmp_path.iterdir())
