"""HTTP routes of the page."""

import dataclasses
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from starlette import applications, concurrency, requests, responses, routing
from starlette import types as asgi

from pointsup_jax import errors
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import records
from pointsup_jax.annotation.web import access as access_lib
from pointsup_jax.annotation.web import assets, fields, guard, keys, pictures
from pointsup_jax.annotation.web import store_thread as thread_lib

_NUMBER = re.compile('[0-9]{1,9}')
_HISTORY = 10
_DAYS_30 = 30 * 24 * 3600

Handler = Callable[[requests.Request, dict[str, Any]], Awaitable[dict]]


@dataclasses.dataclass(frozen=True)
class Site:
  """The routes and their state.

  Attributes:
    sizes: (height, width) that an image's requests refer to.
    palette: class colours, RGB.
    grid: rows and columns of patches; the point's is outlined.
    keys: class -> its key, of those that have one of their own.
    port: part of the cookies' names.
    public_url: scheme and host under which a proxy serves the page, or ''.
    windows: annotator -> the only browser window that may answer under that
      name, since two would be handed the same points.
  """

  store_thread: thread_lib.StoreThread
  access: access_lib.Access
  pictures: pictures.Pictures
  sizes: Mapping[str, tuple[int, int]]
  names: Sequence[str]
  palette: Sequence[tuple[int, int, int]]
  grid: tuple[int, int]
  port: int
  public_url: str = ''
  keys: Mapping[str, str] = dataclasses.field(default_factory=dict)
  windows: dict[str, str] = dataclasses.field(default_factory=dict)

  def app(
    self, hosts: Collection[str], any_address: bool = False
  ) -> asgi.ASGIApp:
    """Returns the guarded application; see `guard.Guard`."""
    routes = [
      routing.Route('/', self.page),
      routing.Route('/favicon.ico', self.icon),
      routing.Route('/static/{name}', self._get(self.static)),
      routing.Route('/api/session', self._get(self.session)),
      routing.Route('/api/agreement', self._get(self.agreement)),
      routing.Route('/api/plan', self._get(self.plan)),
      routing.Route('/image/{number}', self._get(self.image)),
      *(
        routing.Route(
          f'/api/{handler.__name__}', self._post(handler), methods=['POST']
        )
        for handler in (
          self.name,
          self.points,
          self.answer,
          self.beside,
          self.disputes,
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
      return _refused(404, 'no such file')
    path, kind = assets.FILES[name]
    return responses.FileResponse(path, media_type=kind)

  async def session(self, request: requests.Request) -> responses.Response:
    """Returns what a page needs when it opens."""
    shown = [
      {'name': name, 'color': list(color), 'key': key}
      for name, color, key in zip(
        self.names,
        self.palette,
        keys.assign(self.names, self.keys),
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
    number = request.path_params['number']
    if not _NUMBER.fullmatch(number):
      return _refused(404, 'no such image')
    try:
      png = await concurrency.run_in_threadpool(self.pictures.png, int(number))
    except KeyError:
      return _refused(404, 'no such image')
    except (errors.UserError, OSError) as error:
      return _refused(503, str(error))
    return responses.Response(
      png,
      media_type='image/png',
      headers={'cache-control': 'private, max-age=3600'},
    )

  async def agreement(self, request: requests.Request) -> responses.Response:
    """Returns the agreement of annotators."""
    found = await self.store_thread.do(lambda queue: queue.agreement())
    pairs = [
      pair._asdict() | {'annotators': list(pair.annotators)}
      for pair in found.pairs
    ]
    return responses.JSONResponse(
      {'pairs': pairs, 'disputed': len(found.disputed)}
    )

  async def plan(self, request: requests.Request) -> responses.Response:
    """Returns the work left, in total and for smaller budgets."""
    annotator = self._annotator(request)
    plan = await self.store_thread.do(lambda queue: queue.plan(annotator))
    rows = [
      row.budget._asdict() | {'left': row.left, 'hours': row.hours}
      for row in plan.rows
    ]
    return responses.JSONResponse(
      plan._asdict()
      | {'pace': plan.pace._asdict(), 'rows': rows, 'now': plan.now}
    )

  async def name(
    self, request: requests.Request, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Accepts an annotator's name; `_post` stores it in a cookie."""
    if not access_lib.is_name(body.get('name')):
      raise ValueError('a name has 1 to 40 letters, digits or _ . -')
    return {'annotator': body['name']}

  async def points(
    self, request: requests.Request, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Hands out points; the asking window becomes the annotator's."""
    annotator, want = self._named(request), fields.want(body)
    self.windows[annotator] = fields.text(body, 'window', 64)
    return await self.store_thread.do(
      lambda queue: self._state(queue, annotator, want)
    )

  async def answer(
    self, request: requests.Request, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Records an answer and hands out the next points."""
    annotator, want = self._named(request), fields.want(body)
    answer = fields.answer(body)
    window = fields.text(body, 'window', 64)
    if self.windows.setdefault(annotator, window) != window:
      raise _Refused(409, 'window')

    def work(queue: queue_lib.Queue) -> dict[str, Any]:
      queue.record(annotator, answer)
      return self._state(queue, annotator, want)

    return await self.store_thread.do(work)

  async def beside(
    self, request: requests.Request, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Returns an image's points, and the asking annotator's own answers."""
    annotator = self._named(request)
    image = self.pictures.name(fields.image(body))

    def work(queue: queue_lib.Queue) -> dict[str, Any]:
      return {
        'points': [
          {'id': one.id, 'row': one.row, 'col': one.col}
          | {'answer': said and said.answer, 'label': said and said.label}
          for one, said in queue.in_image(image, annotator)
        ]
      }

    return await self.store_thread.do(work)

  async def disputes(
    self, request: requests.Request, body: dict[str, Any]
  ) -> dict[str, Any]:
    """Returns the points with different labels, and everybody's labels."""
    self._named(request)
    want = fields.want(body)

    def work(queue: queue_lib.Queue) -> dict[str, Any]:
      points = []
      for one in queue.agreement().disputed[:want]:
        said = {x.annotator: x.label for x in queue.said(one)}
        points.append(self._point(queue.request(one)) | {'said': said})
      return {'points': points}

    return await self.store_thread.do(work)

  def _state(
    self, queue: queue_lib.Queue, annotator: str, want: int
  ) -> dict[str, Any]:
    points = [self._point(x) for x in queue.hand_out(annotator, want)]
    history = [
      self._point(queue.request(said.request))
      | {'answer': said.answer, 'label': said.label}
      for said in queue.history(annotator, _HISTORY)
    ]
    return {
      'points': points,
      'history': history,
      'progress': queue.progress()._asdict(),
      'complete': queue.complete,
    }

  def _point(self, request: records.Request) -> dict[str, Any]:
    height, width = self.sizes[request.image]
    rows, cols = height // self.grid[0], width // self.grid[1]
    row, col = request.row // rows, request.col // cols
    return {
      'id': request.id,
      'image': self.pictures.number[request.image],
      'name': request.image,
      'size': [height, width],
      'row': request.row,
      'col': request.col,
      'box': [row * rows, col * cols, (row + 1) * rows, (col + 1) * cols],
      'guess': request.pseudo_label,
    }

  def _get(self, handler: Callable) -> Callable:
    """A route for browsers that have opened our link."""

    async def route(request: requests.Request) -> responses.Response:
      if not self._admitted(request):
        return _refused(403, 'no key')
      try:
        return await handler(request)
      except errors.UserError as error:  # such as a locked store
        return _refused(503, str(error))

    return route

  def _post(self, handler: Handler) -> Callable:
    """Wraps a handler as a route for JSON from our own page only."""

    async def route(request: requests.Request) -> responses.Response:
      if not self._admitted(request) or not self.access.is_header(
        request.headers.get('x-points')
      ):
        return _refused(403, 'no key')
      kind = request.headers.get('content-type', '').partition(';')[0]
      if kind.strip().lower() != 'application/json':
        return _refused(415, 'only application/json is taken')
      try:
        body = fields.parse(await request.body())
      except ValueError as error:
        return _refused(400, f'malformed JSON: {error}')
      try:
        reply = responses.JSONResponse(await handler(request, body))
      except _Refused as error:
        return _refused(error.code, error.why)
      except ValueError as error:
        return _refused(422, str(error))
      except errors.UserError as error:  # such as a full disk
        return _refused(503, str(error))
      if handler == self.name:
        signed = self.access.signed_name(body['name'])
        self._set_cookie(reply, 'name', signed)
      return reply

    return route

  def _admitted(self, request: requests.Request) -> bool:
    return self.access.is_cookie(request.cookies.get(f'points-key-{self.port}'))

  def _annotator(self, request: requests.Request) -> str | None:
    return self.access.name(request.cookies.get(f'points-name-{self.port}'))

  def _named(self, request: requests.Request) -> str:
    annotator = self._annotator(request)
    if annotator is None:
      raise _Refused(403, 'say who you are first')
    return annotator

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


class _Refused(Exception):
  def __init__(self, code: int, why: str) -> None:
    super().__init__(why)
    self.code, self.why = code, why


def _refused(code: int, why: str) -> responses.Response:
  return responses.JSONResponse({'error': why}, code)
