"""Answers of several people, read and recorded together."""

from collections.abc import Sequence
from typing import NamedTuple

from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.formats.points import Answer


class Answered(NamedTuple):
  """An answer to a request of the store."""

  request: str  # id
  answer: Answer


class Said(NamedTuple):
  """Everything a store was told."""

  current: dict[str, Answer]  # id -> the answer that holds
  ever: set[tuple[str, int | None, str]]  # id, label, annotator


def said(store: store_lib.Store) -> Said:
  """Reads the answers that hold, and who ever gave which."""
  answers = "answer IN ('label', 'unsure')"
  current = store._query(
    f'SELECT id, label, annotator, seconds FROM state WHERE {answers}'
  )
  ever = store._query(
    f'SELECT request_id, label, annotator FROM answers WHERE {answers}'
  )
  return Said({id_: Answer(*rest) for id_, *rest in current}, set(ever))


def is_known(said: Said, answered: Answered) -> bool:
  """Whether an answer holds already and this person has given it."""
  request, answer = answered
  holds = said.current.get(request)
  return (
    holds is not None
    and holds.label == answer.label
    and (request, answer.label, answer.annotator) in said.ever
  )


def record(store: store_lib.Store, answers: Sequence[Answered]) -> None:
  """Records all answers in one transaction, or none of them.

  Raises:
    ValueError: there is no such request or label.
  """
  store._append(
    [
      (
        request,
        'unsure' if answer.label is None else 'label',
        answer.label,
        answer.annotator,
        answer.seconds,
      )
      for request, answer in answers
    ]
  )
