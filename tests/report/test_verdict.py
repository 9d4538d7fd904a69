"""The sentences that say whether the answers were worth their time."""

import types

import numpy as np
import pytest
import scored

from pointsup_jax.annotation import effort
from pointsup_jax.evaluation import confusion
from pointsup_jax.report import comparison, verdict


def model(column, right, images=30, spread=0):
  """Scores where `right` of each image's 100 pixels a class are right."""
  rng = np.random.default_rng(0)
  each, total = {}, 0
  for i in range(images):
    hits = right + (rng.integers(-spread, spread + 1) if spread else 0)
    matrix = np.array([[hits, 100 - hits], [100 - hits, hits]])
    each[f'image {i}'] = confusion.counts(matrix).tolist()
    total = total + matrix
  known = scored.scores(total, images=images, image_counts=each)
  # The title says more where not the segmenter is scored.
  return comparison.from_json(f'{column} (teacher)', column, known)


def contents(models, used=None, hours=None, answers=1000, on_points=None):
  everyone = effort.Effort('all', answers, 0, answers, 2.0, 3.0, hours)
  return types.SimpleNamespace(
    scores=models,
    on_points=on_points,
    labelling=types.SimpleNamespace(
      clicks=types.SimpleNamespace(labelled=answers),
      used=used or {},
      effort=[] if hours is None else [everyone],
    ),
  )


def test_what_was_gained_what_it_cost_and_what_more_would_bring():
  models = [model('no adaptation', 20), model('UDA', 40), model('points', 60)]
  first, price, outlook, meaning = verdict.sentences(contents(models, hours=1))
  # IoU is 40 / 160 = 25.0 and 60 / 140 = 42.9 in both classes.
  assert first == (
    'The answers raised mIoU by 17.9 points, from 25.0 to 42.9 (95% interval '
    '+17.9 to +17.9).'
  )
  assert price == (
    '1,000 answers took 1 h 0 min: 56 answers, or 3 min, a point of mIoU.'
  )
  assert outlook == (
    '1,000 more, about 1 h 0 min, would bring at most 17.9 if later answers '
    'bring no more than earlier ones; the 1,000 answers brought 17.9 a '
    'thousand.'
  )
  assert '30 scored images' in meaning


def test_without_times_the_price_is_in_answers():
  models = [model('UDA', 40), model('points', 60)]
  _, price, outlook, _ = verdict.sentences(contents(models))
  assert price == 'That is a point of mIoU for 56 answers.'
  assert outlook.startswith('1,000 more would bring at most')


def test_after_rounds_the_last_one_says_what_to_expect():
  models = [model('UDA', 40), model('round 1', 60), model('points', 62)]
  used = {'round 1': 500, 'points': 1000}
  *_, outlook, _ = verdict.sentences(contents(models, used))
  # 62 / 138 - 60 / 140 = 2.07 points for 500 answers; with the logarithm,
  # as much again for each doubling: 1,000 more are one.
  assert outlook.startswith(
    '1,000 more would bring about 2.1 points and at most 4.1'
  )
  assert 'the last 500 answers brought 4.1 a thousand' in outlook


def test_a_round_that_brought_nothing_is_no_reason_for_more():
  models = [model('UDA', 40), model('round 1', 60), model('points', 58)]
  used = {'round 1': 500, 'points': 1000}
  *_, outlook, _ = verdict.sentences(contents(models, used))
  assert outlook.startswith('The last 500 answers brought nothing')


@pytest.mark.parametrize(
  ('after', 'spread', 'said'),
  [
    (30, 0, 'The answers lowered mIoU by 7.4 points, from 25.0 to 17.6'),
    (40, 9, 'Whether the answers helped cannot be told: mIoU went from 25.0'),
  ],
)
def test_harm_and_doubt_are_called_so(after, spread, said):
  models = [model('UDA', 40), model('points', after, spread=spread)]
  found = verdict.sentences(contents(models))
  assert found[0].startswith(said)
  assert not any('a point of mIoU' in line for line in found)


@pytest.mark.parametrize('after', [30, 60])
def test_one_image_has_no_interval(after):
  models = [model('UDA', 40, images=1), model('points', after, images=1)]
  first, outlook, _ = verdict.sentences(contents(models))
  assert 'one labelled image gives no interval' in first
  assert 'nan' not in ' '.join([first, outlook])
  assert ('brought nothing' in outlook) == (after < 40)


def test_answers_that_were_all_held_back_have_no_price():
  models = [model('UDA', 40), model('points', 60)]
  found = verdict.sentences(contents(models, {'points': 0}))
  assert len(found) == 2


@pytest.mark.parametrize(
  'models',
  [[], [model('UDA', 40)], [model('no adaptation', 40), model('points', 60)]],
)
def test_nothing_is_said_without_a_model_before_and_one_after(models):
  assert verdict.sentences(contents(models)) == []


def test_models_scored_on_other_images_are_not_compared():
  models = [model('UDA', 40, images=3), model('points', 60, images=4)]
  assert verdict.sentences(contents(models)) == []
