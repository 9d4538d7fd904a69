import concurrent.futures

import numpy as np
import pytest
import saying
import trees
from numbered import Numbered

from pointsup_jax import errors
from pointsup_jax.data import classes, palettes, sources

TWO = classes.ClassSet(('road', 'sky'), palettes.distinct(2))


def test_a_subset_has_the_chosen_images_in_the_chosen_order():
  subset = sources.Subset(Numbered(6), [4, 1])
  assert list(subset.names) == ['image 4', 'image 1']
  assert [example.name for example in subset] == ['image 4', 'image 1']


def test_resized_images_keep_their_labels():
  source = sources.with_images_of(Numbered(6), (8, 8))
  assert source[3].image.shape == (8, 8, 3)
  assert (source[3].image == 3).all()
  assert (source[3].labels == Numbered(6)[3].labels).all()


def test_without_labels_the_images_are_the_same():
  example = sources.without_labels(Numbered(6))[3]
  assert (example.labels == 255).all()
  assert (example.image == 3).all()


def test_a_cache_gives_the_same_and_reads_once():
  source = Numbered(6)
  cached = sources.CachedSource(source)
  for _ in range(3):
    np.testing.assert_equal(list(cached), list(Numbered(6)))
  assert source.reads == list(range(6))
  assert cached.names == source.names
  assert len(cached) == 6


def test_a_cache_keeps_what_came_first_up_to_its_limit():
  source = Numbered(6)
  cached = sources.CachedSource(source, max_bytes=2 * 4 * 2 * 3 + 1)
  for _ in range(3):
    for index in (5, 0, 1, 2):
      cached[index]
  assert source.reads == [5, 0, 1, 2, 1, 2, 1, 2]


def test_what_is_cached_cannot_be_written_to():
  cached = sources.CachedSource(Numbered(6))
  with pytest.raises(ValueError, match='read-only'):
    cached[0].image[0, 0] = 1


def test_a_cache_stands_many_threads():
  cached = sources.CachedSource(Numbered(6), max_bytes=75)
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    got = list(pool.map(cached.__getitem__, [*range(6)] * 50))
  np.testing.assert_equal(got, list(Numbered(6)) * 50)


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
  (tmp_path / 'labels/train').mkdir(parents=True)
  image = np.zeros((10, 20, 3), np.uint8)
  trees.save(tmp_path / 'images/train/a.png', image)
  options = {'root': str(tmp_path), 'classes': TWO}
  with pytest.raises(errors.UserError, match=r'no labels/train/a\.png'):
    open_source('image_folder', **options)
  for size, expected in (((32, 64), (32, 64, 3)), (None, (10, 20, 3))):
    source = open_source('image_folder', labelled=False, size=size, **options)
    assert source[0].image.shape == expected


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
