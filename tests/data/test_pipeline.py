import itertools
import secrets
import threading
import zlib

import numpy as np
import pytest
from numbered import Numbered
from saying import message

from pointsup_jax import errors
from pointsup_jax.data import classes, image_folder, pipeline, sources
from pointsup_jax.types import Batch


class Endless(Numbered):
  def __init__(self, length):
    super().__init__(1)
    self._length = length

  def __len__(self):
    return self._length

  def __getitem__(self, index):
    return super().__getitem__(0)


def take(count, source, **options):
  """Image indices of the first batches: [count, B]."""
  options = {'seed': 3, 'batch_size': 4, **options}
  batches = list(itertools.islice(pipeline.stream(source, **options), count))
  for batch in batches:
    assert isinstance(batch, Batch)
    assert batch.images.dtype == batch.labels.dtype == np.uint8
    assert batch.images.shape[1:] == (2, 3, 3)
    # A row's image and label match.
    assert (batch.labels == batch.images[..., 0] + 50).all()
  return np.stack([batch.images[:, 0, 0, 0] for batch in batches])


def test_every_epoch_is_another_permutation():
  rows = take(15, Numbered(20)).reshape(3, 20)
  for epoch in rows:
    assert sorted(epoch) == list(range(20))
  assert not (rows[0] == rows[1]).all()
  assert not (rows[1] == rows[2]).all()


@pytest.mark.parametrize(
  ('length', 'size'), [(7, 4), (3, 5)], ids=['larger', 'smaller than a batch']
)
def test_epochs_run_on_over_the_borders_of_batches(length, size):
  rows = take(length, Numbered(length), batch_size=size)
  for epoch in rows.reshape(size, length):
    assert sorted(epoch) == list(range(length))


def test_the_seed_decides_the_order():
  first, again, other = (take(5, Numbered(20), seed=s) for s in (3, 3, 4))
  np.testing.assert_array_equal(first, again)
  assert not (first == other).all()
  take(1, Numbered(20), seed=2**32 - 1)


def test_the_number_of_threads_changes_nothing():
  one, many = (take(12, Numbered(20), num_threads=n) for n in (1, 5))
  np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize('step', [1, 5, 13])
def test_a_restart_gives_what_the_uninterrupted_run_gave(step):
  whole = take(20, Numbered(23))
  rest = take(20 - step, Numbered(23), start_step=step)
  np.testing.assert_array_equal(whole[step:], rest)


@pytest.mark.parametrize('count', [1, 2])
def test_a_restart_at_any_step_of_any_process_goes_on_as_before(count):
  seed = secrets.randbelow(2**32)  # random on purpose; named on failure
  rng = np.random.default_rng(seed)
  length, step = int(rng.integers(1, 60)), int(rng.integers(1, 40))
  for index in range(count):
    share = {'process_index': index, 'process_count': count}
    whole = take(step + 5, Numbered(length), **share)
    rest = take(5, Numbered(length), start_step=step, **share)
    case = f'{seed=} {length=} {step=} {index=}'
    np.testing.assert_array_equal(whole[step:], rest, err_msg=case)


def test_a_restart_does_not_read_what_was_done():
  done = take(25, Numbered(200), num_threads=1)
  source = Numbered(200)
  rows = take(1, source, start_step=25, num_threads=1)
  # One batch and a few read ahead, all of the same epoch.
  assert set(rows.ravel()) <= set(source.reads)
  assert len(source.reads) <= 4 * 4
  assert not set(source.reads) & set(done.ravel().tolist())


@pytest.mark.parametrize('length', [13, 16, 2**30 + 1])
def test_batches_of_one_image_work_for_every_number_of_images(length):
  # Grain's lengths are near the largest integer here.
  images = Endless(length)
  batches = pipeline.stream(images, seed=0, batch_size=1, start_step=10**6)
  assert next(batches).images.shape == (1, 2, 3, 3)


@pytest.mark.parametrize('start_step', [0, 3])
@pytest.mark.parametrize('count', [2, 4])
def test_processes_share_the_batches_that_one_would_have(start_step, count):
  options = {'start_step': start_step, 'process_count': count}
  shares = [
    take(9, Numbered(13), process_index=index, **options)
    for index in range(count)
  ]
  alone = take(9, Numbered(13), start_step=start_step)
  np.testing.assert_array_equal(np.concatenate(shares, 1), alone)


@pytest.mark.parametrize('start_step', [0, 4])
def test_ids_are_those_of_the_rows_images(start_step):
  batches = pipeline.stream(
    Numbered(5), seed=3, batch_size=4, start_step=start_step, with_ids=True
  )
  for batch in itertools.islice(batches, 3):
    assert batch.ids.dtype == np.uint32
    names = [f'image {number}' for number in batch.images[:, 0, 0, 0]]
    assert list(batch.ids) == [zlib.crc32(name.encode()) for name in names]
  plain = pipeline.stream(Numbered(5), seed=3, batch_size=4)
  assert next(plain).ids is None


def drawn(place):
  return (place * place + place // 7) % 23


@pytest.mark.parametrize(('start_step', 'count'), [(0, 2), (3, 1), (5, 4)])
def test_drawn_images_depend_on_their_place_alone(start_step, count):
  expected = [drawn(place) for place in range(4 * start_step, 4 * 15)]
  options = {'start_step': start_step, 'process_count': count, 'draw': drawn}
  shares = [
    take(15 - start_step, Numbered(23), process_index=index, **options)
    for index in range(count)
  ]
  assert np.concatenate(shares, 1).ravel().tolist() == expected


def test_a_batch_that_cannot_be_shared_is_refused():
  with pytest.raises(errors.UsageError, match=r'batch of 4 .* by 3 processes'):
    next(pipeline.stream(Numbered(5), seed=0, batch_size=4, process_count=3))


def test_training_on_nothing_is_refused():
  with pytest.raises(errors.UserError, match='no images'):
    next(pipeline.stream(Numbered(0), seed=0, batch_size=4))


@pytest.mark.parametrize(
  'read',
  [
    lambda source: take(3, source, seed=0, batch_size=2),
    lambda source: list(pipeline.in_order(source, 2)),
  ],
  ids=['stream', 'in_order'],
)
def test_an_error_of_the_source_comes_out_as_it_is(read):
  source = Numbered(6, broken={4: errors.UserError('labels/4.png is damaged')})
  assert message(lambda: read(source)) == 'labels/4.png is damaged'


def test_threads_end_with_the_stream():
  before = threading.active_count()
  batches = pipeline.stream(Numbered(6), seed=0, batch_size=2, num_threads=4)
  next(batches)
  reading = [t for t in threading.enumerate() if 'grain' in t.name]
  batches.close()
  for thread in reading:
    thread.join(timeout=10)
  assert threading.active_count() <= before


# Every image once.


@pytest.mark.parametrize(('length', 'valids'), [(8, [4, 4]), (9, [4, 4, 1])])
def test_every_image_comes_once_in_order(length, valids):
  batches = list(pipeline.in_order(Numbered(length), 4, num_threads=3))
  assert [valid for _, _, valid in batches] == valids
  rows = np.concatenate([b.images[:v, 0, 0, 0] for _, b, v in batches])
  assert rows.tolist() == list(range(length))
  names = [name for names, _, valid in batches for name in names[:valid]]
  assert names == [f'image {i}' for i in range(length)]


def test_the_last_batch_is_filled_with_its_last_image():
  names, batch, valid = list(pipeline.in_order(Numbered(6), 4))[-1]
  assert valid == 2
  assert names == ['image 4', 'image 5', 'image 5', 'image 5']
  assert batch.images[:, 0, 0, 0].tolist() == [4, 5, 5, 5]
  assert batch.labels[:, 0, 0].tolist() == [54, 55, 55, 55]


@pytest.mark.parametrize('length', [3, 8, 9, 11])
def test_processes_share_the_batches_in_order(length):
  whole = list(pipeline.in_order(Numbered(length), 4))
  shares = (
    pipeline.in_order(Numbered(length), 4, process_index=i, process_count=2)
    for i in range(2)
  )
  for (names, batch, valid), *parts in zip(whole, *shares, strict=True):
    assert [(n, v) for n, _, v in parts] == [(names, valid)] * 2
    joined = np.concatenate([part.images for _, part, _ in parts])
    np.testing.assert_array_equal(joined, batch.images)


def test_nothing_to_do_gives_no_batch():
  assert list(pipeline.in_order(Numbered(0), 4)) == []


def test_ragged_images_need_batches_of_one():
  source = Numbered(3, shapes={1: (5, 7)})
  shapes = [b.images.shape for _, b, _ in pipeline.in_order(source, 1)]
  assert shapes == [(1, 2, 3, 3), (1, 5, 7, 3), (1, 2, 3, 3)]
  assert message(lambda: list(pipeline.in_order(source, 3))) == (
    'image 0 is 3x2 but image 1 is 7x5; a batch has one size: set the batch '
    'size to 1'
  )


def test_camvid_streams_through_a_cache(shared):
  root = shared / 'data/camvid'
  kinds = classes.load(root / 'classes.json')
  images = image_folder.open_split(root, 'dusk_train', kinds, (32, 48))
  plain, cached = (
    list(itertools.islice(pipeline.stream(s, seed=1, batch_size=8), 10))
    for s in (images, sources.CachedSource(images))
  )
  assert plain[0].images.shape == (8, 32, 48, 3)
  np.testing.assert_equal(plain, cached)
  assert np.isin(plain[0].labels, [*range(11), 255]).all()
