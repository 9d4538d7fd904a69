import concurrent.futures

import numpy as np
import pytest
import saying
from PIL import Image

from pointsup_jax import errors
from pointsup_jax.data import classes, sources
from pointsup_jax.types import Example

TWO = classes.ClassSet(('road', 'sky'), classes.distinct_palette(2))


class Counted:
  """Image i is of the colour i; counts how often each was read."""

  names = tuple('abcdef')

  def __init__(self):
    self.reads = [0] * 6

  def __len__(self):
    return 6

  def __getitem__(self, index):
    self.reads[index] += 1
    return Example(
      self.names[index],
      np.full((4, 6, 3), index, np.uint8),
      np.full((4, 6), index, np.uint8),
    )


def same(one, two):
  return one.name == two.name and all(
    (a == b).all() for a, b in zip(one[1:3], two[1:3], strict=True)
  )


def test_a_subset_has_the_chosen_images_in_the_chosen_order():
  subset = sources.Subset(Counted(), [4, 1])
  assert list(subset.names) == ['e', 'b']
  assert [example.name for example in subset] == ['e', 'b']


def test_resized_images_keep_their_labels():
  source = sources.with_images_of(Counted(), (8, 8))
  assert source[3].image.shape == (8, 8, 3)
  assert (source[3].image == 3).all()
  assert (source[3].labels == Counted()[3].labels).all()


def test_without_labels_the_images_are_the_same():
  example = sources.without_labels(Counted())[3]
  assert (example.labels == 255).all()
  assert (example.image == 3).all()


def test_a_cache_gives_the_same_and_reads_once():
  counted = Counted()
  cached = sources.CachedSource(counted)
  for _ in range(3):
    for index in range(6):
      assert same(cached[index], Counted()[index])
  assert counted.reads == [1] * 6
  assert cached.names == counted.names
  assert len(cached) == 6


def test_a_cache_keeps_what_came_first_up_to_its_limit():
  counted = Counted()
  cached = sources.CachedSource(counted, max_bytes=2 * 4 * 6 * 4 + 1)
  for _ in range(3):
    for index in (5, 0, 1, 2):
      cached[index]
  assert counted.reads == [1, 3, 3, 0, 0, 1]


def test_what_is_cached_cannot_be_written_to():
  cached = sources.CachedSource(Counted())
  with pytest.raises(ValueError, match='read-only'):
    cached[0].image[0, 0] = 1


def test_a_cache_stands_many_threads():
  cached = sources.CachedSource(Counted(), max_bytes=300)
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    for index, got in zip(
      list(range(6)) * 50,
      pool.map(cached.__getitem__, list(range(6)) * 50),
      strict=True,
    ):
      assert same(got, Counted()[index])


def open_source(dataset, **options):
  options = {
    'root': '', 'split': 'train', 'size': (32, 64), 'seed': 0, 'length': 3,
    'classes': classes.CITYSCAPES, **options,
  }  # fmt: skip
  return sources.open_source(dataset, **options)


@pytest.mark.parametrize(
  ('name', 'near'),
  [
    ('streets_gam', 'streets_game'),
    ('Streets-Camera', 'streets_camera'),
    ('imagefolder', 'image_folder'),
  ],
)
def test_an_unknown_data_set_comes_with_the_nearest(name, near):
  message = saying.usage(lambda: open_source(name))
  assert f"unknown data set '{name}': did you mean '{near}'?" in message


def test_an_image_folder_opens(tmp_path):
  for kind in ('images', 'labels'):
    (tmp_path / kind / 'train').mkdir(parents=True)
  Image.new('RGB', (20, 10)).save(tmp_path / 'images/train/a.png')
  options = {'root': str(tmp_path), 'classes': TWO}
  with pytest.raises(errors.UserError, match=r'no labels/train/a\.png'):
    open_source('image_folder', **options)
  source = open_source('image_folder', labelled=False, **options)
  assert source[0].image.shape == (32, 64, 3)
  native = open_source(
    'image_folder', labelled=False, **options | {'size': None}
  )
  assert native[0].image.shape == (10, 20, 3)


@pytest.mark.parametrize('dataset', ['streets_game', 'streets_camera'])
def test_streets_open_with_and_without_labels(dataset):
  labelled = open_source(dataset)
  hidden = open_source(dataset, labelled=False)
  assert len(labelled) == len(hidden) == 3
  assert labelled[0].image.shape == (32, 64, 3)
  assert np.isin(labelled[0].labels, [*range(19), 255]).all()
  assert not (labelled[0].labels == 255).all()
  assert (hidden[0].labels == 255).all()
  np.testing.assert_array_equal(hidden[0].image, labelled[0].image)


def test_streets_with_other_classes_are_refused():
  with pytest.raises(errors.UsageError, match=r"data\.classes='cityscapes'"):
    open_source('streets_game', classes=TWO)


def test_streets_need_a_size():
  with pytest.raises(errors.UsageError, match='streets_game has no native'):
    open_source('streets_game', size=None)
