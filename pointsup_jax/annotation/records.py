"""What an annotation store holds, and what it is told."""

from typing import NamedTuple

import numpy as np


class Request(NamedTuple):
  """A point that somebody is to label."""

  id: str  # see `request_id`
  image: str
  row: int
  col: int
  patch: int
  score: float  # of the patch
  pseudo_label: int
  round: int
  model_step: int  # of the model that asks


class Answers(NamedTuple):
  """The labelled points of an image."""

  rows: np.ndarray  # [A] int32
  cols: np.ndarray  # [A] int32
  labels: np.ndarray  # [A] uint8; 255: void, or the annotator was unsure


class Entry(NamedTuple):
  """An answer as it is recorded."""

  request: str  # id
  answer: str  # 'label', 'unsure', 'skip' or 'undo'
  label: int | None  # 0..C-1 or 255 with 'label', None with the others
  annotator: str
  seconds: float | None


class Counts(NamedTuple):
  """How far the work is."""

  images: int
  requests: int
  answered: int  # labelled or unsure; skipped ones are still open


class PersonAnswer(NamedTuple):
  """What an annotator says of a point."""

  seq: int  # a later answer has a higher one
  request: str  # its id
  annotator: str
  answer: str  # 'label', 'unsure' or 'skip'
  label: int | None
  active_seconds: float | None
  mode: str | None
  seconds: float | None = None


class How(NamedTuple):
  """How an answer on the page came about; nothing of it changes what holds.

  Except that an answer of mode 'adjudicate' holds over all others.
  """

  active_seconds: float | None = None  # without pauses
  mode: str | None = None  # 'blind', 'confirm' or 'adjudicate'
  key: str | None = None  # an answer with a key that is known changes nothing


class Lease(NamedTuple):
  """A point that is in somebody's hands."""

  request: str  # its id
  annotator: str
  expires: float  # seconds since 1970, UTC


def request_id(image: str, row: int, col: int) -> str:
  """The stable name of a point: its image, row and column."""
  return f'{image}-r{row}-c{col}'
