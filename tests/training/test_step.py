import functools

import jax
import numpy as np
import players
import pytest

from pointsup_jax.training import learner, step
from pointsup_jax.types import Outputs, Pair
from pointsup_jax.uda import strategy, teacher

ADVENT, SOURCE_ONLY = players.ADVENT, players.SOURCE_ONLY


@functools.cache
def compiled(strategy, answers=0.0, target_statistics=False, **more):
  return jax.jit(
    functools.partial(
      step.train_step,
      learner=players.small_learner(target_statistics),
      strategy=strategy,
      supervision=step.Supervision(aux=0.1, answers=answers, **more),
    )
  )


@functools.cache
def fresh(strategy):
  return players.fresh_state(strategy)


def taken(strategy, pair, answers=0.0, **options):
  return compiled(strategy, answers, **options)(fresh(strategy), pair)


def equal(one, two):
  leaves = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
  return all(np.array_equal(a, b) for a, b in leaves)


def test_source_only_does_not_look_at_the_target():
  pair, other = players.random_pair(0), players.random_pair(1)
  first, _ = taken(SOURCE_ONLY, pair)
  second, _ = taken(SOURCE_ONLY, pair._replace(target=other.target))
  assert equal(first, second)


def test_advent_looks_at_the_target_s_images_but_not_at_its_labels():
  pair, other = players.random_pair(0), players.random_pair(1)
  first, _ = taken(ADVENT, pair)
  labels = pair.target._replace(labels=other.target.labels)
  assert equal(first, taken(ADVENT, pair._replace(target=labels))[0])
  images = pair.target._replace(images=other.target.images)
  assert not equal(first, taken(ADVENT, pair._replace(target=images))[0])


@pytest.mark.parametrize('strategy', [SOURCE_ONLY, ADVENT])
def test_point_labels_matter_in_stage_3_whatever_the_strategy(strategy):
  pair, bare = (players.random_pair(0, labels) for labels in (True, False))
  with_labels, metrics = taken(strategy, pair, answers=1.0)
  without, bare_metrics = taken(strategy, bare, answers=1.0)
  assert not equal(with_labels.segmenter, without.segmenter)
  assert metrics['answers_main'] > 0
  # Without labelled pixels the loss is zero, not NaN.
  assert bare_metrics['answers_main'] == 0
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(without))


@pytest.mark.parametrize('target_statistics', [False, True])
def test_whose_images_update_the_running_statistics(target_statistics):
  pair, other = players.random_pair(0), players.random_pair(1)
  first, second = (
    taken(ADVENT, x, target_statistics=target_statistics)[0]
    for x in (pair, pair._replace(source=other.source))
  )
  same = equal(first.segmenter['batch_stats'], second.segmenter['batch_stats'])
  assert same == target_statistics


def test_the_loss_is_the_weighted_sum_of_its_terms():
  _, m = taken(ADVENT, players.random_pair(0), answers=0.5)
  expected = (
    m['source_main'] + 0.1 * m['source_aux']
    + 1e-3 * m['fool_main'] + 2e-4 * m['fool_aux']
    + 0.5 * (m['answers_main'] + 0.1 * m['answers_aux'])
  )  # fmt: skip
  np.testing.assert_allclose(m['loss'], expected, rtol=1e-6)


def pair_with_answers(shares=(0.1, 0.6)):
  """A pair whose target has these shares of answers and guesses."""
  pair = players.random_pair(0)
  known = pair.target.labels
  random = np.random.default_rng(5).random(known.shape)
  answers, guesses = shares
  labels = np.where(random < answers + guesses, known, 255).astype(np.uint8)
  target = pair.target._replace(labels=labels, answered=random < answers)
  return pair._replace(target=target)


@pytest.mark.parametrize('separate_means', [True, False])
def test_answers_and_guesses_are_weighted_apart(separate_means):
  pair = pair_with_answers()
  labels, answered = pair.target.labels, pair.target.answered
  options = {'guesses': 0.5, 'separate_means': separate_means}
  _, m = taken(SOURCE_ONLY, pair, answers=2.0, **options)
  # The step's metrics for each kind of labels alone.
  kinds = {}
  for kind, mask in (('answers', answered), ('guesses', ~answered)):
    alone = pair.target._replace(
      labels=np.where(mask, labels, 255).astype(np.uint8), answered=None
    )
    _, of = taken(SOURCE_ONLY, pair._replace(target=alone), answers=1.0)
    kinds[kind] = of['answers_main'], of['answers_aux']
    np.testing.assert_allclose(m[f'{kind}_main'], of['answers_main'], rtol=1e-6)
    np.testing.assert_allclose(m[f'{kind}_aux'], of['answers_aux'], rtol=1e-6)
  counts = {
    'answers': np.sum(answered & (labels != 255)),
    'guesses': np.sum(~answered & (labels != 255)),
  }
  expected = m['source_main'] + 0.1 * m['source_aux']
  for kind, weight in (('answers', 2.0), ('guesses', 0.5)):
    share = 1.0 if separate_means else counts[kind] / sum(counts.values())
    expected += weight * share * (kinds[kind][0] + 0.1 * kinds[kind][1])
  np.testing.assert_allclose(m['loss'], expected, rtol=1e-5)


@pytest.mark.parametrize('enough', [0, 1, 100_000])
def test_few_answers_weigh_less(enough):
  pair = pair_with_answers((0.1, 0.0))
  count = np.sum(pair.target.answered & (pair.target.labels != 255))
  _, m = taken(SOURCE_ONLY, pair, answers=2.0, enough_answers=enough)
  weight = 2 * (np.sqrt(count / enough) if enough > count else 1)
  expected = sum(
    scale * (m[f'source_{head}'] + weight * m[f'answers_{head}'])
    for head, scale in (('main', 1.0), ('aux', 0.1))
  )
  np.testing.assert_allclose(m['loss'], expected, rtol=1e-6)


def test_guesses_do_not_drown_answers_however_many_there_are():
  few, many = (
    taken(SOURCE_ONLY, pair_with_answers((0.1, share)), 1.0, guesses=1.0)[1]
    for share in (0.1, 0.9)
  )
  np.testing.assert_allclose(few['answers_main'], many['answers_main'])
  for m in (few, many):
    terms = sum(
      m[f'{kind}_main'] + 0.1 * m[f'{kind}_aux']
      for kind in ('source', 'answers', 'guesses')
    )
    np.testing.assert_allclose(m['loss'], terms, rtol=1e-6)


def test_without_guesses_only_answers_count():
  pair = pair_with_answers()
  one, metrics = taken(SOURCE_ONLY, pair, answers=1.0)
  other = np.where(pair.target.answered, pair.target.labels, 7)
  target = pair.target._replace(labels=other.astype(np.uint8))
  two, _ = taken(SOURCE_ONLY, pair._replace(target=target), answers=1.0)
  assert equal(one, two)
  assert not any(name.startswith('guesses') for name in metrics)


def test_everybody_moves_but_batch_norm_s_affine_parameters():
  state = fresh(ADVENT)
  after, _ = taken(ADVENT, players.random_pair(0))
  params = [
    (x.segmenter['params'], {k: v.params for k, v in x.opponents.items()})
    for x in (state, after)
  ]
  old, new = (jax.tree_util.tree_leaves_with_path(x) for x in params)
  for (path, one), (_, two) in zip(old, new, strict=True):
    name = jax.tree_util.keystr(path)
    frozen = 'bn' in name and name.endswith(("['scale']", "['bias']"))
    assert np.array_equal(one, two) == frozen, name
  assert not equal(
    state.segmenter['batch_stats'], after.segmenter['batch_stats']
  )
  assert int(after.step) == 1


def test_what_is_left_out_differs_by_pass_and_step_and_teachers_have_all(
  monkeypatch,
):
  method = teacher.teacher(strategy.Settings(Outputs(aux=0.1, main=1.0)))
  see, keys = learner.Learner.see, []

  def seen(self, variables, batch, key=None):
    keys.append(key)
    return see(self, variables, batch, key)

  monkeypatch.setattr(learner.Learner, 'see', seen)

  @jax.jit
  def drawn(state, pair):
    keys.clear()
    step.train_step(
      state,
      pair,
      learner=players.learner_of(method),
      strategy=method,
      supervision=step.Supervision(aux=0.1),
    )
    return [jax.random.key_data(key) for key in keys if key is not None]

  shapes = jax.eval_shape(players.init(method), jax.random.key(0))
  state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
  pair = players.random_pair(0)
  pair = Pair(*(batch._replace(ids=np.arange(2)) for batch in pair))
  found = [drawn(state.replace(step=np.int32(i)), pair) for i in (0, 1)]
  assert None in keys  # the teacher's
  distinct = {tuple(map(int, key)) for key in found[0] + found[1]}
  assert len(distinct) == len(found[0]) + len(found[1]) >= 4


def test_many_steps_compile_once():
  traced = []

  @jax.jit
  def train_step(state, pair):
    traced.append(pair)
    return compiled(ADVENT)(state, pair)

  state = jax.jit(lambda: players.fresh_state(ADVENT))()
  for i in range(3):
    state, _ = train_step(state, players.random_pair(i))
  assert len(traced) == 1


def test_checkpoints_of_advent_keep_their_leaves():
  """Runs of the first version can be continued."""
  state = jax.eval_shape(players.init(ADVENT), jax.random.key(0))
  leaves, _ = jax.tree_util.tree_flatten_with_path(state)
  names = {jax.tree_util.keystr(path) for path, _ in leaves}
  convolutions = {
    f"['conv{number}']['{leaf}']"
    for number in (0, 2, 4, 6, 8)
    for leaf in ('bias', 'kernel')
  }
  expected = {'.step', '.opt_state.steps'}
  for head in ('aux', 'main'):
    player = f".opponents['{head}']"
    expected |= {f'{player}.opt_state[{i}].count' for i in (0, 1)}
    for part in ('params', 'opt_state[0].mu', 'opt_state[0].nu'):
      expected |= {f'{player}.{part}{name}' for name in convolutions}
  params = {
    name.removeprefix(".segmenter['params']")
    for name in names
    if name.startswith(".segmenter['params']")
  }
  expected |= {f'.opt_state.momentum{name}' for name in params}
  assert {x for x in names if not x.startswith('.segmenter')} == expected
  assert {name.split("'")[1] for name in params} == {
    'conv1', 'bn1', *(f'layer{i}_0' for i in (1, 2, 3, 4)), 'aux_head',
    'main_head',
  }  # fmt: skip
