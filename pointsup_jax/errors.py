"""The errors that reach a user as one line, without a traceback."""

import contextlib
from collections.abc import Iterator


class UserError(Exception):
  """Something the user can mend: the message says what, where and how."""

  exit_code = 1


class UsageError(UserError):
  """The command line or the config is wrong; nothing was started."""

  exit_code = 2


class WaitingForLabels(UserError):
  """People have points left to label; the run goes on when they are done."""

  exit_code = 3


class Stopped(UserError):
  """The run was asked to stop; the same command continues it."""

  exit_code = 130

  def __init__(
    self, message: str = 'stopped; run the same command again to continue'
  ) -> None:
    super().__init__(message)


class LostProcess(Exception):
  """Another process of the run is gone, and with it all that need it.

  No UserError: where one of those is let pass, nothing could go on here.
  """

  exit_code = 1

  def __init__(self, reason: str) -> None:
    super().__init__(
      f'{reason}: another process was probably lost, see its messages; start '
      'the same command again on all hosts, it continues'
    )


@contextlib.contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
  """Says which command installs what an import in the block lacks.

  Args:
    extra: its file in requirements/, and its name among the package's extras.
    what: needs it, to begin the sentence.

  Raises:
    UserError: a package is missing.
  """
  try:
    yield
  except ModuleNotFoundError as error:
    raise UserError(
      f'{what} needs {error.name}: pip install -r requirements/{extra}.txt'
    ) from error
