"""Reads and records answers of several annotators."""

from collections.abc import Sequence
from typing import NamedTuple

from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange.formats.exchanged import Answer


class Answered(NamedTuple):
  """An answer to a request of the store."""

  request: str  # id
  answer: Answer


class Recorded(NamedTuple):
  """The answers in a store."""

  current: dict[str, Answer]  # id -> the answer that holds
  by_person: set[tuple[str, int | None, str]]  # id, label, annotator


def recorded(store: store_lib.Store) -> Recorded:
  """Reads the answers that hold, and each annotator's."""
  current = {
    name: Answer(entry.label, entry.annotator, entry.seconds)
    for name, entry in store.current_answers().items()
  }
  by_person = {
    (x.request, x.label, x.annotator)
    for x in store.answers_by_person()
    if x.answer in ('label', 'unsure')
  }
  return Recorded(current, by_person)


def is_known(known: Recorded, answered: Answered) -> bool:
  """Whether the annotator has given this answer already."""
  request, answer = answered
  return (request, answer.label, answer.annotator) in known.by_person


def record(store: store_lib.Store, answers: Sequence[Answered]) -> None:
  """Records all answers in one transaction; ValueError if one is invalid."""
  store.record(
    [
      records.Entry(
        request,
        'unsure' if answer.label is None else 'label',
        answer.label,
        answer.annotator,
        answer.seconds,
      )
      for request, answer in answers
    ]
  )
