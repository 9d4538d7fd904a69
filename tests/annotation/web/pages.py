"""A small store, its site and a client that has signed in."""

import contextlib
import itertools

import numpy as np
from starlette import testclient

from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.web import access, pictures, site, store_thread
from pointsup_jax.data import classes
from pointsup_jax.types import Example

NAMES = ('road', 'car', 'sky')
PALETTE = ((128, 64, 128), (0, 0, 142), (70, 130, 180))
GRID = (2, 4)
PORT = 8765
_KEYS = itertools.count()
URL = f'http://127.0.0.1:{PORT}'


def names(count):
  """Names of classes: `NAMES`, and more where more are wanted."""
  return (*NAMES, *(f'street_thing_{i}' for i in range(3, count)))


class Images:
  """Images at twice the size of the points' coordinates."""

  def __init__(self, count: int = 2) -> None:
    self.names = tuple(f'town/{i:03}' for i in range(count))

  def __getitem__(self, index: int) -> Example:
    rng = np.random.default_rng(index)
    image = rng.integers(0, 256, (32, 64, 3)).astype(np.uint8)
    return Example(self.names[index], image, np.zeros((32, 64), np.uint8))


def fill(path, images=2, per_image=6, size=(16, 32)):
  """Makes a store of images with points at the upper left."""
  with store_lib.Store(path) as store:
    for i, name in enumerate(Images(images).names):
      requests = []
      for row in range(per_image):
        col = 2 * row
        patch = row // 8 * 4 + col // 8
        id_ = records.request_id(name, row, col)
        requests.append(
          records.Request(id_, name, row, col, patch, 0.5, 1, 1, 1)
        )
      store.add_image(name, size, 0.9 - 0.1 * i, requests)


@contextlib.contextmanager
def open_site(path, overlap=0.0, images=2, public_url=''):
  thread = store_thread.StoreThread(path, len(NAMES), overlap)
  with contextlib.closing(thread):
    yield site.Site(
      store_thread=thread,
      access=access.Access('s' * 64),
      pictures=pictures.Pictures(Images(images)),
      sizes=thread.sizes(),
      classes=classes.ClassSet(NAMES, PALETTE),
      grid=GRID,
      port=PORT,
      public_url=public_url,
    )


class Page:
  """Makes the requests that queue.js makes."""

  def __init__(self, site, name='ana', window='w1', url=URL):
    self.client = testclient.TestClient(
      site.app({'127.0.0.1', 'localhost'}),
      base_url=url,
      follow_redirects=False,
    )
    self.window = window
    self.client.get(f'/?token={site.access.token}')
    self.client.headers['x-points'] = site.access.header
    if name:
      assert self.post('name', name=name).status_code == 200

  def post(self, route, **body):
    return self.client.post(f'/api/{route}', json=body)

  def points(self, want=3):
    reply = self.post('points', window=self.window, want=want)
    assert reply.status_code == 200, reply.text
    return [point['id'] for point in reply.json()['points']]

  def body(self, point, /, **fields):
    return {
      'point': point,
      'answer': 'label',
      'label': 1,
      'seconds': 2.5,
      'active': 1.5,
      'mode': 'blind',
      'key': f'key-{next(_KEYS)}',
      'window': self.window,
      'want': 3,
    } | fields

  def answer(self, point, /, **fields):
    return self.post('answer', **self.body(point, **fields))
