"""Reads Label Studio's 'JSON' export, of either layout."""

import json
from collections.abc import Iterator
from typing import Any

from pointsup_jax import errors
from pointsup_jax.annotation.exchange.formats import exchanged, label_studio
from pointsup_jax.annotation.exchange.formats.exchanged import FileAnswer

_ANSWERS = ('keypointlabels', 'choices')  # types of results
_EXPORT = "export the project as 'JSON' (not JSON-MIN, CSV or COCO)"


def read(text: str, annotator: str) -> list[FileAnswer]:
  """Reads the answers; see `by_name.Format.read`.

  Ignores drafts, predictions and skipped tasks. Keypoints (layout 'image') are
  identified by their region, choices (layout 'point') by their task.
  """
  try:
    tasks = json.loads(text)
  except (ValueError, RecursionError) as error:
    raise errors.UserError(f'is not JSON: {error}') from error
  if not isinstance(tasks, list):
    raise errors.UserError(f'is not a list of tasks; {_EXPORT}')
  file_answers: list[FileAnswer] = []
  for number, task in enumerate(tasks, start=1):
    try:
      file_answers += _answers_of_task(task, number, annotator)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
      raise errors.UserError(
        f'task {number} is not as Label Studio writes it '
        f'({type(error).__name__}: {error}); {_EXPORT}'
      ) from error
  return file_answers


def _answers_of_task(
  task: Any, number: int, annotator: str
) -> Iterator[FileAnswer]:
  name = f'task {task.get("id", number)}'
  if 'annotations' not in task:
    raise ValueError("no 'annotations'")
  for annotation in task['annotations']:
    # Skipped tasks are asked again.
    if annotation.get('was_cancelled'):
      continue
    results = [
      result
      for result in annotation['result']
      # The project may have other controls.
      if _kind(result) in _ANSWERS or _has_point_id(result)
    ]
    seconds = _number(annotation.get('lead_time'))
    if seconds is not None and seconds < 0:
      seconds = None
    for result in results:
      yield _file_answer(
        result,
        task['data'],
        where=name,
        annotator=_person(annotation.get('completed_by')) or annotator,
        # Label Studio times annotations, not regions: split it evenly.
        seconds=None if seconds is None else seconds / len(results),
      )


def _file_answer(
  result: dict, data: dict, *, where: str, annotator: str, seconds: float | None
) -> FileAnswer:
  value, kind = result['value'], _kind(result)
  chosen = value.get(kind) or []
  position = None
  if kind == 'choices':
    point = str(data.get('point_id', ''))
  else:
    point = label_studio.point_id(str(result['id']))
    x, y = _number(value.get('x')), _number(value.get('y'))
    if x is not None and y is not None:
      position = (y / 100, x / 100)
  fault = f'has {len(chosen)} classes' if len(chosen) > 1 else ''
  if kind not in _ANSWERS:
    fault = (
      f'is of type {kind!r}, not {_ANSWERS[0]!r}: the labelling interface is '
      'not the exported one'
    )
  digest = data.get('requests')
  return FileAnswer(
    where=f'{where}, region {result.get("id")}',
    point=point,
    word=str(chosen[0]) if chosen else '',
    annotator=annotator,
    seconds=seconds,
    position=position,
    digest=str(digest) if digest else None,
    fault=fault,
  )


def _has_point_id(result: dict) -> bool:
  """Whether it labels one of our points, with whatever tag."""
  id_ = label_studio.point_id(str(result.get('id')))
  return _kind(result).endswith('labels') and exchanged.is_point_id(id_)


def _kind(result: dict) -> str:
  """The type; a keypoint without its label has the type 'keypoint'."""
  kind = result.get('type')
  return 'keypointlabels' if kind == 'keypoint' else str(kind)


def _person(completed_by: Any) -> str:
  if isinstance(completed_by, dict):
    for key in ('email', 'username', 'id'):
      if completed_by.get(key):
        return _person(completed_by[key])
    return ''
  if isinstance(completed_by, int):
    return f'user {completed_by}'
  return str(completed_by or '')


def _number(value: Any) -> float | None:
  """A number of a size that is one in Label Studio; else None."""
  if isinstance(value, int | float) and abs(value) < 1e9:
    return float(value)
  return None
