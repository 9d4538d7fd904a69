"""Serves the page until all points are answered or it is stopped."""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import logging
import pathlib
import socket
import time
from collections.abc import Iterator

import uvicorn
from starlette import types as asgi

from pointsup_jax import errors
from pointsup_jax.annotation import database
from pointsup_jax.annotation.web import (
  access,
  connections,
  pictures,
  store_thread,
)
from pointsup_jax.annotation.web import site as site_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import sources
from pointsup_jax.hosts import lock, progress, stopping

# Time after the last answer to see that it is done, or to undo it.
_GRACE_SECONDS = 10.0
_LOOK_EVERY = 0.2  # seconds
# So long the page waits for the check of its store, which then goes on.
_CHECK_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class Options:
  """How the page is served.

  Attributes:
    host: IPv4 address or name to listen on.
    port: to listen on; 0: any free one.
    allow_remote: whether other machines may open the page.
    overlap: share of points that two annotators answer, 0 to 1.
    public_url: scheme and host under which a proxy serves the page, or ''.
  """

  host: str
  port: int
  allow_remote: bool
  overlap: float
  public_url: str = ''


def serve(
  path: pathlib.Path,
  folder: pathlib.Path,
  images: sources.Source,
  classes: classes_lib.ClassSet,
  grid: tuple[int, int],
  options: Options,
) -> None:
  """Serves a store's points until all are answered or a stop is requested.

  Args:
    path: the store.
    folder: where the secret is kept; created if missing.
    images: must include all images with requests.
    classes: what can be answered.
    grid: rows and columns of patches.
    options: see there.

  Raises:
    errors.UserError: it is served already, the port is taken, or images are
      missing.
  """
  folder.mkdir(parents=True, exist_ok=True)
  with contextlib.ExitStack() as stack:
    stack.enter_context(database.taking_answers(path))
    doing = 'serves this page; open its link, or stop it first'
    stack.enter_context(lock.held(folder / 'page.lock', doing))
    thread = store_thread.StoreThread(
      path, classes.num_classes, options.overlap
    )
    stack.callback(thread.close)
    check = thread.check()
    with contextlib.suppress(TimeoutError):
      check.result(_CHECK_SECONDS)
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
      thread,
      entry,
      shown,
      sizes,
      classes,
      grid,
      port,
      options.public_url,
    )
    server = _server(site.app(_hosts(options), options.allow_remote))
    url = options.public_url or _own_url(options.host, port)
    progress.say(f'label points at {url}/?token={entry.token}')
    progress.say(
      'Ctrl-C stops; whatever was answered is saved, and the link stays valid'
    )
    asyncio.run(_until_done(server, listener, thread, check))


def _hosts(options: Options) -> set[str]:
  hosts = {'127.0.0.1', 'localhost', options.host.lower()}
  if options.allow_remote:
    hosts |= {socket.gethostname().lower(), socket.getfqdn().lower()}
  return hosts


def _own_url(host: str, port: int) -> str:
  name = host if host != '0.0.0.0' else socket.gethostname()
  return f'http://{name}:{port}'


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
      http=connections.limited(),
      backlog=connections.BACKLOG,
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
  check: concurrent.futures.Future[None],
) -> None:
  quiet = connections.Quiet()
  asyncio.get_running_loop().set_exception_handler(quiet.asyncio_failed)
  serving = asyncio.create_task(server.serve(sockets=[listener]))
  tending = asyncio.create_task(_stop_when_complete(server, thread))
  with _logged_to(quiet):
    while not serving.done():
      if stopping.requested():
        server.should_exit = True
      connections.close_late(server.server_state.connections)
      for task in (tending, check):
        if task.done():
          task.result()
      await asyncio.wait([serving], timeout=_LOOK_EVERY)
    tending.cancel()
    await serving
  if quiet.counted:
    progress.say(f'the page: {quiet.counted} malformed requests')


async def _stop_when_complete(
  server: uvicorn.Server, thread: store_thread.StoreThread
) -> None:
  complete_since: float | None = None
  while True:
    now = time.monotonic()
    if not await thread.tend():
      complete_since = None
    elif complete_since is None:
      complete_since = now
    elif now > complete_since + _GRACE_SECONDS:
      server.should_exit = True
    await asyncio.sleep(_LOOK_EVERY)


@contextlib.contextmanager
def _logged_to(quiet: connections.Quiet) -> Iterator[None]:
  """Sends what the libraries log to `quiet` alone."""
  loggers = [logging.getLogger(name) for name in ('uvicorn', 'asyncio')]
  for logger in loggers:
    logger.addHandler(quiet)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
  try:
    yield
  finally:
    for logger in loggers:
      logger.removeHandler(quiet)
      logger.propagate = True


def _listen(options: Options) -> socket.socket:
  try:
    return socket.create_server((options.host, options.port))
  except (OSError, OverflowError) as error:
    raise errors.UserError(
      f'cannot listen on {options.host}:{options.port}: {error}; choose '
      'another --config.annotate.port'
    ) from error
