"""Records that an annotation store reads and writes."""

import datetime
from typing import NamedTuple

import numpy as np


class Request(NamedTuple):
  """A point to be labelled."""

  id: str  # see `request_id`
  image: str
  row: int
  col: int
  patch: int
  score: float  # of the patch
  pseudo_label: int
  round: int
  model_step: int  # training step of the model that chose the point


class Answers(NamedTuple):
  """The labelled points of an image."""

  rows: np.ndarray  # [A] int32
  cols: np.ndarray  # [A] int32
  labels: np.ndarray  # [A] uint8; 255: void or unsure


class Entry(NamedTuple):
  """An answer to be recorded."""

  request: str  # id
  answer: str  # 'label', 'unsure', 'skip' or 'undo'
  label: int | None  # 0..C-1 or 255 with 'label', else None
  annotator: str
  seconds: float | None


class Counts(NamedTuple):
  """Progress of the annotation."""

  images: int
  requests: int
  answered: int  # labelled or unsure; skipped points are still open


class PersonAnswer(NamedTuple):
  """An annotator's standing answer to a point."""

  seq: int  # a later answer has a higher one
  request: str  # its id
  annotator: str
  answer: str  # 'label', 'unsure' or 'skip'
  label: int | None
  active_seconds: float | None
  mode: str | None
  seconds: float | None = None


class How(NamedTuple):
  """How an answer on the page came about.

  In the mode 'confirm' the model's guess, or in a review somebody's answer, was
  in sight. Only 'adjudicate' has an effect: the answer overrides all others.
  """

  active_seconds: float | None = None  # without pauses
  mode: str | None = None  # 'blind', 'confirm' or 'adjudicate'
  key: str | None = None  # an answer whose key was recorded is ignored


class Comment(NamedTuple):
  """What an annotator remarked about a point."""

  request: str  # its id
  annotator: str
  text: str  # '': an earlier one is taken back
  time: str | None = None  # ISO 8601, UTC; None: now


class Lease(NamedTuple):
  """A point reserved for an annotator."""

  request: str  # its id
  annotator: str
  expires: float  # seconds since 1970, UTC
  since: float = 0.0  # when it was first handed out, likewise


def request_id(image: str, row: int, col: int) -> str:
  """Returns the stable id of a point."""
  return f'{image}-r{row}-c{col}'


def timestamp(seconds: float) -> str:
  """Returns seconds since 1970 as the store keeps times, to the millisecond."""
  moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
  return moment.isoformat(timespec='milliseconds').replace('+00:00', 'Z')
