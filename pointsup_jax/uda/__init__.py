"""Adaptation methods, one file each over the contract in `strategy`."""

from pointsup_jax.types import Outputs
from pointsup_jax.uda import advent, source_only, strategy

NAMES = ('source_only', 'advent')


def build(name: str, weights: Outputs) -> strategy.Strategy:
  """Returns the strategy of that name; `weights` are its target losses'."""
  match name:
    case 'source_only':
      return source_only.SourceOnly()
    case 'advent':
      return advent.AdvEnt(weights)
  raise ValueError(f'no strategy {name!r}')
