"""The scores that evaluation has left, as long as they still apply."""

import json

from pointsup_jax.hosts import json_files
from pointsup_jax.run import context as run_lib


def known(
  run: run_lib.Run, name: str, step: int, *, is_last: bool
) -> dict | None:
  """The scores of a model at a step, its last or an earlier one, if known."""
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
  """What scores depend on, beside the model's phase."""
  return {
    'step': step,
    **json.loads(run.config.data.evaluation.to_json()),
    'data_root': run.config.data.root,
    'classes': list(run.classes.names),
  }
