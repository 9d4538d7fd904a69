"""Opens a run's data and refuses what a later stage could not use."""

import functools

from pointsup_jax import errors, uda
from pointsup_jax.annotation.exchange import importing
from pointsup_jax.data import domains, inspection, sources
from pointsup_jax.hosts import stopping
from pointsup_jax.run import (
  acquire_check,
  methods,
  model_check,
  predicted,
  recorded_data,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.uda import intrada


def check(run: run_lib.Run) -> dict[str, sources.Source]:
  """Opens all domains by name and looks at some of their files.

  Raises errors.UserError for what `launch.check` or a later stage would refuse,
  such as a missing weight file, and prints what is doubtful.
  """
  model_check.find_files(run.config.model)
  opened = open_all(run)
  if run.config.uda.predictions:
    stopping.run_by_first(
      functools.partial(predicted.read_all, run), 'the predictions'
    )
  depth = methods.need(run.config, 'depth')
  inspection.glance(run.config, run.classes, depth=depth)
  return opened


def open_all(run: run_lib.Run) -> dict[str, sources.Source]:
  """Opens all domains by name; raises errors.UserError if they are unfit."""
  if run.config.annotate.answers:
    importing.find(run.config.annotate.answers)
  depth = methods.need(run.config, 'depth')
  opened = {}
  if domains.has_source(run.config.data):
    opened['source'] = run.source('source', labelled=True, depth=depth)
  opened['target'] = target = run.source(
    'target', labelled=domains.needs_labels(run.config, 'target')
  )
  if domains.has_evaluation(run.config.data):
    opened['evaluation'] = run.source(
      'evaluation', labelled=True, full_labels=True
    )
  recorded_data.require_fresh_builds(run)
  acquire_check.check_budget(run.config.acquire, len(target))
  acquire_check.check_enough(run.config.annotate, len(target))
  if run.config.uda.predictions:
    predicted.require(run)
  elif any(part.within_target for part in uda.phases(run.config.uda.strategy)):
    easy = intrada.easy_count(len(target), run.config.uda.easy_share)
    if not 0 < easy < len(target):
      raise errors.UsageError(
        f'uda.easy_share={run.config.uda.easy_share} of {len(target)} target '
        f'images are {easy} easy ones; there must be easy and hard ones'
      )
  return opened
