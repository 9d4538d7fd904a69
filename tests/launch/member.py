"""A minimal process of several: member.py ADDRESS:PORT,N,I WHAT [FOLDER]."""

import atexit
import os
import pathlib
import resource
import signal
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from pointsup_jax import command, errors
from pointsup_jax.hosts import joining, processes, stopping
from pointsup_jax.training import checkpoint, learner, sharding

SILENCE = 5.0  # seconds


def main(operands: list[str]) -> None:
  where, what, *rest = operands
  index = int(where.split(',')[-1])
  stopping.install()
  if what == 'impatient':
    joining.PATIENCE = 3.0
  if what == 'stop_early':  # as during the search for a cluster
    os.kill(os.getpid(), signal.SIGTERM)
  print('starts', flush=True)
  if what == 'look_late':
    time.sleep(4)
  joining.start(where, SILENCE)
  print('here', flush=True)
  if what == 'wait':
    processes.wait('the answers')
  elif what == 'leave':
    atexit.register(print, 'the interpreter ended')
    processes.leaving.callback(print, 'left')
  elif what == 'wander':  # and never arrive
    time.sleep(600)
  elif what == 'fail':
    raise errors.UserError('the disk is full')
  elif what == 'decide':
    print(decide(index))
    processes.by_first(refuse, 'the end')
  elif what in ('look', 'look_late', 'stop_early'):
    print(look())
  elif what == 'look_later':
    look_after_a_save(pathlib.Path(rest[0]), told=index == 1)
  elif what == 'answer':
    stopping.run_by_first(answer, 'the answers')
  elif what == 'bug':
    raise KeyError('a bug')
  elif what.startswith('save'):
    save(pathlib.Path(rest[0]), full='full' in what, stops='stop' in what)
  elif what in ('restore', 'restore_blind'):
    if what == 'restore_blind':
      hide_newest()
    print(restore(pathlib.Path(rest[0])))


def decide(index: int) -> str:
  told = processes.by_first(lambda: {'seen': index}, 'a file')
  arrays = (np.full(10**6, 0.5), np.full((2, 3), True), np.zeros((0, 4), 'U3'))
  heard = [
    processes.from_first(x if index == 0 else np.zeros(3), 'an array')
    for x in arrays
  ]
  same = [
    x.dtype == y.dtype and np.array_equal(x, y)
    for x, y in zip(arrays, heard, strict=True)
  ]
  said = processes.from_each('x' * 2000 * index, 'a word')
  return f'{told["seen"]} {same} {[len(x) for x in said]}'


def refuse() -> None:
  assert jax.process_index() == 0
  raise errors.UsageError('refused')


def state(step: int) -> learner.State:
  """A state whose every number is its step."""
  value = {'a': jnp.full((64,), step, jnp.float32)}
  return learner.State(
    step=jnp.int32(step),
    segmenter={'params': value, 'batch_stats': value},
    opt_state={'momentum': value},
    opponents={'main': learner.Opponent(value, {'mu': value})},
  )


def restore(folder: pathlib.Path) -> str:
  shapes = jax.eval_shape(lambda: state(0))
  with checkpoint.Checkpoints(folder, keep=3) as checkpoints:
    restored = checkpoints.restore(
      checkpoint.abstract(shapes, sharding.replicated(sharding.mesh()))
    )
    assert restored is not None
    values = {float(x.mean()) for x in jax.tree.leaves(restored)}
    return f'step {int(restored.step)}: {values}, {checkpoints.latest_step}'


def save(folder: pathlib.Path, *, full: bool, stops: bool) -> None:
  """Saves steps 1 and 2; `full`: on a disk without room for them."""
  everywhere = sharding.replicated(sharding.mesh())
  saved = jax.jit(state, out_shardings=everywhere)
  with checkpoint.Checkpoints(folder, keep=3) as checkpoints:
    if full:
      hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
      resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    checkpoints.save(saved(1))
    if stops:
      raise errors.Stopped
    checkpoints.save(saved(2))


def look() -> str:
  """Says at which look, counted once all have joined, it saw a stop."""
  processes.wait('all')
  for i in range(1000):
    if stopping.requested():
      return f'stopped at look {i}'
    time.sleep(0.02)
  return 'not stopped'


def look_after_a_save(folder: pathlib.Path, told: bool) -> None:
  """Looks more often than it then saves steps, as a later phase does."""
  processes.wait('all')
  for _ in range(50):
    assert not stopping.requested()
  save(folder, full=False, stops=False)
  processes.wait('saved')
  if told:
    os.kill(os.getpid(), signal.SIGTERM)
  print(look())


def answer() -> None:
  """Takes long while the others wait."""
  print('answers', flush=True)
  for _ in range(1000):
    stopping.check()
    time.sleep(0.1)


def hide_newest() -> None:
  """Makes step 2 unreadable for this process."""
  read = ocp.PyTreeCheckpointHandler.restore

  def blind(self, directory, *args, **kwargs):
    if '2' in pathlib.Path(directory).parts:
      raise OSError('stale file handle')
    return read(self, directory, *args, **kwargs)

  ocp.PyTreeCheckpointHandler.restore = blind


if __name__ == '__main__':
  sys.argv[0] = 'member.py'
  command.run_on(main)
