"""Checks the answers in a file against the requests of a store."""

import collections
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from pointsup_jax.annotation import comments, records
from pointsup_jax.annotation.exchange.formats import exchanged, pixels
from pointsup_jax.annotation.exchange.formats import words as words_lib
from pointsup_jax.annotation.exchange.formats.exchanged import FileAnswer

Given: TypeAlias = tuple[FileAnswer, records.Entry]  # as read, as recorded


class Verdict(NamedTuple):
  """Usable answers of a file, and its problems."""

  accepted: list[records.Entry]
  faults: list[str]  # one line per problem
  notes: list[str]  # one line per accepted answer that was moved
  untouched: int  # points without an answer
  comments: list[records.Comment]


def check(
  file_answers: Sequence[FileAnswer],
  requests: Sequence[records.Request],
  size: tuple[int, int],
  words: words_lib.Words,
  *,
  any_run: bool = False,
) -> Verdict:
  """Matches answers with requests by point id alone.

  Of identical answers that an annotator repeats, one is used. If the answers to
  a point differ, none is. `requests` are all of the store; `size` is the
  (height, width) that they refer to. With `any_run`, answers to the requests of
  other runs are used too, if those were of images of the same size.
  """
  asked = {request.id: request for request in requests}
  ours, faults = _of_these_requests(file_answers, requests, size, any_run)
  usable: dict[str, list[Given]] = collections.defaultdict(list)
  notes, untouched, remarks = [], 0, []
  for entry in ours:
    fault = _unusable(entry, asked)
    if entry.comment and not fault:
      try:
        comment = comments.checked(entry.comment)
        who = entry.comment_by or entry.annotator
        remarks.append(records.Comment(entry.point, who, comment))
      except ValueError as error:
        fault = str(error)
    if not fault and words.is_open(entry.word):
      untouched += not entry.comment
      continue
    try:
      label = None if fault else words.label(entry.word)
    except KeyError as error:
      fault = error.args[0]
    if fault:
      faults.append(f'{entry.where}: {entry.point or "a point"}: {fault}')
      continue
    kind = 'unsure' if label is None else 'label'
    answer = records.Entry(
      entry.point, kind, label, entry.annotator, entry.seconds
    )
    usable[entry.point].append((entry, answer))
    distance = _moved(entry, asked[entry.point], size)
    if distance:
      notes.append(
        f'{entry.where}: {entry.point} was moved by {distance:.1f} pixels; its '
        'answer counts where it was asked'
      )
  accepted = []
  for point, given in usable.items():
    kept, repeated = _reconcile(point, given, words)
    accepted += kept
    faults += repeated
  return Verdict(accepted, faults, notes, untouched, remarks)


def _of_these_requests(
  file_answers: Sequence[FileAnswer],
  requests: Sequence[records.Request],
  size: tuple[int, int],
  any_run: bool,
) -> tuple[list[FileAnswer], list[str]]:
  """Drops answers to requests of other stores, with a fault per store."""
  rounds = {request.round for request in requests}
  ours = {exchanged.digest(requests, size, last) for last in rounds}
  mine = exchanged.digest(requests, size)
  others: dict[str, list[FileAnswer]] = collections.defaultdict(list)
  kept = []
  for entry in file_answers:
    digest = entry.digest
    if (
      digest is None  # the file does not say
      or digest in ours
      or (any_run and exchanged.of_size(digest, size))
    ):
      kept.append(entry)
    else:
      others[digest].append(entry)
  faults = [
    f'{entries[0].where} and on: {len(entries)} points of the requests '
    f'{digest}, which are not those of this workdir ({mine})'
    for digest, entries in others.items()
  ]
  return kept, faults


def _unusable(entry: FileAnswer, asked: dict[str, records.Request]) -> str:
  """The fault apart from the class; '' for none."""
  if entry.fault:
    return entry.fault
  if entry.point in asked:
    return ''
  if exchanged.is_point_id(entry.point):
    return 'was never asked (launch.exchange --add_points adds it)'
  return 'was added by hand, it has not the id of a point that was asked'


def _moved(
  entry: FileAnswer, request: records.Request, size: tuple[int, int]
) -> float:
  if entry.position is None:
    return 0.0
  return pixels.moved(entry.position, (request.row, request.col), size)


def _reconcile(
  point: str, given: Sequence[Given], words: words_lib.Words
) -> tuple[list[records.Entry], list[str]]:
  """Each annotator's answer, if all agree; and the faults."""
  faults = []
  people: dict[str, list[Given]] = {}
  for entry, answer in given:
    people.setdefault(answer.annotator, []).append((entry, answer))
  for person, answers in people.items():
    if len(answers) > 1:
      said = list(dict.fromkeys(words.of(x.label) for _, x in answers))
      faults.append(
        f'{answers[1][0].where}: {point} was answered {len(answers)} times by '
        f'{person}: {", ".join(said)}'
      )
  said_by_all = {answer.label for _, answer in given}
  if len(said_by_all) == 1:
    return [answers[0][1] for answers in people.values()], faults
  if len(people) > 1:
    opinions = ', '.join(
      f'{answer.annotator}: {words.of(answer.label)}' for _, answer in given
    )
    faults.append(f'{given[0][0].where}: {point} is disputed ({opinions})')
  return [], faults
