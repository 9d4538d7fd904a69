"""Progress of long loops: a bar on a terminal, else lines."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import tqdm

from pointsup_jax.hosts import processes, wording

_SECONDS_BETWEEN_LINES = 20.0

T = TypeVar('T')


def say(message: str) -> None:
  """Prints a line to stderr, from the first process only."""
  if processes.is_first():
    tqdm.tqdm.write(wording.printable(message), file=sys.stderr)
    sys.stderr.flush()


def show(text: str) -> None:
  """Prints a result, of any number of lines, to stdout, likewise."""
  if processes.is_first():
    print(wording.printable(text, keep='\n'), flush=True)


class Progress:
  """Shows the count, rate, time left and a few figures of a loop."""

  def __init__(self, title: str, total: int, *, start: int, unit: str) -> None:
    self._title = title
    self._bar = tqdm.tqdm(
      desc=wording.printable(title),
      total=total,
      initial=start,
      unit=unit,
      disable=not processes.is_first() or start >= total,
      file=sys.stderr if sys.stderr.isatty() else _Lines(),
      mininterval=0.1 if sys.stderr.isatty() else _SECONDS_BETWEEN_LINES,
      delay=1e-3,  # nothing is shown before anything is done
    )

  def __enter__(self) -> 'Progress':
    return self

  def __exit__(self, *unused: object) -> None:
    self._bar.close()

  def update(self, done: int, info: str = '') -> None:
    """Sets the count to `done`, which includes units before `start`."""
    if info:
      self._bar.set_postfix_str(wording.printable(info), refresh=False)
    self._bar.update(done - self._bar.n)

  def note(self, text: str) -> None:
    """Prints a message at once."""
    say(f'{self._title}: {text}')


def each(
  items: Iterable[T], title: str, total: int, unit: str = 'image'
) -> Iterator[T]:
  """Yields the items; one counts once the next is asked for."""
  with Progress(title, total, start=0, unit=unit) as bar:
    for done, item in enumerate(items, start=1):
      yield item
      bar.update(done)


class Line:
  """A text that changes: in place on a terminal, else a line now and then."""

  def __init__(self, title: str) -> None:
    self._title, self._said = title, ''
    self._next = time.monotonic()
    self._bar = None
    if sys.stderr.isatty():
      self._bar = tqdm.tqdm(
        bar_format='{desc}',
        disable=not processes.is_first(),
        file=sys.stderr,
        leave=False,
      )
    else:
      self._next += _SECONDS_BETWEEN_LINES

  @property
  def due(self) -> bool:
    """Whether `show` would show anything."""
    return time.monotonic() >= self._next

  def show(self, text: str) -> None:
    """Shows the text, on a terminal cut to its width."""
    if not self.due:
      return
    text = f'{self._title}: {text}'
    if self._bar is not None:
      text = wording.printable(text)
      width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
      cut = text if len(text) < width else f'{text[: width - 4]}...'
      self._bar.set_description_str(cut)
      return
    self._next = time.monotonic() + _SECONDS_BETWEEN_LINES
    if text != self._said:
      self._said = text
      say(text)

  def close(self) -> None:
    """Takes the text away from a terminal."""
    if self._bar is not None:
      self._bar.close()


class _Lines:
  """File for tqdm that prints each new count as a line."""

  def __init__(self) -> None:
    self._counted = ''

  def write(self, text: str) -> None:
    line = text.strip('\r\n ')
    counted = line.partition(' [')[0]
    if line and counted != self._counted:
      self._counted = counted
      print(line, file=sys.stderr, flush=True)

  def flush(self) -> None:
    """Does nothing: each line has been flushed."""
