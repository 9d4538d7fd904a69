import contextlib
import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
import saying

from configs import streets_active
from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.run import config_check, workdir
from pointsup_jax.run import context as run_lib
from pointsup_jax.stages import phase, rollback
from pointsup_jax.training import (
  checkpoint,
  learner,
  loop,
  metrics_log,
  sharding,
)

STEPS = 12


def a_run(folder, on_nan='rollback'):
  config = streets_active.get_config()
  config.train.update(checkpoint_every=4, log_every=3, on_nan=on_nan)
  for name in ('source', 'target'):
    config.data[name].length = 2
  config_check.check(config)
  return run_lib.Run(
    config, workdir.Workdir(folder), classes_lib.CITYSCAPES, sharding.mesh()
  )


def fresh_state(*unused):
  """A small state; its parts need not fit together."""
  return learner.State(
    step=jnp.zeros((), jnp.int32),
    segmenter={'params': jnp.zeros(3)},
    opt_state=jnp.zeros(2),
    opponents={'main': jnp.zeros(2)},
  )


@pytest.fixture
def game(monkeypatch):
  """Replaces training: a batch is its step's number, which the state adds up.

  Steps in `broken` turn a part of it to NaN. `fed` lists the batches; the run
  ends at step `killed_at`.
  """

  game = types.SimpleNamespace(broken={}, fed=[], killed_at=None, compiled=0)

  def batches(run, source, target, start, *unused):
    for step in range(start + 1, STEPS + 1):
      if step == game.killed_at:
        game.killed_at = None
        raise KeyboardInterrupt
      game.fed.append(step)
      yield jnp.int32(step)

  def train_step(state, batch, **unused):
    game.compiled += 1
    state = state.replace(
      step=state.step + 1,
      segmenter=jax.tree.map(lambda x: x * 0.5 + batch, state.segmenter),
    )
    for part, steps in game.broken.items():
      bad = jnp.where(jnp.isin(batch, jnp.array(steps)), jnp.nan, 0.0)
      parts = jax.tree.map(
        lambda x, bad=bad: x + bad.astype(x.dtype), getattr(state, part)
      )
      state = state.replace(**{part: parts})
    total = sum(x.sum() for x in jax.tree.leaves(state))
    return state, {'loss': total.astype(jnp.float32)}

  def restore_state(run, learner, opponents, checkpoints):
    return checkpoints.restore(players.abstract(fresh_state()))

  def placed(*unused):
    return jax.device_put(fresh_state(), sharding.replicated(sharding.mesh()))

  monkeypatch.setattr(phase.initial_state, 'fresh_state', placed)
  monkeypatch.setattr(phase.initial_state, 'restore_state', restore_state)
  monkeypatch.setattr(phase, 'pair_batches', batches)
  monkeypatch.setattr(phase.step_lib, 'train_step', train_step)
  return game


def train(run):
  phase.train(
    run,
    run.workdir.uda,
    title='test',
    strategy='advent',
    steps=STEPS,
    source=run.source('source', labelled=True),
    target=run.source('target', labelled=False),
  )
  return run


def result(run):
  with checkpoint.Checkpoints(run.workdir.uda.checkpoints) as checkpoints:
    shapes = players.abstract(fresh_state().segmenter)
    step, segmenter = checkpoints.restore_segmenter(shapes)
  assert step == STEPS
  return segmenter['params']


def skipped(run):
  return json.loads(run.workdir.uda.skipped.read_text())['steps']


def expected(without):
  """A weight after all steps but those in `without`."""
  value = 0.0
  for step in range(1, STEPS + 1):
    if step not in without:
      value = value * 0.5 + step
  return np.float32(value)


def assert_without(run, steps):
  assert skipped(run) == steps
  np.testing.assert_array_equal(result(run), expected(steps))


@pytest.mark.parametrize('part', ['segmenter', 'opponents'])
def test_the_batch_that_broke_the_model_is_found_and_left_out(
  game, tmp_path, part, capsys
):
  game.broken = {part: [5]}
  run = train(a_run(tmp_path))
  assert_without(run, [5])
  assert 'goes back to step 4' in capsys.readouterr().err
  steps = [r['step'] for r in metrics_log.read(run.workdir.uda.metrics)]
  assert steps == [3, 6, 9, 12]
  assert game.compiled == 1


def test_it_may_be_the_first_or_last_step_or_one_that_is_saved(game, tmp_path):
  game.broken = {'segmenter': [1, 8, 12]}
  assert_without(train(a_run(tmp_path)), [1, 8, 12])


def test_a_run_that_is_killed_at_any_moment_leaves_out_the_same(game, tmp_path):
  game.broken = {'segmenter': [6, 7]}
  whole = train(a_run(tmp_path / 'whole'))
  trail = list(game.fed)
  assert_without(whole, [6, 7])
  killed = a_run(tmp_path / 'killed')
  for step in (3, 7, 7, 6, 9, 8):
    game.killed_at = step
    with contextlib.suppress(KeyboardInterrupt):
      train(killed)
  assert_without(train(killed), [6, 7])
  # Until noticed; back to look at 5 and 6, then without 6; the same with 7.
  assert trail == [
    *range(1, 8), *range(5, 7), *range(5, 9), *range(5, 8), *range(5, 13),
  ]  # fmt: skip


def test_it_gives_up_where_leaving_out_does_not_help(game, tmp_path):
  game.broken = {'segmenter': list(range(6, 13))}
  run = a_run(tmp_path)
  for _ in range(2):  # the same when run again
    with pytest.raises(errors.UserError) as caught:
      train(run)
    assert not isinstance(caught.value, loop.Diverged)
    for words in ('step 9', '3 batches before', 'step 8', 'lower optim.lr'):
      assert words in str(caught.value)
    assert skipped(run) == [6, 7, 8]


def test_without_it_the_run_stops_and_may_go_on_with_it(game, tmp_path):
  game.broken = {'segmenter': [6]}
  run = a_run(tmp_path, 'stop')
  message = saying.message(lambda: train(run), loop.Diverged)
  for words in ('at step 6', 'it is step 4', 'on_nan=rollback'):
    assert words in message
  assert_without(train(a_run(tmp_path)), [6])


@pytest.mark.parametrize('content', ['{', '[]', '{"steps": 3}'])
def test_a_damaged_list_is_said_so(tmp_path, content):
  path = tmp_path / 'skipped.json'
  path.write_text(content)
  with pytest.raises(errors.UserError, match=r'skipped\.json is damaged'):
    rollback.Rollback(path, path)


def test_nothing_is_left_out_where_nothing_breaks(game, tmp_path):
  run = train(a_run(tmp_path))
  assert not run.workdir.uda.skipped.exists()
  assert game.fed == list(range(1, STEPS + 1))
  np.testing.assert_array_equal(result(run), expected([]))
