r"""Would a click on each class that an image shows be worth more? Simulated.

  python -m experiments.one_of_each_class --config=configs/streets_active.py \
      --workdir=runs/each_class

Runs the stages as launch.main does, but asks about a random pixel of each class
of which an image's label file has at least LEAST pixels, whatever acquire.k is:
what people would click who are told 'one pixel of each class you see'.
"""

from typing import Any

import numpy as np
from absl import flags

from pointsup_jax import command
from pointsup_jax.acquisition import questions, selection
from pointsup_jax.hosts import stopping
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.stages import acquire, sequence
from pointsup_jax.types import IGNORE, Array

_WORKDIR = flags.DEFINE_string('workdir', 'runs/each_class', 'Of the run.')
_LEAST = flags.DEFINE_integer(
  'least', 20, 'Pixels of a class below which nobody would see it.'
)


def of_each_class(labels: Array, random: np.random.Generator) -> Array:
  """Rows and columns, [N, 2], of a random pixel of each class."""
  points = []
  for class_id in np.unique(labels[labels != IGNORE]):
    places = np.argwhere(labels == class_id)
    if len(places) >= _LEAST.value:
      points.append(random.choice(places))
  return np.array(points, np.int32).reshape(-1, 2)


def main() -> None:
  """Runs all stages, with other questions in stage 2."""
  record = acquire.record

  def ask_of_each(
    run: run_lib.Run, store: Any, name: str, found: questions.Found, step: int
  ) -> None:
    truth = run.source('target', labelled=True)
    labels = truth[truth.names.index(name)].labels
    seed = (run.seed('points'), *selection.image_ids([name]).tolist())
    points = of_each_class(labels, np.random.default_rng(seed))
    worth = np.ones(len(points), np.float32)
    record(run, store, name, found._replace(points=points, worth=worth), step)

  acquire.record = ask_of_each
  stopping.install()
  command.use_compilation_cache()
  workdir = workdir_lib.named(_WORKDIR.value)
  config = command.config()
  config.acquire.place = 'pixels'  # of no patch is more than this asked
  sequence.run_stages(config, workdir, 'all')


if __name__ == '__main__':
  command.run(main)
