"""How much of a model's error comes from its batch-norm statistics alone?

  python -m experiments.target_statistics WORKDIR:PHASE ...

PHASE is source_only, uda or adapt. Each model is scored on Streets' validation
scenes three times: as it is, and with its running statistics replaced by those
of 160 target or source training images; its weights stay the same.
"""

import functools
import json
import pathlib
import sys

import jax
import numpy as np

from configs import streets_active
from pointsup_jax.data import pipeline
from pointsup_jax.evaluation import confusion
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir
from pointsup_jax.stages import evaluate
from pointsup_jax.types import Variables

BATCH, BATCHES = 4, 40


def main(arguments: list[str]) -> None:
  """Prints one line a model."""
  for argument in arguments:
    folder, _, phase = argument.rpartition(':')
    config = streets_active.get_config()
    known = json.loads(pathlib.Path(folder, 'config.json').read_text())
    config.seed = known['config']['seed']
    config.data.evaluation.split = 'val'
    config.data.evaluation.length = 60
    run = run_lib.open_run(config, workdir.Workdir(pathlib.Path(folder)))
    _, variables = run.trained(getattr(run.workdir, phase))
    scores = {'its own': score(run, variables)}
    for domain in ('target', 'source'):
      scores[domain] = score(run, with_statistics(run, variables, domain))
    print(argument, {name: f'{value:.1f}' for name, value in scores.items()})


def score(run: run_lib.Run, variables: Variables) -> float:
  """mIoU in percent on the validation scenes."""
  count = jax.jit(
    functools.partial(
      evaluate.count_batch,
      segmenter=run.segmenter(),
      num_classes=run.classes.num_classes,
    )
  )
  images = run.source('evaluation', labelled=True)
  matrix = sum(
    np.asarray(count(variables, batch)[0])[:valid].sum(0)
    for _, batch, valid in pipeline.in_order(images, BATCH)
  )
  return 100 * confusion.mean_iou(matrix)


def with_statistics(
  run: run_lib.Run, variables: Variables, domain: str
) -> Variables:
  """The same weights with the running statistics of a domain's images."""
  segmenter = run.segmenter()

  @jax.jit
  def see(variables: Variables, images: jax.Array) -> Variables:
    _, updated = segmenter.apply(
      variables,
      segmenter.preprocess(images),
      train=True,
      mutable=['batch_stats'],
    )
    return {**variables, **updated}

  images = run.source(domain, labelled=False)
  batches = pipeline.stream(images, seed=1, batch_size=BATCH)
  for _ in range(BATCHES):
    variables = see(variables, next(batches).images)
  return variables


if __name__ == '__main__':
  main(sys.argv[1:])
