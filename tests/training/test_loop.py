import itertools

import jax
import jax.numpy as jnp
import players
import pytest
import saying

from pointsup_jax import errors
from pointsup_jax.hosts import stopping
from pointsup_jax.training import (
  checkpoint,
  learner,
  loop,
  metrics_log,
  optimizers,
)

ADAMW = optimizers.segmenter_adamw(
  optimizers.poly(0.01, power=1.0, decay_steps=100, warmup_steps=2),
  head_lr_scale=10.0,
  betas=(0.9, 0.999),
  weight_decay=0.01,
)


def rates(step):
  return {'lr': 1 / step}


def fresh_state():
  return players.fresh_state(players.SOURCE_ONLY)


def with_adamw():
  state = fresh_state()
  opt_state = jax.jit(ADAMW.init)(state.segmenter['params'])
  return state.replace(opt_state=opt_state)


def abstract(fresh=fresh_state):
  return players.abstract(jax.eval_shape(fresh))


@jax.jit
def add_batch(state: learner.State, batch):
  """Replaces training: the state records its batches."""
  segmenter = jax.tree.map(lambda x: x * 0.5 + batch, state.segmenter)
  state = state.replace(step=state.step + 1, segmenter=segmenter)
  return state, {'loss': 1.0 / (10.0 - batch)}


@jax.jit
def move_by_adamw(state: learner.State, batch):
  """The same; the state is moved by gradients that depend on the batch."""
  params = state.segmenter['params']
  change, opt_state = ADAMW.update(
    jax.tree.map(lambda x: jnp.cos(x + batch), params),
    state.opt_state,
    params,
    step=state.step,
  )
  params = jax.tree.map(jnp.add, params, change)
  segmenter = state.segmenter | {'params': params}
  state = state.replace(segmenter=segmenter, opt_state=opt_state)
  return state.replace(step=state.step + 1), {'loss': 1.0 / (10.0 - batch)}


def run(
  folder,
  steps,
  batches=itertools.count,
  train_step=add_batch,
  fresh=fresh_state,
):
  with checkpoint.Checkpoints(folder / 'checkpoints', keep=2) as checkpoints:
    state = checkpoints.restore(abstract(fresh)) or fresh()
    start = int(state.step)
    log = metrics_log.MetricsLog(folder / 'metrics.jsonl', start_step=start)
    state = loop.train(
      train_step,
      state,
      (jnp.float32(i) for i in batches(start)),
      title='test',
      steps=steps,
      checkpoints=checkpoints,
      checkpoint_every=2,
      log=log,
      log_every=1,
      rates=rates,
    )
    log.close()
  return state


def saved(folder):
  return checkpoint.Checkpoints(folder / 'checkpoints')


def damage(folder, step):
  for path in (folder / f'checkpoints/{step}/segmenter').rglob('*'):
    if path.is_file():
      path.write_bytes(b'')


def nan_loss_at_6(state, batch):
  state, metrics = add_batch(state, batch)
  return state, {'loss': metrics['loss'] if batch < 5 else jnp.nan}


def break_at_3(state, batch):
  """Breaks the model between two looks at the loss."""
  state, metrics = add_batch(state, batch)
  bad = jnp.where(batch >= 2, jnp.nan, 0.0)
  segmenter = jax.tree.map(lambda x: x + bad, state.segmenter)
  return state.replace(segmenter=segmenter), metrics


@pytest.mark.parametrize(
  'how',
  [
    pytest.param({}, id='sgd'),
    pytest.param(
      {'train_step': move_by_adamw, 'fresh': with_adamw},
      id='adamw',
      marks=pytest.mark.slow,
    ),
  ],
)
def test_a_continued_run_equals_an_uninterrupted_one(how, tmp_path):
  whole = run(tmp_path / 'whole', 7, **how)
  run(tmp_path / 'parts', 3, **how)
  parts = run(tmp_path / 'parts', 7, **how)
  players.assert_equal(whole, parts)
  logs = [
    metrics_log.read(path / 'metrics.jsonl')
    for path in (tmp_path / 'whole', tmp_path / 'parts')
  ]
  for record in (*logs[0], *logs[1]):
    del record['seconds']
  assert logs[0] == logs[1]
  steps = range(1, 8)
  assert [(r['step'], r['lr']) for r in logs[0]] == [(s, 1 / s) for s in steps]


def test_the_progress_bar_shows_losses_and_no_rates(tmp_path, monkeypatch):
  shown = []
  monkeypatch.setattr(
    loop.progress.Progress,
    'update',
    lambda _, done, info='': shown.append(info),
  )
  run(tmp_path, 2)
  assert ''.join(shown) == 'loss 0.100loss 0.111'


def test_a_request_to_stop_saves_first(tmp_path, monkeypatch):
  fed = []

  def batches(start):
    for i in itertools.count(start):
      fed.append(i)
      if i == 2:
        monkeypatch.setattr(stopping, 'requested', lambda: True)
      yield i

  with pytest.raises(errors.Stopped):
    run(tmp_path, 7, batches)
  assert fed == [0, 1, 2]
  monkeypatch.undo()
  players.assert_equal(run(tmp_path, 7), run(tmp_path / 'whole', 7))


@pytest.mark.parametrize(
  ('train_step', 'words', 'last'),
  [
    (nan_loss_at_6, 'not finite at step 6: loss;', 4),
    (break_at_3, 'not finite at step 4: the segmenter', 2),
  ],
)
def test_nan_stops_the_run_and_is_never_saved(
  tmp_path, train_step, words, last
):
  message = saying.message(lambda: run(tmp_path, 9, train_step=train_step))
  assert words in message
  assert str(last) in message
  with saved(tmp_path) as checkpoints:
    assert checkpoints.latest_step == last


@pytest.mark.parametrize('steps', [3, 4])
def test_a_damaged_last_checkpoint_gives_way_and_is_written_again(
  tmp_path, steps
):
  whole = run(tmp_path, steps)
  damage(tmp_path, steps)
  with saved(tmp_path) as checkpoints:
    assert int(checkpoints.restore(abstract()).step) == 2
  players.assert_equal(run(tmp_path, steps), whole)
  with saved(tmp_path) as checkpoints:  # without the opponents
    step, segmenter = checkpoints.restore_segmenter(abstract().segmenter)
  assert step == steps
  players.assert_equal(segmenter, whole.segmenter)


def test_a_run_does_not_start_anew_over_checkpoints_that_it_cannot_read(
  tmp_path,
):
  run(tmp_path, 2)
  damage(tmp_path, 2)
  with pytest.raises(errors.UserError, match='delete that folder'):
    run(tmp_path, 4)
