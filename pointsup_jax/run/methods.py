"""Adaptation methods as a config asks for them."""

import ml_collections
import numpy as np

from pointsup_jax import errors, uda
from pointsup_jax.data import sources
from pointsup_jax.types import Outputs
from pointsup_jax.uda import strategy


def build(
  config: ml_collections.ConfigDict,
  name: str,
  steps: int,
  centres: np.ndarray | None = None,
) -> strategy.Strategy:
  """The strategy of this name, for a phase of so many steps.

  `centres` are those that `stages/patch_clusters.py` finds, for who needs them.
  """
  losses, optim = config.losses, config.optim
  return uda.STRATEGIES[name](
    strategy.Settings(
      weights=Outputs(aux=losses.target_aux, main=losses.target_main),
      steps=steps,
      decay_steps=optim.decay_steps,
      warmup_steps=optim.warmup_steps,
      disagreement=losses.disagreement,
      aux=losses.aux,
      vgg=config.model.vgg,
      centres=centres,
    )
  )


def need(
  config: ml_collections.ConfigDict,
  what: str,
  stages: tuple[str, ...] = ('uda', 'adapt'),
) -> bool:
  """Whether a method of these stages has `what` in its `Strategy.needs`."""
  return any(
    stage in stages and what in build(config, name, steps).needs
    for (stage, name), steps in _asked(config).items()
  )


def teacher(config: ml_collections.ConfigDict, name: str) -> str | None:
  """The player of a strategy that follows the segmenter, if it has one."""
  for player, made in build(config, name, steps=1).players.items():
    if isinstance(made, strategy.Copy) and made.follows is not None:
      return player
  return None


def check(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError if a method lacks what it needs."""
  for (stage, name), steps in _asked(config).items():
    method = build(config, name, steps)
    for field, value in method.model.items():
      if config.model[field] != value:
        raise errors.UsageError(
          f'{stage}.strategy={name!r} needs model.{field}={value!r}, but that '
          f'is {config.model[field]!r}; set --config.model.{field}={value}'
        )
    if 'weights' in method.needs and not config.model.weights:
      raise errors.UsageError(
        f'{stage}.strategy={name!r} needs an ImageNet file in model.weights'
      )
    dataset = config.data.source.dataset
    if 'depth' in method.needs and dataset not in sources.WITH_DEPTH:
      raise errors.UsageError(
        f'{stage}.strategy={name!r} needs the depth of source images, but '
        f'data.source.dataset={dataset!r} has none; these have it: '
        f'{", ".join(sources.WITH_DEPTH)} (with a folder depth/)'
      )
  check_scored(config)


def check_scored(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError if there is no teacher to score."""
  asked = _asked(config)
  if config.evaluate.model != 'teacher' or any(
    teacher(config, name) for _, name in asked
  ):
    return
  trained = ' and '.join(f'{stage}.strategy={name!r}' for stage, name in asked)
  having = [name for name in uda.STRATEGIES if teacher(config, name)]
  raise errors.UsageError(
    f"evaluate.model='teacher', but {trained} train none; these do: "
    f'{", ".join(having)}; or set --config.evaluate.model=segmenter'
  )


def _asked(config: ml_collections.ConfigDict) -> dict[tuple[str, str], int]:
  """The steps of each (stage, name of a strategy) that is trained."""
  of_uda = {
    ('uda', part.strategy): config.uda.steps
    for part in uda.phases(config.uda.strategy)
  }
  of_adapt = {('adapt', config.adapt.strategy): config.adapt.steps}
  return of_adapt if config.uda.predictions else of_uda | of_adapt
