"""Serves the page until all points are answered or it is stopped."""

import asyncio
import contextlib
import dataclasses
import pathlib
import socket
import time
from collections.abc import Iterator, Sequence

import uvicorn
from starlette import types as asgi

from pointsup_jax import errors
from pointsup_jax.annotation import database
from pointsup_jax.annotation.web import access, pictures, store_thread
from pointsup_jax.annotation.web import site as site_lib
from pointsup_jax.data import sources
from pointsup_jax.hosts import progress, stopping

# Time after the last answer to see that it is done, or to undo it.
_GRACE_SECONDS = 10.0
_LOOK_EVERY = 0.2  # seconds


@dataclasses.dataclass(frozen=True)
class Options:
  """How the page is served.

  Attributes:
    host: IPv4 address or name to listen on.
    port: to listen on; 0: any free one.
    allow_remote: whether other machines may open the page.
    overlap: share of points that two annotators answer, 0 to 1.
  """

  host: str
  port: int
  allow_remote: bool
  overlap: float


def serve(
  path: pathlib.Path,
  folder: pathlib.Path,
  images: sources.Source,
  names: Sequence[str],
  palette: Sequence[tuple[int, int, int]],
  grid: tuple[int, int],
  options: Options,
) -> None:
  """Serves a store's points until all are answered or a stop is requested.

  Args:
    path: the store.
    folder: where the secret is kept; created if missing.
    images: must include all images with requests.
    palette: class colours, RGB.
    grid: rows and columns of patches.

  Raises:
    errors.UserError: it is served already, the port is taken, or images are
      missing.
  """
  folder.mkdir(parents=True, exist_ok=True)
  with contextlib.ExitStack() as stack:
    stack.enter_context(database.sole_writer(path))
    thread = store_thread.StoreThread(path, len(names), options.overlap)
    stack.callback(thread.close)
    shown = pictures.Pictures(images)
    sizes = thread.sizes()
    missing = sizes.keys() - shown.number.keys()
    if missing:
      raise errors.UserError(
        f'{path} asks about image {min(missing)!r}, which is not among the '
        f'{len(images.names)} target images; restore them or use another '
        'workdir'
      )
    listener = stack.enter_context(_listen(options))
    port = listener.getsockname()[1]
    entry = access.open_secret(folder / 'secret')
    site = site_lib.Site(
      thread, entry, shown, sizes, names, palette, grid, port
    )
    hosts = {'127.0.0.1', 'localhost', options.host.lower()}
    if options.allow_remote:
      hosts |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    server = _server(site.app(hosts, options.allow_remote))
    name = options.host if options.host != '0.0.0.0' else socket.gethostname()
    progress.say(f'label points at http://{name}:{port}/?token={entry.token}')
    progress.say(
      'Ctrl-C stops; whatever was answered is saved, and the link stays valid'
    )
    asyncio.run(_until_done(server, listener, thread))


class _Server(uvicorn.Server):
  """Leaves signals to `pointsup_jax.hosts.stopping`."""

  @contextlib.contextmanager
  def capture_signals(self) -> Iterator[None]:
    """Captures no signals."""
    yield


def _server(app: asgi.ASGIApp) -> _Server:
  return _Server(
    uvicorn.Config(
      app,
      http='h11',
      ws='none',
      lifespan='off',
      access_log=False,
      log_config=None,
      proxy_headers=False,
      server_header=False,
      timeout_graceful_shutdown=3,
    )
  )


async def _until_done(
  server: uvicorn.Server,
  listener: socket.socket,
  thread: store_thread.StoreThread,
) -> None:
  serving = asyncio.create_task(server.serve(sockets=[listener]))
  complete_since: float | None = None
  while not serving.done():
    now = time.monotonic()
    if not await thread.do(lambda queue: queue.complete):
      complete_since = None
    elif complete_since is None:
      complete_since = now
    over = complete_since is not None and now > complete_since + _GRACE_SECONDS
    if over or stopping.requested():
      server.should_exit = True
    await asyncio.wait([serving], timeout=_LOOK_EVERY)
  await serving


def _listen(options: Options) -> socket.socket:
  try:
    return socket.create_server((options.host, options.port))
  except (OSError, OverflowError) as error:
    raise errors.UserError(
      f'cannot listen on {options.host}:{options.port}: {error}; choose '
      'another --config.annotate.port'
    ) from error
