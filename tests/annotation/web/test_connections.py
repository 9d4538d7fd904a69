"""What others do to the connections of the server."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import uvicorn

pytestmark = pytest.mark.usefixtures('unchanged')


@pytest.fixture
def port(site):
  listener = socket.create_server(('127.0.0.1', 0))
  server = uvicorn.Server(
    uvicorn.Config(
      site.app({'127.0.0.1'}), http='h11', lifespan='off', log_config=None
    )
  )
  thread = threading.Thread(target=server.run, args=([listener],))
  thread.start()
  yield listener.getsockname()[1]
  server.should_exit = True
  thread.join()
  listener.close()


@pytest.mark.parametrize('chunked', [False, True])
def test_100_megabytes_are_refused_and_not_read(port, chunked):
  head = (
    'POST /api/answer HTTP/1.1\r\nHost: 127.0.0.1\r\n'
    'Content-Type: application/json\r\n'
  )
  size = 100 << 20
  framing = (
    'Transfer-Encoding: chunked' if chunked else f'Content-Length: {size}'
  )
  sent = 0
  with socket.create_connection(('127.0.0.1', port), timeout=30) as connection:
    connection.sendall(f'{head}{framing}\r\n\r\n'.encode())
    block = b'x' * 65536
    piece = b'10000\r\n' + block + b'\r\n' if chunked else block
    with contextlib.suppress(OSError):  # the server has hung up
      while sent < size:
        connection.sendall(piece)
        sent += len(block)
    reply = b''
    with contextlib.suppress(ConnectionResetError):
      reply = connection.recv(4096)
  assert sent < size
  assert not reply or reply.startswith(b'HTTP/1.1 413')


class Served:
  """The server in its own process."""

  def __init__(self, path, files=0):
    arguments = (path.parent, 0, 2, files)
    here = pathlib.Path(__file__).parent
    self.process = subprocess.Popen(
      [
        sys.executable,
        '-W',
        'ignore',
        here / 'serving.py',
        *map(str, arguments),
      ],
      stderr=subprocess.PIPE,
      text=True,
      env={**os.environ, 'PYTHONPATH': str(here.parents[2])},
    )
    line = next(x for x in self.process.stderr if 'token=' in x)
    self.port = int(re.search(r':(\d+)/', line)[1])

  def connect(self, content=b''):
    connection = socket.create_connection(('127.0.0.1', self.port), timeout=30)
    connection.sendall(content)
    return connection

  def get(self, route='/'):
    connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
    with contextlib.closing(connection):
      connection.request('GET', route)
      return connection.getresponse().status

  def stop(self):
    """What it printed after its link."""
    self.process.send_signal(signal.SIGTERM)
    _, printed = self.process.communicate(timeout=30)
    assert self.process.returncode == 0
    return printed.splitlines()


@pytest.fixture
def serve(path):
  started = []

  def start(files=0):
    started.append(Served(path, files))
    return started[-1]

  yield start
  for served in started:
    served.process.kill()
    served.process.communicate()


def test_malformed_requests_are_counted_in_one_line(serve):
  served = serve()
  upgrade = b'Connection: upgrade\r\nUpgrade: websocket\r\n'
  for content in (
    b'nonsense\r\n\r\n',
    b'\x16\x03\x01\x00',
    b'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n' + upgrade + b'\r\n',
    b'GET /image/' + b'9' * 5000 + b' HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  ):
    with served.connect(content) as connection:
      assert connection.recv(100).startswith(b'HTTP/1.1 4')
  printed = served.stop()
  assert printed[-1] == 'the page: 3 malformed requests'
  assert len(printed) < 3


@pytest.mark.slow
def test_idle_connections_shut_nobody_out_and_end(serve):
  served = serve(files=64)
  with contextlib.ExitStack() as stack:
    idle = [stack.enter_context(served.connect()) for _ in range(100)]
    for _ in range(5):
      assert served.get() == 403
    # Nor do headers and bodies that never end hold a connection.
    head = b'POST /api/answer HTTP/1.1\r\nHost: 127.0.0.1\r\n'
    slow = [
      stack.enter_context(served.connect(head + rest))
      for rest in (b'', b'Content-Length: 100\r\n\r\n{')
    ]
    began = time.monotonic()
    assert slow[0].recv(100) == b''
    assert slow[1].recv(100).startswith(b'HTTP/1.1 408')
    assert idle[-1].recv(100) == b''
    assert time.monotonic() - began < 20
  assert len(served.stop()) < 5


def test_an_answer_that_is_cut_off_is_not_recorded(page, point, port):
  body = json.dumps(page.body(point))
  cookies = '; '.join(f'{k}={v}' for k, v in page.client.cookies.items())
  head = (
    'POST /api/answer HTTP/1.1\r\nHost: 127.0.0.1\r\n'
    f'Content-Type: application/json\r\nCookie: {cookies}\r\n'
    f'X-Points: {page.client.headers["x-points"]}\r\n'
  )
  with socket.create_connection(('127.0.0.1', port), timeout=30) as connection:
    content = f'{head}Content-Length: {len(body) + 100}\r\n\r\n{body}'
    connection.sendall(content.encode())
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(100) == b''
