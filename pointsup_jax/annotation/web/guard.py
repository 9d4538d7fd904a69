"""Checks every request before the application sees it.

A page of another site can make a browser send requests here. It cannot forge
Host or Origin, send JSON with a custom header or read a reply.
"""

import asyncio
import ipaddress
import urllib.parse
from collections.abc import Collection

from starlette import datastructures, responses, types

MAX_BODY = 64 * 1024  # bytes
_BODY_SECONDS = 10.0
_HEADERS = {
  'content-security-policy': (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
  ),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
}


class Guard:
  """ASGI middleware: checks Host, Origin and body size, sets headers."""

  def __init__(
    self,
    app: types.ASGIApp,
    hosts: Collection[str],
    any_address: bool = False,
    public_url: str = '',
  ) -> None:
    """Wraps an application, accepting the host names in `hosts`.

    With `any_address`, every IPv4 address too: DNS rebinding needs a name.
    `public_url` is the scheme and host of a proxy, '' if there is none.
    """
    self._app, self._hosts, self._any = app, frozenset(hosts), any_address
    self._public = public_url.lower()
    self._public_host = urllib.parse.urlsplit(self._public).netloc

  async def __call__(
    self, scope: types.Scope, receive: types.Receive, send: types.Send
  ) -> None:
    """Answers a request or forwards it."""
    if scope['type'] != 'http':
      return  # neither lifespan nor websockets are used
    refusal = self._refusal(datastructures.Headers(scope=scope))

    async def send_with_headers(message: types.Message) -> None:
      if message['type'] == 'http.response.start':
        headers = datastructures.MutableHeaders(scope=message)
        headers.update(_HEADERS)
        headers.setdefault('cache-control', 'no-store')
      await send(message)

    if refusal is None:
      try:
        async with asyncio.timeout(_BODY_SECONDS):
          body = await _read(receive)
      except _CutOffError:
        return
      except TimeoutError:
        refusal = (408, f'a request takes at most {_BODY_SECONDS:g} s')
      except _TooLargeError:
        refusal = (413, f'a request has at most {MAX_BODY} bytes')
    if refusal is not None:
      code, why = refusal
      # The unread rest of the body must not be parsed as a request.
      reply = responses.PlainTextResponse(why, code, {'connection': 'close'})
      await reply(scope, receive, send_with_headers)
      return
    messages = [{'type': 'http.request', 'body': body, 'more_body': False}]

    async def replay() -> types.Message:
      return messages.pop() if messages else await receive()

    await self._app(scope, replay, send_with_headers)

  def _refusal(self, headers: datastructures.Headers) -> tuple[int, str] | None:
    """Status and reason, or None if the request may pass."""
    hosts = headers.getlist('host')
    if len(hosts) != 1 or not self._is_ours(hosts[0]):
      return 400, 'this host is not served here'
    origin = headers.get('origin')
    if origin is not None and not self._is_our_origin(origin, hosts[0]):
      return 403, 'requests of other sites are refused'
    length = headers.get('content-length', '0')
    if not length.isdecimal():
      return 400, 'the length of the body is no number'
    if len(length) > 12 or int(length) > MAX_BODY:
      return 413, f'a request has at most {MAX_BODY} bytes'
    return None

  def _is_our_origin(self, origin: str, host: str) -> bool:
    if self._public and origin.lower() == self._public:
      return True
    return host.lower() != self._public_host and origin == f'http://{host}'

  def _is_ours(self, host: str) -> bool:
    if self._public and host.lower() == self._public_host:
      return True
    name, _, port = host.partition(':')
    if port and not port.isdecimal():
      return False
    return name.lower() in self._hosts or (self._any and _is_address(name))


class _CutOffError(Exception):
  """The connection was closed before the body was complete."""


class _TooLargeError(Exception):
  """The body exceeds `MAX_BODY`."""


async def _read(receive: types.Receive) -> bytes:
  body = b''
  while True:
    message = await receive()
    if message['type'] == 'http.disconnect':
      raise _CutOffError
    body += message.get('body', b'')
    if len(body) > MAX_BODY:
      raise _TooLargeError
    if not message.get('more_body', False):
      return body


def _is_address(name: str) -> bool:
  try:
    ipaddress.IPv4Address(name)
  except ValueError:
    return False
  return True
