"""Adaptation methods, one file each over the contract in `strategy`."""

from collections.abc import Callable

from pointsup_jax.types import Outputs
from pointsup_jax.uda import (
  adaptsegnet,
  advent,
  intrada,
  minent,
  source_only,
  strategy,
)

# What one training phase may run: name -> strategy, given the weights of its
# target losses of either head.
STRATEGIES: dict[str, Callable[[Outputs], strategy.Strategy]] = {
  'source_only': lambda weights: source_only.SourceOnly(),
  'minent': minent.MinEnt,
  'advent': advent.advent,
  'adaptsegnet': adaptsegnet.adaptsegnet,
}

# What stage 1 may run: any of those in one phase, or several phases.
_MULTI_PHASE = {'intrada': intrada.PHASES}


def names() -> tuple[str, ...]:
  """The methods of stage 1."""
  return (*STRATEGIES, *_MULTI_PHASE)


def phases(name: str) -> tuple[strategy.Phase, ...]:
  """The phases of a method of stage 1, in order."""
  return _MULTI_PHASE.get(name) or (strategy.Phase('', name),)
