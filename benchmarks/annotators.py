"""Eight people label at once: is a point lost or handed out twice, how fast?

  python -m benchmarks.annotators

Each simulated annotator is a process with a connection of its own to one real
server on 127.0.0.1, labels as fast as it can, undoes now and then, and sends
some answers twice, as a page does whose connection broke. In the end the store
must hold every point once, answered by the one whom it was handed to.
"""

import argparse
import http.client
import http.cookies
import json
import multiprocessing
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib

ROOT = pathlib.Path(__file__).parents[1]
PER_IMAGE = 50
SERVER = """
import pathlib, sys
import numpy as np
from pointsup_jax import types
from pointsup_jax.annotation.web import server
from pointsup_jax.data import classes
from pointsup_jax.hosts import stopping

class Images:
  names = tuple(f'image_{i:05}' for i in range(int(sys.argv[2])))
  def __getitem__(self, index):
    image = np.zeros((8, 8, 3), np.uint8)
    return types.Example(self.names[index], image, image[..., 0])

stopping.install()
folder = pathlib.Path(sys.argv[1])
server._GRACE_SECONDS = 1.0
server.serve(
  folder / 'annotations.sqlite', folder, Images(),
  classes.ClassSet(('a', 'b', 'c'), ((0, 0, 0),) * 3), (8, 16),
  server.Options('127.0.0.1', 0, False, 0.0))
"""


def main() -> None:
  """Prints the rate and leaves with 1 if anything is wrong."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--annotators', type=int, default=8)
  parser.add_argument('--points', type=int, default=5_000)
  options = parser.parse_args()
  images = -(-options.points // PER_IMAGE)
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    fill(folder / 'annotations.sqlite', images)
    server = subprocess.Popen(
      [sys.executable, '-c', SERVER, folder, str(images)],
      stderr=subprocess.PIPE,
      text=True,
      cwd=ROOT,
    )
    assert server.stderr is not None
    link = next(filter(None, map(link_in, server.stderr)))
    began = time.perf_counter()
    with multiprocessing.get_context('spawn').Pool(options.annotators) as pool:
      work = [(link, f'annotator_{i}') for i in range(options.annotators)]
      reports = pool.starmap(label, work, chunksize=1)
    seconds = time.perf_counter() - began
    code = server.wait(timeout=30)
    wrong = check(folder / 'annotations.sqlite', reports)
  delays = [delay for _, delays in reports for delay in delays]
  print(
    f'{images * PER_IMAGE} points by {options.annotators} annotators in '
    f'{seconds:.1f} s: {len(delays) / seconds:.0f} answers/s, each on disk '
    f'after {statistics.median(delays) * 1e3:.1f} ms (99%: '
    f'{statistics.quantiles(delays, n=100)[98] * 1e3:.1f} ms); '
    f'the server left with {code}'
  )
  print('\n'.join(wrong) or 'none lost, none handed out twice')
  sys.exit(bool(wrong or code))


def fill(path: pathlib.Path, images: int) -> None:
  """Writes a store of so many images with 50 points each."""
  with store_lib.Store(path) as store:
    for i in range(images):
      name = f'image_{i:05}'
      requests = [
        records.Request(
          records.request_id(name, j, j), name, j, j, j % 10, 0.5, 0, 1, 1
        )
        for j in range(PER_IMAGE)
      ]
      store.add_image(name, (64, 128), 1 / (i + 1), requests)


def link_in(line: str) -> str | None:
  """The link in a line that the server prints."""
  found = re.search(r'http://\S+', line)
  return found.group() if found else None


class Client:
  """What a browser does for an annotator: keeps cookies and the header."""

  def __init__(self, link: str) -> None:
    """Follows a link with the token."""
    host, _, query = link.removeprefix('http://').partition('/')
    self._connection = http.client.HTTPConnection(host, timeout=60)
    self._cookies: dict[str, str] = {}
    self._header = ''
    self.call('GET', '/' + query)
    self._header = self.call('GET', '/api/session')['header']

  def call(self, method: str, path: str, body: dict | None = None) -> dict:
    """The reply's JSON, if it is any."""
    headers = {
      'content-type': 'application/json',
      'x-points': self._header,
      'cookie': '; '.join(f'{k}={v}' for k, v in self._cookies.items()),
    }
    self._connection.request(method, path, json.dumps(body), headers)
    reply = self._connection.getresponse()
    content = reply.read()
    if reply.status != 200:
      raise RuntimeError(f'{path}: {reply.status} {content!r}')
    for line in reply.headers.get_all('set-cookie') or ():
      for key, morsel in http.cookies.SimpleCookie(line).items():
        self._cookies[key] = morsel.coded_value
    is_json = reply.headers['content-type'] == 'application/json'
    return json.loads(content) if is_json else {}

  def close(self) -> None:
    """Closes the connection."""
    self._connection.close()


def label(link: str, name: str) -> tuple[dict[str, int], list[float]]:
  """One annotator: labels until nothing is left.

  Args:
    link: with the token.
    name: the annotator's.

  Returns:
    The label that holds for each point, and the seconds of every answer.
  """
  rng = random.Random(name)
  client = Client(link)
  client.call('POST', '/api/name', {'name': name})
  held: dict[str, int] = {}
  delays = []
  state = client.call('POST', '/api/points', {'window': name, 'want': 12})
  while state['points']:
    point = state['points'][0]['id']
    if point in held:
      raise RuntimeError(f'{point} came again')
    for kind in ('label', *(('undo', 'label') if rng.random() < 0.05 else ())):
      value = rng.randrange(3)
      body = {
        'point': point,
        'answer': kind,
        'label': value if kind == 'label' else None,
        'seconds': 1.0,
        'active': 1.0,
        'mode': 'blind',
        'key': f'{name}-{len(delays)}',
        'window': name,
        'want': 12,
      }
      began = time.perf_counter()
      state = client.call('POST', '/api/answer', body)
      delays.append(time.perf_counter() - began)
      if rng.random() < 0.02:
        state = client.call('POST', '/api/answer', body)
    held[point] = value
  client.close()
  return held, delays


def check(
  path: pathlib.Path, reports: list[tuple[dict[str, int], list[float]]]
) -> list[str]:
  """What is wrong with the store, in words."""
  with store_lib.Store(path) as store:
    stored = [(x.request, x.label) for x in store.answers_by_person()]
    requests = {request.id for request in store.requests()}
  told = [pair for held, _ in reports for pair in held.items()]
  wrong = []
  if len({point for point, _ in told}) != len(told):
    wrong.append('points were handed out twice')
  if {point for point, _ in told} != requests:
    wrong.append('points were not handed out')
  if sorted(told) != sorted(stored):
    wrong.append('the store holds something else than was answered')
  return wrong


if __name__ == '__main__':
  main()
