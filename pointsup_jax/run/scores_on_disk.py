"""Reads scores of earlier evaluations, if they still apply."""

import json

from pointsup_jax.hosts import json_files
from pointsup_jax.run import context as run_lib


def known(
  run: run_lib.Run, name: str, step: int, *, is_last: bool
) -> dict | None:
  """The saved scores of a model at a step; None if absent or outdated."""
  split = run.config.data.evaluation.split
  known = json_files.read_derived(
    run.workdir.evaluation(name, split, None if is_last else step)
  )
  if known is None:
    return None
  expected = about(run, step)
  fits = all(known.get(field) == value for field, value in expected.items())
  predictions = run.config.evaluate.save_predictions and is_last
  saved = known.get('predictions_saved') or not predictions
  return known if fits and saved else None


def about(run: run_lib.Run, step: int) -> dict:
  """The fields, besides the model's phase, that scores depend on."""
  return {
    'step': step,
    **json.loads(run.config.data.evaluation.to_json()),
    'data_root': run.config.data.root,
    'classes': list(run.classes.names),
  }
