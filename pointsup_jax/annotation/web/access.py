"""Access to the page: a secret, the link derived from it, signed cookies.

The secret is kept in the workdir, so that links, cookies and open pages survive
a restart of the server, which stores no sessions.
"""

import hashlib
import hmac
import os
import pathlib
import re
import secrets
from typing import TypeGuard

from pointsup_jax import errors
from pointsup_jax.hosts import progress

_NAME = re.compile(r'[A-Za-z0-9_.-]{1,40}')


class Access:
  """Creates and checks credentials of browsers."""

  def __init__(self, secret: str) -> None:
    self._secret = secret.encode()
    self.token = self._sign('link')
    # In a cookie that scripts cannot read.
    self.cookie = self._sign('cookie')
    # In a header that forms of other sites cannot send.
    self.header = self._sign('header')
    # Identifies the run without revealing the secret.
    self.run = self._sign('run')[:16]

  def is_token(self, given: str | None) -> bool:
    """Whether this is the token of our link."""
    return _same(given, self.token)

  def is_cookie(self, given: str | None) -> bool:
    """Whether this is our cookie, set by opening the link."""
    return _same(given, self.cookie)

  def is_header(self, given: str | None) -> bool:
    """Whether this is the header that only our script sends."""
    return _same(given, self.header)

  def signed_name(self, name: str) -> str:
    """Returns an annotator's name, signed for a cookie."""
    return f'{name}:{self._sign(f"name {name}")}'

  def name(self, signed: str | None) -> str | None:
    """Returns the annotator's name in a cookie; None if not signed by us."""
    name, _, signature = (signed or '').partition(':')
    return name if _same(signature, self._sign(f'name {name}')) else None

  def _sign(self, what: str) -> str:
    return hmac.new(self._secret, what.encode(), hashlib.sha256).hexdigest()


def open_secret(path: pathlib.Path) -> Access:
  """Reads the secret, or creates it, readable only by its owner.

  Raises:
    errors.UserError: it is damaged, or others can read it and this cannot be
      changed.
  """
  try:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
  except FileExistsError:
    try:
      secret = path.read_bytes().decode('ascii').strip()
    except UnicodeDecodeError as error:
      raise errors.UserError(
        f'{path} is damaged: it holds the key of the page as text; delete it '
        'and open the new link'
      ) from error
    if len(secret) >= 32:
      _close_to_others(path)
      return Access(secret)
    # An earlier start was killed before writing it.
    path.unlink()
    return open_secret(path)
  with os.fdopen(file, 'w') as stream:
    stream.write(secrets.token_hex(32))
  return Access(path.read_text())


def _close_to_others(path: pathlib.Path) -> None:
  if not path.stat().st_mode & 0o077:
    return
  advice = 'delete it to get a new link if somebody may have read it'
  try:
    path.chmod(0o600)
  except OSError as error:
    raise errors.UserError(
      f'{path} can be read by others ({error.strerror}); {advice}'
    ) from error
  progress.say(f'{path} could be read by others, now only by you; {advice}')


def is_name(name: object) -> TypeGuard[str]:
  """Whether this is a string of 1 to 40 letters, digits or _ . -"""
  return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _same(given: str | None, expected: str) -> bool:
  return secrets.compare_digest((given or '').encode(), expected.encode())
