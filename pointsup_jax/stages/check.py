"""What is wrong with a config, before anything is started."""

import difflib

import ml_collections

from pointsup_jax import errors, uda
from pointsup_jax.acquisition import grid, scores, selection, targets
from pointsup_jax.training import sharding

_CHOICES = {
  'uda.strategy': uda.names(),
  'adapt.strategy': tuple(uda.STRATEGIES),
  'acquire.strategy': selection.STRATEGIES,
  'acquire.score': scores.NAMES,
  'annotate.oracle': ('ground_truth',),
  'adapt.pseudo_labels': targets.MODES,
  'model.bn': ('batch', 'global', 'frozen'),
  'model.bn_statistics': ('both', 'target'),
}
_POSITIVE = (
  'train.batch_size',
  'train.log_every',
  'train.checkpoint_every',
  'train.keep',
  'uda.steps',
  'adapt.steps',
  'acquire.batch_size',
  'evaluate.batch_size',
  'model.width',
  'model.discriminator_width',
  'optim.decay_steps',
  'data.threads',
)


def check(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError for the first field that cannot be right."""
  for field, choices in _CHOICES.items():
    require_choice(field, _get(config, field), choices)
  for field in _POSITIVE:
    if _get(config, field) < 1:
      raise errors.UsageError(
        f'{field}={_get(config, field)} must be at least 1'
      )
  for name in ('source', 'target', 'evaluation'):
    size = tuple(config.data[name].size)
    if len(size) != 2 or min(size) < 32:
      raise errors.UsageError(
        f'data.{name}.size={size} must be (height, width), each at least 32'
      )
  if len(config.model.blocks) != 4 or min(config.model.blocks) < 1:
    raise errors.UsageError(
      f'model.blocks={tuple(config.model.blocks)} must be four positive numbers'
    )
  steps = max(
    config.uda.steps, config.adapt.steps, config.uda.source_only_steps
  )
  if steps > config.optim.decay_steps:
    raise errors.UsageError(
      f'optim.decay_steps={config.optim.decay_steps} is less than the {steps} '
      'steps of a phase: its learning rate would be 0 at the end'
    )
  sharding.check_batch_size(config.train.batch_size, 'train.batch_size')
  rows, cols = config.acquire.grid
  grid.check(
    tuple(config.data.target.size),
    rows,
    cols,
    config.acquire.k,
    config.acquire.n,
  )


def check_classes(
  config: ml_collections.ConfigDict, names: tuple[str, ...]
) -> None:
  """Raises errors.UsageError for fields that name no class of the data."""
  for name in config.uda.rare_classes:
    require_choice('uda.rare_classes', name, names)


def require_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
  """Refuses a name that is not among the choices, with the nearest one."""
  if value in choices:
    return
  near = difflib.get_close_matches(value, choices, n=1)
  hint = f'did you mean {near[0]!r}? ' if near else ''
  raise errors.UsageError(
    f'{field}={value!r}: {hint}It is one of {", ".join(choices)}'
  )


def _get(config: ml_collections.ConfigDict, field: str):
  for part in field.split('.'):
    config = config[part]
  return config
