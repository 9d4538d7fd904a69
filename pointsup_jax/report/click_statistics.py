"""Click statistics: classes, patches, and agreement with the guesses."""

from typing import NamedTuple

import numpy as np

from pointsup_jax.annotation import store as store_lib
from pointsup_jax.types import IGNORE

_POINTS = """
  SELECT round, pseudo_label, given = 0, label, count(*)
  FROM requests JOIN held ON point = requests.rowid
    LEFT JOIN answers ON answers.seq = held.seq
  GROUP BY 1, 2, 3, 4 ORDER BY min(point)"""
_PATCHES = """
  SELECT patch, count(DISTINCT image) FROM requests WHERE round > 0
  GROUP BY patch"""
_IMAGES = 'SELECT count(DISTINCT image) FROM requests WHERE round > 0'


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
  store: store_lib.Store, num_classes: int, grid: tuple[int, int]
) -> Clicks:
  """Counts all requested points of a store and the answers that hold.

  `grid` has the rows and columns of patches.
  """
  asked = np.zeros(num_classes, np.int64)
  rounds: dict[int, np.ndarray] = {}
  unsure = open_ = added = 0
  for round, guess, is_open, label, points in store.database.query(_POINTS):
    asked[guess] += points
    added += 0 if round else points
    answers = rounds.setdefault(
      round, np.zeros((num_classes, num_classes + 1), np.int64)
    )
    if is_open:
      open_ += points
    elif label is None:
      unsure += points
    else:
      answers[guess, num_classes if label == IGNORE else label] += points
  patches = np.zeros(grid[0] * grid[1], np.int64)
  for patch, images in store.database.query(_PATCHES):
    patches[patch] = images
  return Clicks(
    images=store.database.query(_IMAGES)[0][0],
    asked=asked,
    answers=sum(
      rounds.values(), np.zeros((num_classes, num_classes + 1), np.int64)
    ),
    unsure=unsure,
    open=open_,
    patches=patches.reshape(grid),
    rounds=rounds,
    added=added,
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
