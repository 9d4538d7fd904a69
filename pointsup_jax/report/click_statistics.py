"""Where the clicks went, and what they said against the model's guesses."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax.annotation import records
from pointsup_jax.types import IGNORE


class Clicks(NamedTuple):
  """All points that were asked, and the answers that hold."""

  images: int  # with points
  asked: np.ndarray  # [C] points by the class that the model guessed
  # [C, C + 1] points by guess and by answer, the last being 'none of the
  # classes'; points that are open or were left unsure are not in it.
  answers: np.ndarray
  unsure: int
  open: int
  patches: np.ndarray  # [R, G] images in which each patch was asked
  rounds: dict[int, np.ndarray]  # `answers` of each round

  @property
  def total(self) -> int:
    """Points asked."""
    return int(self.asked.sum())

  @property
  def labelled(self) -> int:
    """Points with a class, or said to be none of them."""
    return int(self.answers.sum())

  @property
  def answered(self) -> np.ndarray:
    """[C] points by the class of their answer."""
    return self.answers[:, :-1].sum(axis=0)

  @property
  def none_of_them(self) -> int:
    """Points that are none of the classes."""
    return int(self.answers[:, -1].sum())


class Correction(NamedTuple):
  """Points at which the model guessed one class and the answer was another."""

  guess: int
  answer: int  # C: none of the classes
  points: int


def count(
  requests: Sequence[records.Request],
  current: Mapping[str, records.Entry],
  num_classes: int,
  grid: tuple[int, int],
) -> Clicks:
  """Counts the points of a store.

  Args:
    requests: all points.
    current: the answer that holds, by the request's id.
    num_classes: C.
    grid: rows and columns of patches.
  """
  rows, cols = grid
  asked = np.zeros(num_classes, np.int64)
  rounds: dict[int, np.ndarray] = {}
  unsure = open_ = 0
  for request in requests:
    asked[request.pseudo_label] += 1
    answers = rounds.setdefault(
      request.round, np.zeros((num_classes, num_classes + 1), np.int64)
    )
    entry = current.get(request.id)
    if entry is None:
      open_ += 1
    elif entry.label is None:
      unsure += 1
    else:
      answer = num_classes if entry.label == IGNORE else entry.label
      answers[request.pseudo_label, answer] += 1
  places = {(request.image, request.patch) for request in requests}
  patches = np.bincount(
    np.array([patch for _, patch in places], int), minlength=rows * cols
  )
  return Clicks(
    images=len({request.image for request in requests}),
    asked=asked,
    answers=sum(
      rounds.values(), np.zeros((num_classes, num_classes + 1), np.int64)
    ),
    unsure=unsure,
    open=open_,
    patches=patches.reshape(rows, cols),
    rounds=rounds,
  )


def disagreement(answers: np.ndarray) -> tuple[int, int]:
  """Points whose answer is another class than the guess, and all with a class.

  Points that are none of the classes are in neither: no guess could be right,
  and nothing is learned from them.

  Args:
    answers: [C, C + 1], see `Clicks`.
  """
  classes = answers[:, :-1]
  total = int(classes.sum())
  return total - int(np.trace(classes)), total


def disagreement_by_guess(answers: np.ndarray) -> np.ndarray:
  """The share of disagreement of each guess: [C]; NaN without points.

  Args:
    answers: [C, C + 1], see `Clicks`.
  """
  classes = answers[:, :-1]
  total = classes.sum(axis=1)
  return np.divide(
    total - np.diag(classes),
    total,
    out=np.full(len(classes), np.nan),
    where=total > 0,
  )


def corrections(answers: np.ndarray, most: int = 5) -> list[Correction]:
  """The most frequent corrections, most points first.

  Args:
    answers: [C, C + 1], see `Clicks`.
    most: how many at most.
  """
  found = [
    Correction(guess, answer, int(answers[guess, answer]))
    for guess, answer in np.argwhere(answers > 0).tolist()
    if guess != answer and answer < len(answers)
  ]
  return sorted(found, key=lambda x: (-x.points, x.guess, x.answer))[:most]
