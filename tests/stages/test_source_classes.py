"""Counting the source's classes, and the order of drawn images in a run."""

import itertools

import numpy as np
import pytest

from configs import streets_active
from pointsup_jax.data import sources
from pointsup_jax.run import context, workdir
from pointsup_jax.stages import phase, source_classes
from pointsup_jax.types import Example


class Labels:
  """A source of these labels; an image's colour is its number."""

  def __init__(self, labels, names=None):
    self.labels = labels
    self.names = names or tuple(f'image {i}' for i in range(len(labels)))

  def __len__(self):
    return len(self.labels)

  def __getitem__(self, index):
    labels = self.labels[index]
    image = np.full((*labels.shape, 3), index, np.uint8)
    return Example(self.names[index], image, labels)


def labels_of(seed):
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, 20, (6, 8, 16), dtype=np.uint8)
  return np.where(labels == 19, 255, labels)


@pytest.fixture
def run(tmp_path):
  config = streets_active.get_config()
  config.data.source.size = (8, 16)
  config.data.rare_class_temperature = 0.01
  return context.open_run(config, workdir.Workdir(tmp_path))


def test_each_class_of_each_image_is_counted(run):
  labels = labels_of(0)
  found = source_classes.counted(run, Labels(labels))
  for image, row in zip(labels, found, strict=True):
    assert row.tolist() == [(image == index).sum() for index in range(19)]


def test_they_are_counted_once_and_a_useless_file_is_made_anew(run, capsys):
  labels, others = Labels(labels_of(0)), Labels(labels_of(1))
  found = source_classes.counted(run, labels)
  again = source_classes.counted(run, others)
  np.testing.assert_array_equal(again, found)
  path = run.workdir.source_classes
  whole = path.read_text()
  row = '"image 3": ['
  for damaged in (
    '',
    '{}',
    whole[:-9],
    whole.replace('image 3', 'image 9'),
    whole.replace(row, row + '1,'),
    whole.replace(row, row + '-1,'),
  ):
    path.write_text(damaged)
    assert damaged != whole
    again = source_classes.counted(run, labels)
    np.testing.assert_array_equal(again, found)
    assert str(path) in capsys.readouterr().err
    assert path.read_text() == whole
  # A file of the same images in another order.
  names = labels.names[::-1]
  turned = source_classes.counted(run, Labels(others.labels, names))
  np.testing.assert_array_equal(turned, found[::-1])


def batches(run, source, start=0, draw=None):
  """Images of both domains in steps up to 12: [12 - start, 2 domains, B]."""
  pairs = phase.pair_batches(run, source, source, start, 'uda', draw)
  taken = list(itertools.islice(pairs, 12 - start))
  return np.array([[x.images[:, 0, 0, 0] for x in pair] for pair in taken])


def test_a_run_draws_the_source_alone_and_resumes_where_it_was(run):
  source = sources.CachedSource(Labels(labels_of(0)))
  draw = source_classes.drawer(run, source, run.workdir.uda)
  whole = batches(run, source, draw=draw)
  places = range(12 * run.config.train.batch_size)
  assert whole[:, 0].ravel().tolist() == [draw(place) for place in places]
  np.testing.assert_array_equal(batches(run, source, 5, draw), whole[5:])
  usual = batches(run, source)
  np.testing.assert_array_equal(whole[:, 1], usual[:, 1])
  assert not (whole[:, 0] == usual[:, 0]).all()
  # Each phase has an order of its own.
  other = source_classes.drawer(run, source, run.workdir.adapt)
  assert [draw(x) for x in places] != [other(x) for x in places]


def test_without_it_nothing_is_counted(run):
  run.config.data.rare_class_temperature = 0.0
  source = Labels(labels_of(0))
  assert source_classes.drawer(run, source, run.workdir.uda) is None
  assert not run.workdir.source_classes.exists()
