"""HTTP routes of the page: who may ask, and in which form."""

import dataclasses
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from starlette import applications, concurrency, requests, responses, routing
from starlette import types as asgi

from pointsup_jax import errors
from pointsup_jax.annotation.web import access as access_lib
from pointsup_jax.annotation.web import (
  answering,
  assets,
  downloads,
  fields,
  guard,
  guide,
  keys,
  looking,
  pictures,
  points,
  replies,
)
from pointsup_jax.annotation.web import store_thread as thread_lib
from pointsup_jax.data import classes as classes_lib

_DAYS_30 = 30 * 24 * 3600

# Returns the reply to an annotator's request.
Handler = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclasses.dataclass(frozen=True)
class Site:
  """The routes and their state.

  Attributes:
    sizes: (height, width) that an image's requests refer to.
    grid: rows and columns of patches; the point's is outlined.
    port: part of the cookies' names.
    public_url: scheme and host under which a proxy serves the page, or ''.
    windows: annotator -> the only browser window that may answer under that
      name, since two would be handed the same points.
  """

  store_thread: thread_lib.StoreThread
  access: access_lib.Access
  pictures: pictures.Pictures
  sizes: Mapping[str, tuple[int, int]]
  classes: classes_lib.ClassSet
  grid: tuple[int, int]
  port: int
  public_url: str = ''
  windows: dict[str, str] = dataclasses.field(default_factory=dict)

  def app(
    self, hosts: Collection[str], any_address: bool = False
  ) -> asgi.ASGIApp:
    """Returns the guarded application; see `guard.Guard`."""
    shown = points.Shown(self.pictures, self.sizes, self.grid)
    answers = answering.Answering(self.store_thread, shown, self.windows)
    looks = looking.Looking(self.store_thread, shown)
    small = guide.Guide(self.pictures, self.sizes, self.classes)
    files = downloads.Downloads(
      self.store_thread.path, self.sizes, self.classes
    )
    routes = [
      routing.Route('/', self.page),
      routing.Route('/favicon.ico', self.icon),
      routing.Route('/static/{name}', self._get(self.static)),
      routing.Route('/api/session', self._get(self.session)),
      routing.Route('/image/{number}', self._get(self.image)),
      routing.Route('/example/{label}/{number}', self._get(small.example)),
      routing.Route('/crop/{image}/{row}/{col}', self._get(small.crop)),
      routing.Route('/export/{name}', self._get(files.export)),
      routing.Route('/api/agreement', self._get(self._told(looks.agreement))),
      routing.Route('/api/examples', self._get(self._told(looks.examples))),
      routing.Route('/api/plan', self._get(self._told(looks.plan))),
      routing.Route('/api/name', self._post(self.name), methods=['POST']),
      *(
        routing.Route(
          f'/api/{handler.__name__}',
          self._post(self._by_name(handler)),
          methods=['POST'],
        )
        for handler in (
          answers.points,
          answers.answer,
          answers.beside,
          answers.comment,
          answers.jump,
          looks.answers,
          looks.disputes,
          looks.images,
          looks.review,
        )
      ),
    ]
    return guard.Guard(
      applications.Starlette(routes=routes),
      hosts,
      any_address,
      self.public_url,
    )

  async def page(self, request: requests.Request) -> responses.Response:
    """Serves the page, or sets the cookie if the link has the token."""
    token = request.query_params.get('token')
    if token is not None and self.access.is_token(token):
      reply = responses.HTMLResponse(assets.WELCOME)
      self._set_cookie(reply, 'key', self.access.cookie)
      return reply
    if not self._admitted(request):
      return responses.PlainTextResponse(
        'Open the link that the program has printed: it carries the key.', 403
      )
    return responses.FileResponse(assets.PAGE)

  async def icon(self, request: requests.Request) -> responses.Response:
    """Returns no content: there is no icon."""
    return responses.Response(status_code=204)

  async def static(self, request: requests.Request) -> responses.Response:
    """Serves the scripts, their words and keys, and the style sheet."""
    name = request.path_params['name']
    if name not in assets.FILES:
      return replies.refused(404, 'no such file')
    path, kind = assets.FILES[name]
    return responses.FileResponse(path, media_type=kind)

  async def session(self, request: requests.Request) -> responses.Response:
    """Returns what a page needs when it opens."""
    shown = [
      {'name': name, 'color': list(color), 'key': key}
      | {'guide': self.classes.guide.get(name, '')}
      | {'examples': len(self.classes.examples.get(name, ()))}
      for name, color, key in zip(
        self.classes.names,
        self.classes.palette,
        keys.assign(self.classes.names, self.classes.keys),
        strict=True,
      )
    ]
    return responses.JSONResponse(
      {
        'run': self.access.run,
        'header': self.access.header,
        'annotator': self._annotator(request),
        'classes': shown,
        'time': time.time(),
      }
    )

  async def image(self, request: requests.Request) -> responses.Response:
    """Serves an image by number, so that the URL names no file."""
    return await replies.picture(
      request,
      ['number'],
      'image/png',
      lambda number: concurrency.run_in_threadpool(self.pictures.png, number),
    )

  async def name(
    self, request: requests.Request, body: dict[str, Any]
  ) -> responses.Response:
    """Stores an annotator's name in a cookie."""
    name = body.get('name')
    if not access_lib.is_name(name):
      raise ValueError('a name has 1 to 40 letters, digits or _ . -')
    reply = responses.JSONResponse({'annotator': name})
    self._set_cookie(reply, 'name', self.access.signed_name(name))
    return reply

  def _get(self, handler: Callable) -> Callable:
    """A route for browsers that have opened our link."""

    async def route(request: requests.Request) -> responses.Response:
      if not self._admitted(request):
        return replies.refused(403, 'no key')
      try:
        return await handler(request)
      except errors.UserError as error:  # such as a locked store
        return replies.refused(503, str(error))

    return route

  def _told(
    self, tell: Callable[[str | None], Awaitable[dict[str, Any]]]
  ) -> Callable:
    """A handler for `_get` that tells whoever asks, named or not."""

    async def handler(request: requests.Request) -> responses.Response:
      return responses.JSONResponse(await tell(self._annotator(request)))

    return handler

  def _by_name(self, handler: Handler) -> Callable:
    """A handler for `_post` of those who have said who they are."""

    async def named(
      request: requests.Request, body: dict[str, Any]
    ) -> responses.Response:
      annotator = self._annotator(request)
      if annotator is None:
        return replies.refused(403, 'say who you are first')
      return responses.JSONResponse(await handler(annotator, body))

    return named

  def _post(self, handler: Callable) -> Callable:
    """Wraps a handler as a route for JSON from our own page only."""

    async def route(request: requests.Request) -> responses.Response:
      if not self._admitted(request) or not self.access.is_header(
        request.headers.get('x-points')
      ):
        return replies.refused(403, 'no key')
      kind = request.headers.get('content-type', '').partition(';')[0]
      if kind.strip().lower() != 'application/json':
        return replies.refused(415, 'only application/json is taken')
      try:
        body = fields.parse(await request.body())
      except ValueError as error:
        return replies.refused(400, f'malformed JSON: {error}')
      try:
        return await handler(request, body)
      except answering.OtherWindowError:
        return replies.refused(409, 'window')
      except ValueError as error:
        return replies.refused(422, str(error))
      except errors.UserError as error:  # such as a full disk
        return replies.refused(503, str(error))

    return route

  def _admitted(self, request: requests.Request) -> bool:
    return self.access.is_cookie(request.cookies.get(f'points-key-{self.port}'))

  def _annotator(self, request: requests.Request) -> str | None:
    return self.access.name(request.cookies.get(f'points-name-{self.port}'))

  def _set_cookie(
    self, reply: responses.Response, name: str, value: str
  ) -> None:
    reply.set_cookie(
      f'points-{name}-{self.port}',
      value,
      max_age=_DAYS_30,
      httponly=True,
      secure=self.public_url.startswith('https:'),
      samesite='strict',
    )
