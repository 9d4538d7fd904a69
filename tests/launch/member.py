"""One of several processes of a command that does next to nothing.

python member.py ADDRESS:PORT,N,I WHAT [FOLDER]
"""

import pathlib
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from launch import multihost
from pointsup_jax import command, errors, processes
from pointsup_jax.training import checkpoint, learner, sharding

SILENCE = 5.0  # seconds


def main(operands: list[str]) -> None:
  """Joins the others and does WHAT."""
  where, what, *rest = operands
  multihost.start(where, SILENCE)
  index = int(where.split(',')[-1])
  print('here', flush=True)
  if what == 'wait':
    processes.wait('the answers')
  elif what == 'wander':  # and never come
    time.sleep(600)
  elif what == 'stop':
    raise errors.Stopped('stopped')
  elif what == 'fail':
    raise errors.UserError('the disk is full')
  elif what == 'decide':
    print(decide(index))
  elif what in ('restore', 'restore_blind'):
    if what == 'restore_blind':
      hide_newest()
    print(restore(pathlib.Path(rest[0])))


def decide(index: int) -> str:
  """What the first sees is what all hear, be it an answer or an error."""
  told = processes.decided(lambda: {'seen': index}, 'a file')
  size = 10**6 if index == 0 else 3
  array = processes.from_first(np.full(size, index), 'an array')

  def refuse() -> None:
    raise errors.UsageError(f'refused by process {index}')

  try:
    processes.decided(refuse, 'an error')
  except errors.UsageError as error:
    return f'{told["seen"]} {array.shape} {array.sum()} {error}'
  return 'no error'


def state(step: int) -> learner.State:
  """A state of which every number is its step."""
  value = {'a': jnp.full((64,), step, jnp.float32)}
  return learner.State(
    step=jnp.int32(step),
    segmenter={'params': value, 'batch_stats': value},
    opt_state={'momentum': value},
    opponents={'main': learner.Opponent(value, {'mu': value})},
  )


def restore(folder: pathlib.Path) -> str:
  """The step that is restored, and what is in its arrays."""
  shapes = jax.eval_shape(lambda: state(0))
  with checkpoint.Checkpoints(folder, keep=3) as checkpoints:
    restored = checkpoints.restore(
      checkpoint.abstract(shapes, sharding.replicated(sharding.mesh()))
    )
    assert restored is not None
    values = {float(x.mean()) for x in jax.tree.leaves(restored)}
    return f'step {int(restored.step)}: {values}, {checkpoints.latest_step}'


def hide_newest() -> None:
  """This process cannot read step 2."""
  read = ocp.StandardCheckpointHandler.restore

  def blind(self, directory, *args, **kwargs):
    if '2' in pathlib.Path(directory).parts:
      raise OSError('stale file handle')
    return read(self, directory, *args, **kwargs)

  ocp.StandardCheckpointHandler.restore = blind


if __name__ == '__main__':
  sys.argv[0] = 'member.py'
  command.run_on(main)
