"""Adaptation methods, one file each, with the interface of `strategy`."""

from collections.abc import Callable

from pointsup_jax.uda import (
  adaptpatch,
  adaptsegnet,
  advent,
  clan,
  dada,
  dise,
  intrada,
  minent,
  road,
  source_only,
  ssf_dan,
  strategy,
  swd,
  teacher,
)

STRATEGIES: dict[str, Callable[[strategy.Settings], strategy.Strategy]] = {
  'source_only': source_only.source_only,
  'adabn': source_only.adabn,
  'minent': minent.minent,
  'advent': advent.advent,
  'adaptsegnet': adaptsegnet.adaptsegnet,
  'road': road.road,
  'ssf_dan': ssf_dan.ssf_dan,
  'teacher': teacher.teacher,
  'masked_teacher': teacher.masked_teacher,
  'dada': dada.dada,
  'clan': clan.clan,
  'swd': swd.swd,
  'adaptpatch': adaptpatch.adaptpatch,
  'dise': dise.dise,
}

# Stage 1 methods of several phases; each strategy is one of a single phase.
_MULTI_PHASE = {'intrada': intrada.PHASES}


def names() -> tuple[str, ...]:
  """Names of the stage 1 methods."""
  return (*STRATEGIES, *_MULTI_PHASE)


def phases(name: str) -> tuple[strategy.Part, ...]:
  """Phases of a stage 1 method, in order."""
  return _MULTI_PHASE.get(name) or (strategy.Part('', name),)
