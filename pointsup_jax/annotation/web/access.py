"""Who may use the page: a secret, the link that carries it, signed cookies.

The secret lies in the workdir, so that links, cookies and open pages go on
working after the server was started again. Cookies are signed with it, and the
server remembers nothing of anybody.
"""

import hashlib
import hmac
import os
import pathlib
import re
import secrets

_NAME = re.compile(r'[A-Za-z0-9_.-]{1,40}')


class Access:
  """Makes and checks what browsers have to show."""

  def __init__(self, secret: str) -> None:
    self._secret = secret.encode()
    # In the printed link.
    self.token = self._sign('link')
    # In a cookie that scripts cannot read.
    self.cookie = self._sign('cookie')
    # In a header that a form of another site cannot send.
    self.header = self._sign('header')
    # Tells runs apart, and gives nothing away.
    self.run = self._sign('run')[:16]

  def is_token(self, given: str | None) -> bool:
    """Whether a link is ours."""
    return _same(given, self.token)

  def is_cookie(self, given: str | None) -> bool:
    """Whether a browser has opened our link before."""
    return _same(given, self.cookie)

  def is_header(self, given: str | None) -> bool:
    """Whether a request comes from our own script."""
    return _same(given, self.header)

  def signed_name(self, name: str) -> str:
    """An annotator's name as it goes into a cookie."""
    return f'{name}:{self._sign(f"name {name}")}'

  def name(self, signed: str | None) -> str | None:
    """The annotator's name in a cookie; None if we have not signed it."""
    name, _, signature = (signed or '').partition(':')
    return name if _same(signature, self._sign(f'name {name}')) else None

  def _sign(self, what: str) -> str:
    return hmac.new(self._secret, what.encode(), hashlib.sha256).hexdigest()


def open_secret(path: pathlib.Path) -> Access:
  """Reads the secret, or makes one that nobody else on the machine can read."""
  try:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
  except FileExistsError:
    secret = path.read_text().strip()
    if len(secret) >= 32:
      return Access(secret)
    # A start that was killed in between.
    path.unlink()
    return open_secret(path)
  with os.fdopen(file, 'w') as stream:
    stream.write(secrets.token_hex(32))
  return Access(path.read_text())


def is_name(name: object) -> bool:
  """Whether an annotator may be called this."""
  return isinstance(name, str) and _NAME.fullmatch(name) is not None


def _same(given: str | None, expected: str) -> bool:
  """Compares in a time that tells nothing."""
  return secrets.compare_digest((given or '').encode(), expected.encode())
