import os
import pathlib

import numpy as np
import pytest
import trees
from PIL import Image

from pointsup_jax.data import identity, image_folder

NAMES = ('a', 'b', 'c', 'd')


@pytest.fixture
def root(tmp_path):
  for i, name in enumerate(NAMES):
    trees.save(tmp_path / f'images/{name}.png', np.full((4, 6, 3), i, np.uint8))
    trees.save(tmp_path / f'labels/{name}.png', np.full((4, 6), i, np.uint8))
  return tmp_path


def read(root, known=None, labelled=True):
  pairs = image_folder.find(root, '')
  return identity.read(root, pairs, known or {}, labelled=labelled)


def said(root, before):
  return identity.in_words(identity.changes(before, read(root, before)))


def paint(path, value=9, keep_times=False):
  before = path.stat()
  size = np.asarray(Image.open(path)).shape
  trees.save(path, np.full(size, value, np.uint8))
  if keep_times:
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
  ('edit', 'words'),
  [
    (lambda r: paint(r / 'images/a.png'), '1 image changed (a)'),
    (lambda r: paint(r / 'labels/b.png'), '1 label changed (b)'),
    (lambda r: paint(r / 'labels/b.png', 8, True), '1 label changed (b)'),
    (
      lambda r: [paint(path) for path in (r / 'images').iterdir()],
      '4 images changed (a, b, c and 1 more)',
    ),
    (lambda r: (r / 'images/c.png').unlink(), '1 image removed (c)'),
    (lambda r: (r / 'labels/c.png').unlink(), '1 label removed (c)'),
    (
      lambda r: (r / 'images/d.png').rename(r / 'images/e.png'),
      '1 image added (e), 1 image removed (d)',
    ),
  ],
)
def test_whatever_changes_is_said(root, edit, words):
  before = read(root)
  edit(root)
  assert said(root, before) == words


def test_a_list_decides_which_images_there_are(root):
  listing = root / 'splits/x.txt'
  listing.parent.mkdir()
  listing.write_text('a\nb')
  one = identity.read(root, image_folder.find(root, 'x'), {}, labelled=True)
  listing.write_text('b\nc')
  two = identity.read(root, image_folder.find(root, 'x'), {}, labelled=True)
  words = '1 image added (c), 1 image removed (a)'
  assert identity.in_words(identity.changes(one, two)) == words


def test_copies_and_touched_files_are_the_same(root, tmp_path_factory):
  before = read(root)
  for path in root.rglob('*.png'):
    os.utime(path)
  assert said(root, before) == ''
  assert identity.fingerprint(before) == identity.fingerprint(read(root))
  assert identity.changes(before, read(root, labelled=False)) == []


def test_files_that_nobody_touched_are_not_read(root, monkeypatch):
  before = read(root)
  monkeypatch.delattr(pathlib.Path, 'open')
  assert read(root, before) == before


def test_a_large_image_is_known_by_any_of_its_pixels(tmp_path):
  image = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
  path = trees.save(tmp_path / 'a.png', image)
  assert path.stat().st_size > 3 << 20
  before = identity.digest(path)
  image[512, 512] ^= 1
  trees.save(path, image)
  assert identity.digest(path) != before


def test_it_comes_back_from_json(root):
  found = read(root)
  assert identity.from_json(identity.to_json(found)) == found


@pytest.mark.parametrize(
  'value', [3, [], {}, {'labels': {}}, {'images': 3}, {'images': {'a': 'b'}}]
)
def test_damaged_json_is_refused(value):
  with pytest.raises(ValueError, match='digests'):
    identity.from_json(value)
