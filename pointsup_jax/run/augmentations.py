"""Random changes of training images as a config asks for them."""

import math

import ml_collections

from pointsup_jax import errors
from pointsup_jax.data import domains
from pointsup_jax.run import context as run_lib
from pointsup_jax.training import augmentation

_TRAINED = ('source', 'target')
_FIELDS = ('mirror', 'scale', 'crop', 'jitter')
_SMALLEST = 32  # pixels of a side, as of images
_LOW, _HIGH = 0.1, 10.0  # of scales


def of_phase(
  run: run_lib.Run, place: str
) -> dict[str, augmentation.Augmentation]:
  """The changes by domain, of those that change, seeded for one phase."""
  return {
    name: _of_domain(run.config.data[name], run.seed('augment', place, name))
    for name in _TRAINED
    if _changes(run.config.data[name])
  }


def check(data: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError for fields that cannot be (config.data)."""
  for name in domains.NAMES:
    _check_domain(f'data.{name}', data[name])
  for change in _changes(data.evaluation):
    raise errors.UsageError(
      f'data.evaluation.{change}: images are evaluated as they are; random '
      'changes are for data.source and data.target, which are trained on'
    )


def in_words(domain: ml_collections.ConfigDict) -> str:
  """What is changed, to end a sentence; '' if nothing is."""
  changes = ', '.join(_changes(domain))
  return f', random {changes}' if changes else ''


def _changes(domain: ml_collections.ConfigDict) -> list[str]:
  """The fields that change images, with their values."""
  how, none = _of_domain(domain), augmentation.Augmentation()
  return [
    f'{field}={domain[field]}'
    for field in _FIELDS
    if getattr(how, field) != getattr(none, field)
  ]


def _of_domain(
  domain: ml_collections.ConfigDict, seed: int = 0
) -> augmentation.Augmentation:
  low, high = domain.scale
  height_and_width = tuple(domain.crop)
  return augmentation.Augmentation(
    mirror=domain.mirror,
    scale=(low, high),
    crop=height_and_width or None,
    jitter=domain.jitter,
    seed=seed,
  )


def _check_domain(field: str, domain: ml_collections.ConfigDict) -> None:
  scale, crop = domain.scale, domain.crop
  if not _is_range(scale):
    raise errors.UsageError(
      f'{field}.scale={scale} must be the least and the largest factor, from '
      f'{_LOW} to {_HIGH}, such as (0.8, 1.2)'
    )
  if not _is_window(crop):
    raise errors.UsageError(
      f'{field}.crop={crop} must be () or a height and a width, integers of at '
      f'least {_SMALLEST}'
    )
  size = tuple(domain.size)
  if not _of_domain(domain).fits(size):
    height, width = (math.floor(side * scale[0]) for side in size)
    least = f'({height}, {width}), {field}.size at the least {field}.scale'
    raise errors.UsageError(
      f'{field}.crop={tuple(crop) or size} is larger than {least}: nothing is '
      'padded; set a crop that fits, or a larger scale'
    )


def _is_range(scale: object) -> bool:
  return (
    isinstance(scale, tuple | list)
    and len(scale) == 2
    and all(type(x) in (int, float) for x in scale)
    and _LOW <= scale[0] <= scale[1] <= _HIGH
  )


def _is_window(crop: object) -> bool:
  return isinstance(crop, tuple | list) and (
    not crop
    or (len(crop) == 2 and all(type(x) is int and x >= _SMALLEST for x in crop))
  )
