"""Flags shared by the programs that use a trained model."""

import pathlib

from absl import flags

from pointsup_jax import command, errors
from pointsup_jax.hosts import devices, object_store, progress
from pointsup_jax.prediction import loaded_model as model_lib

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of the trained run, local or gs://.'
)
_OUT = flags.DEFINE_string('out', None, 'Folder of the results.')
_MODEL = flags.DEFINE_string(
  'model',
  None,
  'Which of its models: adapt, adapt_round_1 ..., uda or source_only; the '
  'newest if not given.',
)
_STEP = flags.DEFINE_integer(
  'step', None, 'Which of its checkpoints; the last if not given.'
)
_SIZE = flags.DEFINE_list(
  'size',
  None,
  'Height,width in pixels at which the network sees every image; those of '
  'evaluation (config.data.evaluation.size) if not given, or else of the '
  'target.',
)
OVERWRITE = flags.DEFINE_bool(
  'overwrite', False, 'Delete the results that --out holds, and start anew.'
)


def out() -> pathlib.Path:
  """The local folder for the results (--out)."""
  folder = _given(_OUT)
  object_store.require_local(folder, '--out')
  return pathlib.Path(folder)


def load() -> tuple[model_lib.Loaded, tuple[int, int]]:
  """Loads the model; returns it and its input size (height, width)."""
  if command.CONFIG.value is not None:
    raise errors.UsageError('--config: the workdir has its own; leave it out')
  size = _size()
  devices.connect()
  model = model_lib.load(_given(_WORKDIR), _MODEL.value, _STEP.value)
  height, width = size or model.size
  unfinished = '' if model.finished else ', whose training has not finished'
  progress.say(
    f'model {model.phase} ({model.network}) at step {model.step}{unfinished}; '
    f'it sees {width}x{height} pixels'
  )
  return model, (height, width)


def _given(flag: flags.FlagHolder[str | None]) -> str:
  if not flag.value:
    raise errors.UsageError(f'--{flag.name}=DIR is needed; see --help')
  return flag.value


def _size() -> tuple[int, int] | None:
  if _SIZE.value is None:
    return None
  try:
    height, width = map(int, _SIZE.value)
  except ValueError:
    height = width = 0
  if min(height, width) < 1:
    raise errors.UsageError(
      f'--size={",".join(_SIZE.value)} must be height,width in pixels'
    )
  return height, width
