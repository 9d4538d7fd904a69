"""Everything a report tells of a run; what the run has not got is empty."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pointsup_jax.annotation import agreement
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.report import click_statistics as clicks_lib
from pointsup_jax.report import comparison as scores_lib
from pointsup_jax.report import effort as effort_lib
from pointsup_jax.report import kept_checkpoints
from pointsup_jax.report import loss_curves as curves_lib


class Labelling(NamedTuple):
  """What was asked and answered."""

  clicks: clicks_lib.Clicks
  pixels: int  # of all target images, at the size at which points were drawn
  target_images: int
  effort: Sequence[effort_lib.Effort]
  agreement: Sequence[agreement.Pair]
  simulated: bool  # the labels answered, not people


class StageTime(NamedTuple):
  """How long a stage took, over all commands that ran it."""

  stage: str
  seconds: float
  commands: int


class Setting(NamedTuple):
  """A field of the config."""

  name: str
  value: str
  default: str | None  # None: it has the default's value


class Provenance(NamedTuple):
  """How the run came about."""

  commands: Sequence[str]  # that ran a stage, the first one first
  revision: str | None
  versions: Mapping[str, str]
  times: Sequence[StageTime]
  settings: Sequence[Setting]


class Contents(NamedTuple):
  """What a report tells of a run."""

  title: str
  domains: Mapping[str, str]  # 'source', 'target', 'evaluation' -> its images
  classes: classes_lib.ClassSet
  scores: Sequence[scores_lib.Scores]  # of the models, in order of training
  # Of the models that were scored at more than their last step.
  checkpoints: Mapping[str, kept_checkpoints.Steps]
  phases: Sequence[curves_lib.Phase]
  labelling: Labelling | None
  provenance: Provenance
  missing: Sequence[str]  # what a whole run would have, and how to get it
