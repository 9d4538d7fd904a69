"""The contents of a report; parts that a run lacks are empty."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pointsup_jax.annotation import agreement
from pointsup_jax.annotation import effort as effort_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.report import click_statistics as clicks_lib
from pointsup_jax.report import comparison as scores_lib
from pointsup_jax.report import held_back as held_back_lib
from pointsup_jax.report import kept_checkpoints
from pointsup_jax.report import loss_curves as curves_lib


class PointLabels(NamedTuple):
  """The requested points, their answers and cost."""

  clicks: clicks_lib.Clicks
  pixels: int  # of all target images, at the size used for points
  target_images: int
  effort: Sequence[effort_lib.Effort]
  agreement: Sequence[agreement.Agreed]
  simulated: bool  # answered from ground truth, not by people
  held_back: int  # points that nothing is learned from
  used: Mapping[str, int]  # column of a model -> answers it was trained with


class StageTime(NamedTuple):
  """Total time of a stage over all commands that ran it."""

  stage: str
  seconds: float
  commands: int


class FieldValue(NamedTuple):
  """A config field."""

  name: str
  value: str
  default: str | None  # None: equal to the value


class Provenance(NamedTuple):
  """The commands, versions and settings that produced the run."""

  commands: Sequence[str]  # that ran a stage, oldest first
  revision: str | None
  versions: Mapping[str, str]
  times: Sequence[StageTime]
  settings: Sequence[FieldValue]


class Contents(NamedTuple):
  """The contents of a report."""

  title: str
  # 'target' and, if there are such, 'source' and 'evaluation' -> name
  domains: Mapping[str, str]
  classes: classes_lib.ClassSet
  scores: Sequence[scores_lib.Scores]  # in order of training
  on_points: held_back_lib.PointScores | None
  # Column -> steps, for models scored at more than their last step.
  checkpoints: Mapping[str, kept_checkpoints.Steps]
  phases: Sequence[curves_lib.Curves]
  labelling: PointLabels | None
  provenance: Provenance
  missing: Sequence[str]  # messages: missing parts and how to get them
  warning: str | None  # what makes the scores misleading
