"""What a training step of each adaptation method costs beside AdvEnt's.

  python -m benchmarks.methods                # operations, at the paper's size
  python -m benchmarks.methods --divide=8 --repeats=5    # also memory and time

Each method has the fields of its row of the paper's tables, and one image of
each domain. Operations are those of the program as written; memory and time are
those of the compiled one, and methods take turns.
"""

import argparse
import functools
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import ml_collections
import numpy as np

from benchmarks import full_size, measuring
from configs import gta_active, paper_rows, synthia_active
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import methods, workdir
from pointsup_jax.stages import initial_state
from pointsup_jax.training import step
from pointsup_jax.types import Pair
from pointsup_jax.uda import adaptpatch, patches

# Beside the rows of the tables.
MORE = {
  'adabn': {'uda.strategy': 'adabn', 'model.bn_statistics': 'target'},
  'teacher': {'uda.strategy': 'teacher'},
  'masked_teacher': {'uda.strategy': 'masked_teacher'},
}
FIRST = 'advent'


def main() -> None:
  """Prints each method's costs as it is lowered, then its times."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--divide', type=int, default=1)
  parser.add_argument('--repeats', type=int, default=0)
  parser.add_argument('--blocks', type=int, nargs=4)
  parser.add_argument('--width', type=int)
  parser.add_argument('--only', nargs='+', default=[])
  parser.add_argument('--out', type=pathlib.Path)
  options = parser.parse_args()
  model = {
    field: value
    for field in ('blocks', 'width')
    if (value := getattr(options, field)) is not None
  }
  rows = [x for x in (*paper_rows.METHODS, *MORE) if x != 'intrada']
  chosen = (FIRST, *(x for x in options.only or rows if x != FIRST))
  configs = {row: config_of(row) for row in chosen}
  for config in configs.values():
    config.model.update(model)
  compare(configs, options.divide, options.repeats, options.out)


def compare(
  configs: Mapping[str, ml_collections.ConfigDict],
  divide: int,
  repeats: int,
  out: pathlib.Path | None,
) -> None:
  """Prints what a step of each costs beside the first's, then its time.

  Memory and time are left out without `repeats`. Writes the figures to `out`.
  """
  found: dict[str, dict[str, Any]] = {}
  works: dict[str, measuring.Work] = {}
  first = next(iter(configs))
  for name, config in configs.items():
    program, init, pair = lowered(config, divide)
    segmenter = jax.eval_shape(init, jax.random.key(0)).segmenter
    found[name] = {
      'parameters': sum(x.size for x in jax.tree.leaves(segmenter['params'])),
      'flops': program.cost_analysis()['flops'],
    }
    if repeats:
      compiled = program.compile()
      found[name] |= full_size.analysis(program, compiled)
      works[name] = functools.partial(work, compiled, init, pair)
    print(line(name, found, first), flush=True)
  for name, seconds in measuring.alternate(works, repeats).items():
    found[name]['seconds'] = seconds
    ratios = measuring.ratios(seconds, found[first]['seconds'])
    print(f'{name}: {measuring.spread(ratios)} times as long')
  if out:
    out.write_text(json.dumps(found))


def config_of(row: str) -> ml_collections.ConfigDict:
  """A row's config; DADA's is SYNTHIA's, which has depth."""
  if row in MORE:
    config = gta_active.get_config(FIRST)
    config.update_from_flattened_dict(MORE[row])
    return config
  return (synthia_active if row == 'dada' else gta_active).get_config(row)


def lowered(
  config: ml_collections.ConfigDict, divide: int
) -> tuple[jax.stages.Lowered, Callable[[jax.Array], Any], Pair]:
  """The program of a step, what makes its state of a key, and its batch."""
  run = run_lib.open_run(config, workdir.Workdir(pathlib.Path('unused')))
  player = initial_state.build_learner(run)
  classes = run.classes.num_classes
  centres = np.random.default_rng(0).uniform(
    0, 1, (adaptpatch.CLUSTERS, patches.CELLS**2 * classes)
  )
  method = methods.build(config, config.uda.strategy, config.uda.steps, centres)
  take = functools.partial(
    step.train_step,
    learner=player,
    strategy=method,
    supervision=step.Supervision(config.losses.aux),
  )
  pair = full_size.images(divide)
  labels = np.where(pair.source.labels < classes, pair.source.labels, 255)
  source = pair.source._replace(labels=labels.astype(np.uint8))
  if 'depth' in method.needs:
    source = source._replace(depth=1 + 100 * labels.astype(np.uint16))
  pair = Pair(source, pair.target)

  def init(key: jax.Array) -> Any:
    return player.init(key, player.init_segmenter(key), method.players)

  state = jax.eval_shape(init, jax.random.key(0))
  return jax.jit(take).lower(state, pair), init, pair


def work(
  compiled: jax.stages.Compiled,
  init: Callable[[jax.Array], Any],
  pair: Pair,
) -> None:
  """One step from the initial state."""
  jax.block_until_ready(compiled(initial(init), pair))


@functools.cache
def initial(init: Callable[[jax.Array], Any]) -> Any:
  """The state at step 0."""
  return jax.jit(init)(jax.random.key(0))


def line(name: str, found: dict[str, dict[str, Any]], first: str) -> str:
  """The costs of one and their ratios to the first's."""
  parts = [
    f'{figure} {value:.4g} ({value / found[first][figure]:.2f})'
    for figure, value in found[name].items()
  ]
  return f'{name}: ' + ', '.join(parts)


if __name__ == '__main__':
  main()
