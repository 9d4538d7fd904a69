"""Errors that are shown to the user as one line, without a traceback."""

import contextlib
from collections.abc import Iterator


class UserError(Exception):
  """An error the user can fix; the message says what, where and how."""

  exit_code = 1


class UsageError(UserError):
  """The command line or the config is wrong; nothing was started."""

  exit_code = 2


class WaitingForLabels(UserError):
  """Points are left to label; the run continues once they are done."""

  exit_code = 3


class Stopped(UserError):
  """The run was asked to stop; the same command continues it."""

  exit_code = 130

  def __init__(
    self, message: str = 'stopped; run the same command again to continue'
  ) -> None:
    super().__init__(message)


class LostProcess(Exception):
  """Another process of the run is gone, and this one cannot go on without it.

  Not a UserError: code that tolerates those must not tolerate this.
  """

  exit_code = 1

  def line(self, who: str) -> str:
    """The message, where `who` is gone; '' if that is not known."""
    failed = f' ({self})' if str(self) else ''
    return (
      f'{who or "another process"} is gone{failed}; see its messages, then '
      'start the same command again on all hosts: it continues'
    )


@contextlib.contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
  """Turns a failed import into a UserError with the command that installs it.

  `extra` names a file in requirements/; `what` is the subject of the message.
  """
  try:
    yield
  except ModuleNotFoundError as error:
    raise UserError(
      f'{what} needs {error.name}: pip install -r requirements/{extra}.txt'
    ) from error
