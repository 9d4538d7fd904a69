"""history.jsonl: which command ran which stage, when and for how long."""

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Iterator

from pointsup_jax import command
from pointsup_jax.hosts import json_files, processes
from pointsup_jax.run import workdir as workdir_lib


@dataclasses.dataclass(frozen=True)
class Session:
  """One command's run of a stage, finished or not."""

  stage: str
  began: str  # ISO 8601, UTC
  seconds: json_files.Number
  outcome: str  # 'done', or the name of the exception
  command: str


@contextlib.contextmanager
def recorded(workdir: workdir_lib.Workdir, stage: str) -> Iterator[None]:
  """Appends a line when the block ends or raises; none if it is killed."""
  began, clock = datetime.datetime.now(datetime.UTC), time.monotonic()

  def add(outcome: str) -> None:
    session = Session(
      stage=stage,
      began=began.isoformat(timespec='seconds').replace('+00:00', 'Z'),
      seconds=round(time.monotonic() - clock, 1),
      outcome=outcome,
      command=command.given(),
    )
    if processes.is_first():
      json_files.append(workdir.history, dataclasses.asdict(session))

  try:
    yield
  except BaseException as error:
    with contextlib.suppress(OSError):  # must not mask the original error
      add(type(error).__name__)
    raise
  add('done')


def read(workdir: workdir_lib.Workdir) -> list[Session]:
  """Reads all sessions, oldest first; none if there is no file.

  Raises errors.UserError if a line is damaged.
  """
  return json_files.read_lines(workdir.history, json_files.shaped(Session))
