"""Click statistics: classes, patches, and agreement with the guesses."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pointsup_jax.annotation import records
from pointsup_jax.types import IGNORE


class Clicks(NamedTuple):
  """Counts of the requested points and their current answers."""

  images: int  # with points
  asked: np.ndarray  # [C] points by the model's guess, also those of `added`
  # [C, C + 1] answered points by guess and answer; the last column is 'none of
  # the classes'. Open and unsure points are excluded.
  answers: np.ndarray
  unsure: int
  open: int
  patches: np.ndarray  # [rows, cols] images in which a patch was asked
  rounds: dict[int, np.ndarray]  # round -> its `answers`; 0: of `added`
  added: int = 0  # points that no round asked for, answered elsewhere

  @property
  def total(self) -> int:
    """Number of requested points."""
    return int(self.asked.sum()) - self.added

  @property
  def labelled(self) -> int:
    """Points answered with a class or 'none of the classes'."""
    return int(self.answers.sum())

  @property
  def answered(self) -> np.ndarray:
    """[C] points by answered class."""
    return self.answers[:, :-1].sum(axis=0)

  @property
  def none_of_them(self) -> int:
    """Points answered 'none of the classes'."""
    return int(self.answers[:, -1].sum())


class Correction(NamedTuple):
  """Points of one guessed class that were answered with another class."""

  guess: int
  answer: int
  points: int


def count(
  requests: Sequence[records.Request],
  current: Mapping[str, records.Entry],
  num_classes: int,
  grid: tuple[int, int],
) -> Clicks:
  """Counts all requested points and their `current` answers by request id.

  `grid` has the rows and columns of patches.
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
  places = {
    (request.image, request.patch) for request in requests if request.round
  }
  patches = np.bincount(
    np.array([patch for _, patch in places], int), minlength=rows * cols
  )
  return Clicks(
    images=len({image for image, _ in places}),
    asked=asked,
    answers=sum(
      rounds.values(), np.zeros((num_classes, num_classes + 1), np.int64)
    ),
    unsure=unsure,
    open=open_,
    patches=patches.reshape(rows, cols),
    rounds=rounds,
    added=sum(not request.round for request in requests),
  )


def disagreement(answers: np.ndarray) -> tuple[int, int]:
  """Number of points answered with another class than guessed, and the total.

  'None of the classes' (last column of answers [C, C + 1]) counts in neither:
  no guess could be right, and nothing is learned from it.
  """
  classes = answers[:, :-1]
  total = int(classes.sum())
  return total - int(np.trace(classes)), total


def disagreement_by_guess(answers: np.ndarray) -> np.ndarray:
  """`disagreement` per guessed class as a share [C]; NaN without points."""
  classes = answers[:, :-1]
  total = classes.sum(axis=1)
  return np.divide(
    total - np.diag(classes),
    total,
    out=np.full(len(classes), np.nan),
    where=total > 0,
  )


def corrections(answers: np.ndarray, most: int = 5) -> list[Correction]:
  """Up to `most` corrections in answers [C, C + 1], most frequent first."""
  found = [
    Correction(guess, answer, int(answers[guess, answer]))
    for guess, answer in np.argwhere(answers > 0).tolist()
    if guess != answer and answer < len(answers)
  ]
  return sorted(found, key=lambda x: (-x.points, x.guess, x.answer))[:most]
