"""Progress of long loops: a bar on a terminal, lines elsewhere."""

import sys
import time
import types

import rich.console
import rich.progress

from pointsup_jax.hosts import processes

_SECONDS_BETWEEN_LINES = 20.0


def say(message: str) -> None:
  """One line to the user, from the first process only."""
  if processes.is_first():
    print(message, file=sys.stderr, flush=True)


class Progress:
  """Counts towards a total and says rate, time left and a few figures."""

  def __init__(self, title: str, total: int, *, start: int, unit: str) -> None:
    self._title, self._total, self._unit = title, total, unit
    self._start, self._done, self._info = start, start, ''
    self._began = self._last_line = time.monotonic()
    self._first: tuple[float, int] | None = None
    self._bar = _terminal_bar() if sys.stderr.isatty() else None

  def __enter__(self) -> 'Progress':
    if not processes.is_first():
      self._bar = None
    elif self._bar is not None:
      self._bar.start()
      self._task = self._bar.add_task(
        self._title, total=self._total, completed=self._start, info=''
      )
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: types.TracebackType | None,
  ) -> None:
    if self._bar is not None:
      self._bar.stop()
    elif kind is None and self._done > self._start:
      self._line()

  def update(self, done: int, info: str | None = None) -> None:
    """Says that `done` of the total are behind us.

    Args:
      done: units finished, those before `start` included.
      info: figures to show; None keeps the last ones.
    """
    now = time.monotonic()
    self._done = done
    self._info = self._info if info is None else info
    # The first unit holds the compilation and would spoil the rate.
    self._first = self._first or (now, done)
    if self._bar is not None:
      text = f'{self._rate()}  {self._info}'
      self._bar.update(self._task, completed=done, info=text)
    elif now - self._last_line > _SECONDS_BETWEEN_LINES:
      self._line()

  def note(self, text: str) -> None:
    """Shows at once what happens where no unit finishes for a while."""
    if self._bar is not None:
      self._bar.update(self._task, info=text)
    else:
      say(f'{self._title}: {text}')

  def _per_second(self) -> float:
    if self._first is None or self._done <= self._first[1]:
      return 0.0
    since, units = self._first
    return (self._done - units) / max(time.monotonic() - since, 1e-9)

  def _rate(self) -> str:
    rate = self._per_second()
    return f'{rate:.3g} {self._unit}s/s' if rate else ''

  def _line(self) -> None:
    self._last_line = time.monotonic()
    rate = self._per_second()
    left = (self._total - self._done) / rate if rate else 0.0
    elapsed = self._last_line - self._began
    say(
      f'{self._title}: {self._unit} {self._done}/{self._total}  '
      f'{self._rate()}  {_clock(elapsed)} gone, {_clock(left)} left  '
      f'{self._info}'
    )


def _terminal_bar() -> rich.progress.Progress:
  return rich.progress.Progress(
    rich.progress.TextColumn('{task.description}'),
    rich.progress.BarColumn(bar_width=24),
    rich.progress.MofNCompleteColumn(),
    rich.progress.TimeElapsedColumn(),
    rich.progress.TextColumn('left'),
    rich.progress.TimeRemainingColumn(),
    rich.progress.TextColumn('{task.fields[info]}'),
    console=rich.console.Console(stderr=True),
  )


def _clock(seconds: float) -> str:
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return (
    f'{hours}:{minutes:02}:{seconds:02}' if hours else f'{minutes}:{seconds:02}'
  )
