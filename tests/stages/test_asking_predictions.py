"""Another model's predictions ask what a network of ours would ask."""

import json

import jax
import numpy as np
import pytest
import saying
import trees

from configs import streets_active
from pointsup_jax import errors
from pointsup_jax.acquisition import questions, scores, selection
from pointsup_jax.data import predictions
from pointsup_jax.run import (
  config_check,
  data_check,
  predicted,
  recorded_data,
  workdir,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.stages import acquire

SIZE, GRID, SMALL = (32, 64), (2, 4), (5, 9)
NAMES = ('a', 'b/c')
THREE = ('road', 'sky', 'car')


def logits_of(name):
  random = np.random.default_rng(len(name))
  return 3 * random.normal(size=(*SMALL, 3)).astype(np.float32)


def softmax(logits):
  powers = np.exp(logits)
  return powers / powers.sum(-1, keepdims=True)


@pytest.fixture
def run(tmp_path):
  """A run without source images, whose predictions are logits."""
  root = tmp_path / 'photos'
  for name in NAMES:
    pixels = np.full((60, 120, 3), 90, np.uint8)
    trees.save(root / f'images/train/{name}.png', pixels)
  (root / 'classes.json').write_text(json.dumps({'classes': THREE}))
  config = streets_active.get_config()
  config.data.root, config.data.classes = str(root), 'classes.json'
  config.data.source.dataset = config.data.evaluation.dataset = ''
  config.data.target.dataset = 'image_folder'
  config.data.target.size = SIZE
  config.acquire.update({'grid': GRID, 'k': 2, 'n': 2})
  config.annotate.oracle = 'human'
  config.uda.source_only_steps = 0
  config.uda.predictions = str(tmp_path / 'predictions')
  config_check.check(config)
  write(tmp_path / 'predictions', 'logits', logits_of)
  return run_lib.open_run(config, workdir.Workdir(tmp_path / 'run'))


def write(folder, kind, make):
  for name in NAMES:
    path = folder / f'train/{name}.npy'
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, make(name))
  about = {'kind': kind, 'classes': THREE}
  (folder / 'predictions.json').write_text(json.dumps(about))


def how(run):
  return acquire.settings(run) | {'seed': 1, 'k': run.config.acquire.k}


def of_network(run):
  """What is asked if a network gives these logits."""
  seen = scores.Seen(np.stack([logits_of(name) for name in NAMES]))
  names = [f'train/{name}' for name in NAMES]
  return questions.find(
    seen, selection.image_ids(names), before(run), size=SIZE, **how(run)
  )


def of_files(run):
  source = predicted.target(run)
  maps = np.stack([source[i].image for i in range(len(source))])
  _, ask = acquire.asking(run, how(run))
  return jax.device_get(
    ask(maps, selection.image_ids(source.names), before(run))
  )


def before(run):
  if run.config.acquire.place == 'patches':
    return np.zeros((2, GRID[0] * GRID[1]), bool)
  return np.zeros((2, 0, 2), np.int32)


@pytest.mark.parametrize(
  ('score', 'place'),
  [
    ('entropy', 'patches'),
    ('margin', 'patches'),
    ('random', 'patches'),
    ('ripu', 'pixels'),
    ('entropy', 'turns'),
  ],
)
def test_logits_ask_as_a_network_that_gives_them(run, score, place):
  run.config.acquire.update({'score': score, 'place': place})
  expected, found = of_network(run), of_files(run)
  np.testing.assert_array_equal(found.points, expected.points)
  np.testing.assert_array_equal(found.pseudo_labels, expected.pseudo_labels)
  np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)


def test_probabilities_of_the_images_size_ask_the_same(run):
  maps = {f'train/{name}': x.image for name, x in zip(
    NAMES, predicted.target(run), strict=True)}  # fmt: skip
  expected = of_files(run)
  folder = predicted.open_folder(run).root
  write(folder, 'probabilities', lambda name: softmax(maps[f'train/{name}']))
  found = of_files(run)
  np.testing.assert_array_equal(found.points, expected.points)
  np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)


@pytest.mark.parametrize('score', ['entropy', 'ripu', 'random'])
def test_labels_with_their_entropy_ask_the_same(run, score):
  run.config.acquire.score = score
  logits = np.stack([x.image for x in predicted.target(run)])
  maps = scores.maps('entropy', scores.Seen(logits), SIZE)
  expected = of_files(run)
  folder = predicted.open_folder(run).root
  write(folder, 'labels', lambda name: maps.scores[NAMES.index(name)])
  for i, name in enumerate(NAMES):
    trees.save(folder / f'train/{name}.png', np.asarray(maps.labels[i]))
  found = of_files(run)
  np.testing.assert_array_equal(found.points, expected.points)
  np.testing.assert_array_equal(found.pseudo_labels, expected.pseudo_labels)


def test_a_score_that_labels_cannot_give_is_refused(run):
  folder = predicted.open_folder(run).root
  write(folder, 'labels', logits_of)
  run.config.acquire.score = 'margin'
  said = saying.usage(lambda: predicted.open_folder(run))
  assert "acquire.score='margin'" in said
  assert 'entropy' in said


def test_all_files_are_read_before_anything_is_written(run):
  data_check.check(run)
  path = predicted.open_folder(run).root / 'train/b/c.npy'
  np.save(path, np.full((*SMALL, 3), np.inf))
  assert 'train/b/c.npy' in saying.message(lambda: data_check.check(run))
  path.unlink()
  said = saying.message(lambda: data_check.check(run))
  assert 'lacks predictions of 1 of 2 images' in said
  assert not run.workdir.root.exists()


def test_a_changed_file_is_noticed_once_it_has_asked(run):
  recorded_data.check(run, 'uda')
  path = predicted.open_folder(run).root / 'train/a.npy'
  np.save(path, logits_of('other'))
  recorded_data.check(run, 'acquire')  # nothing is derived from it yet
  run.workdir.annotations.parent.mkdir()
  run.workdir.annotations.touch()
  recorded_data.check(run, 'acquire')
  np.save(path, logits_of('a'))
  said = saying.message(lambda: recorded_data.check(run, 'acquire'))
  assert 'the predictions in' in said
  assert '1 image changed (train/a)' in said
  np.save(path, logits_of('other'))
  about = predicted.open_folder(run).root / predictions.ABOUT
  about.write_text(about.read_text() + '\n')
  said = saying.message(lambda: recorded_data.check(run, 'acquire'))
  assert 'predictions.json' in said


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('uda.source_only_steps', 5),
    ('acquire.rounds', 2),
    ('evaluate.model', 'teacher'),
    ('uda.predictions', ''),
    ('uda.predictions', 'gs://bucket/predictions'),
  ],
)
def test_what_predictions_do_not_go_with_is_refused(run, field, value):
  group, name = field.split('.')
  run.config[group][name] = value
  said = saying.message(
    lambda: config_check.check(run.config), errors.UsageError
  )
  assert field in said


@pytest.mark.parametrize('initial', ['uda', 'asking'])
def test_stage_3_cannot_start_from_weights_that_no_stage_1_left(run, initial):
  run.config.adapt.initial = initial
  config_check.check(run.config)  # without source images, no stage 3
  run.config.data.source.dataset = 'image_folder'
  said = saying.message(
    lambda: config_check.check(run.config), errors.UsageError
  )
  assert 'adapt.initial' in said


def test_a_run_without_source_images_has_no_stage_3(run):
  said = saying.usage(lambda: predicted.require_source(run.config.data))
  assert '--stage=adapt' in said


def test_without_files_of_evaluation_images_it_is_said_why(run):
  data = run.config.data
  data.evaluation = data.target.copy_and_resolve_references()
  assert 'have names of target images' in predicted.lacks_evaluation(run)
  folder = predicted.open_folder(run).root
  (folder / 'train/a.npy').unlink()
  said = predicted.lacks_evaluation(run)
  assert 'lacks predictions of 1 of the 2 evaluation images' in said
  (folder / predictions.ABOUT).unlink()
  assert 'cannot be read' in predicted.lacks_evaluation(run)
