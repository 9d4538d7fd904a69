"""The AdvEnt step at the paper's size, or at a fraction of it."""

import functools
import pathlib

import jax
import numpy as np

from configs import gta_active
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import methods, workdir
from pointsup_jax.stages import initial_state
from pointsup_jax.training import learner, step
from pointsup_jax.types import Batch, Outputs, Pair
from pointsup_jax.uda import adversarial

CLASSES = 19
SOURCE, TARGET = (760, 1280), (512, 1024)
PLAYERS = {head: adversarial.OPPONENT for head in Outputs._fields}


def train_step(**model) -> tuple[jax.stages.Wrapped, learner.Learner]:
  """The step as stage 1 has it.

  Args:
    **model: fields of config.model, in place of the paper's.
  """
  config = gta_active.get_config('advent')
  config.model.update(model)
  config.optim.repeat = False  # torch refuses parameters that are given twice
  run = run_lib.open_run(config, workdir.Workdir(pathlib.Path('unused')))
  player = initial_state.build_learner(run)
  losses = config.losses
  method = methods.build(config, config.uda.strategy, config.uda.steps)
  jitted = jax.jit(
    functools.partial(
      step.train_step,
      learner=player,
      strategy=method,
      supervision=step.Supervision(losses.aux),
    ),
    donate_argnums=0,
  )
  return jitted, player


def fresh_state(player: learner.Learner, key: jax.Array) -> learner.State:
  """The state at step 0, from scratch."""
  return player.init(key, player.init_segmenter(key), PLAYERS)


def images(divide: int) -> Pair:
  """Noise of the paper's sizes over `divide`, with labels in blocks."""
  random = np.random.default_rng(0)

  def batch(size: tuple[int, int]) -> Batch:
    height, width = (x // divide for x in size)
    blocks = random.integers(0, CLASSES, (1, height // 5 + 1, width // 5 + 1))
    return Batch(
      random.integers(0, 256, (1, height, width, 3)).astype(np.uint8),
      blocks.repeat(5, 1).repeat(5, 2)[:, :height, :width].astype(np.uint8),
    )

  return Pair(batch(SOURCE), batch(TARGET))


def analysis(
  program: jax.stages.Lowered, compiled: jax.stages.Compiled
) -> dict[str, float]:
  """Operations of the program as written, bytes as compiled."""
  return {
    'flops': program.cost_analysis()['flops'],
    'bytes accessed': compiled.cost_analysis().get('bytes accessed', 0.0),
    'memory': held(compiled),
  }


def held(compiled: jax.stages.Compiled) -> int:
  """Bytes of arguments, results and what lies between, at once."""
  memory = compiled.memory_analysis()
  assert memory is not None
  return (
    memory.temp_size_in_bytes
    + memory.argument_size_in_bytes
    + memory.output_size_in_bytes
    - memory.alias_size_in_bytes
  )
