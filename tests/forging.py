"""Changes stores as no command of ours does."""

import contextlib
import sqlite3


@contextlib.contextmanager
def without_triggers(path):
  """An open store whose answers can be deleted; the triggers come back."""
  with contextlib.closing(sqlite3.connect(path)) as file, file:
    triggers = file.execute(
      "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in triggers:
      file.execute(f'DROP TRIGGER {name}')
    yield file
    for _, sql in triggers:
      file.execute(sql)
