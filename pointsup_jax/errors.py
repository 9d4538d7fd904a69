"""The errors that reach a user as one line, without a traceback."""


class UserError(Exception):
  """Something the user can mend: the message says what, where and how."""

  exit_code = 1


class UsageError(UserError):
  """The command line or the config is wrong; nothing was started."""

  exit_code = 2
