"""Progress of long loops: a bar on a terminal, lines elsewhere."""

import sys

import tqdm

from pointsup_jax.hosts import processes

_SECONDS_BETWEEN_LINES = 20.0


def say(message: str) -> None:
  """One line to the user, from the first process only."""
  if processes.is_first():
    tqdm.tqdm.write(message, file=sys.stderr)
    sys.stderr.flush()


class Progress:
  """Counts towards a total; shows the rate, the time left and a few figures."""

  def __init__(self, title: str, total: int, *, start: int, unit: str) -> None:
    self._title = title
    self._bar = tqdm.tqdm(
      desc=title,
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
    """Says that `done` of the total are done, those before `start` included."""
    if info:
      self._bar.set_postfix_str(info, refresh=False)
    self._bar.update(done - self._bar.n)

  def note(self, text: str) -> None:
    """Says at once what happens where no unit finishes for a while."""
    say(f'{self._title}: {text}')


class _Lines:
  """Where a bar cannot be drawn over itself, each new count is a line."""

  def __init__(self) -> None:
    self._counted = ''

  def write(self, text: str) -> None:
    line = text.strip('\r\n ')
    counted = line.partition(' [')[0]
    if line and counted != self._counted:
      self._counted = counted
      print(line, file=sys.stderr, flush=True)

  def flush(self) -> None:
    """Each line has been flushed."""
