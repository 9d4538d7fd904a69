"""An in-memory bucket with the part of Google's JSON API that runs use.

Reads and writes support `ifGenerationMatch`, which TensorStore needs.
"""

import contextlib
import http.server
import itertools
import json
import os
import pathlib
import re
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator

BUCKET = 'bucket'
# Keeps gcsfs from another API that asks about real folders; read on import.
os.environ['GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT'] = 'false'


class Bucket:
  """A bucket: `objects` maps a name to (content, generation).

  `environment` connects other processes to it. `on_write` gets each name before
  it is written: its PermissionError becomes a reply, its ConnectionError none.
  """

  def __init__(self) -> None:
    self.objects: dict[str, tuple[bytes, int]] = {}
    self.parts: dict[str, bytes] = {}
    self.environment: dict[str, str] = {}
    self.on_write: Callable[[str], None] = lambda name: None
    self._lock = threading.Lock()
    self._generations = itertools.count(1)

  def put(self, name: str, content: bytes, condition: str | None) -> int | None:
    """Returns the generation, or None if `condition` names another one."""
    self.on_write(name)
    with self._lock:
      there = self.objects.get(name, (b'', 0))[1]
      if condition is not None and int(condition) != there:
        return None
      self.objects[name] = content, next(self._generations)
      return self.objects[name][1]

  def delete(self, name: str) -> bool:
    with self._lock:
      return self.objects.pop(name, None) is not None

  def names(self, folder: str) -> set[str]:
    """Names in a folder, relative to it."""
    return {
      name.removeprefix(f'{folder}/')
      for name in list(self.objects)
      if name.startswith(f'{folder}/')
    }

  def download(self, folder: str, to: pathlib.Path) -> pathlib.Path:
    """Copies a folder, as `gcloud storage cp -r` does."""
    for name in self.names(folder):
      (to / name).parent.mkdir(parents=True, exist_ok=True)
      (to / name).write_bytes(self.objects[f'{folder}/{name}'][0])
    return to

  def about(self, name: str) -> dict:
    content, generation = self.objects[name]
    return {
      'kind': 'storage#object',
      'bucket': BUCKET,
      'name': name,
      'size': str(len(content)),
      'generation': str(generation),
      'updated': '2026-01-01T00:00:00.000000Z',
      'timeCreated': '2026-01-01T00:00:00.000000Z',
    }


@contextlib.contextmanager
def serving() -> Iterator[Bucket]:
  """Serves an empty bucket at a free local port."""
  bucket = Bucket()
  server = _Server(('127.0.0.1', 0), _Handler)
  server.bucket = bucket
  url = f'http://127.0.0.1:{server.server_address[1]}'
  bucket.environment = os.environ | {
    'JAX_PLATFORMS': 'cpu',
    'STORAGE_EMULATOR_HOST': url,  # gcsfs and google-cloud-storage
    'TENSORSTORE_GCS_HTTP_URL': url,
    'GOOGLE_CLOUD_PROJECT': 'test',
  }
  thread = threading.Thread(target=server.serve_forever)
  thread.start()
  try:
    yield bucket
  finally:
    server.shutdown()
    server.server_close()
    thread.join()


class _Server(http.server.ThreadingHTTPServer):
  request_queue_size = 128
  bucket: Bucket

  def handle_error(self, *unused: object) -> None:
    """Ignores clients that were killed or hung up."""
    if not isinstance(sys.exception(), ConnectionError):
      super().handle_error(*unused)


class _Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = 'HTTP/1.1'

  def do_GET(self) -> None:
    name, query = self._target()
    bucket = self.server.bucket
    if name is None and self.path.split('?')[0].endswith('/o'):
      self._json(_listing(bucket, query))
    elif name is None:
      self._json({'kind': 'storage#bucket', 'name': BUCKET, 'id': BUCKET})
    elif name not in bucket.objects:
      self._answer(404)
    elif query.get('alt') == 'media':
      self._content(*bucket.objects[name], query)
    else:
      self._json(bucket.about(name))

  def do_POST(self) -> None:
    _, query = self._target()
    body = self._body()
    if 'upload' in query:
      return self._add_part(query['upload'], body, query)
    if query['uploadType'] == 'resumable':
      about = json.loads(body or b'{}')
      name = urllib.parse.quote(query.get('name') or about['name'], safe='')
      where = f'http://{self.headers["Host"]}{self.path}&upload={name}'
      return self._answer(200, headers={'Location': where})
    if query['uploadType'] == 'multipart':
      about, body = _parts(body, self.headers['Content-Type'])
      query.setdefault('name', about['name'])
    self._write(query['name'], body, query)

  def _add_part(self, name: str, part: bytes, query: dict) -> None:
    bucket = self.server.bucket
    bucket.parts[name] = bucket.parts.get(name, b'') + part
    if self.headers['Content-Range'].endswith('/*'):
      last = len(bucket.parts[name]) - 1
      return self._answer(308, headers={'Range': f'bytes=0-{last}'})
    self._write(name, bucket.parts.pop(name), query)

  def do_DELETE(self) -> None:
    name, _ = self._target()
    self._answer(204 if self.server.bucket.delete(name) else 404)

  def _body(self) -> bytes:
    if self.headers.get('Transfer-Encoding') != 'chunked':
      return self.rfile.read(int(self.headers.get('Content-Length', 0)))
    body = b''
    while size := int(self.rfile.readline(), 16):
      body += self.rfile.read(size)
      self.rfile.readline()
    self.rfile.readline()
    return body

  def _write(self, name: str, content: bytes, query: dict) -> None:
    bucket = self.server.bucket
    try:
      new = bucket.put(name, content, query.get('ifGenerationMatch'))
    except PermissionError:
      return self._answer(403, b'{"error": {"message": "not allowed"}}')
    if new is None:
      return self._answer(412)
    self._json(bucket.about(name))

  def log_message(self, *unused: object) -> None:
    pass

  def _target(self) -> tuple[str | None, dict[str, str]]:
    path, _, query = self.path.partition('?')
    found = re.search(r'/o/(.+)$', path)
    return (
      urllib.parse.unquote(found[1]) if found else None,
      dict(urllib.parse.parse_qsl(query)),
    )

  def _content(self, content: bytes, generation: int, query: dict) -> None:
    headers = {'x-goog-generation': str(generation)}
    if query.get('ifGenerationNotMatch') == str(generation):
      return self._answer(304, headers=headers)
    if query.get('ifGenerationMatch', str(generation)) != str(generation):
      return self._answer(412, headers=headers)
    wanted = re.match(r'bytes=(\d+)-(\d*)', self.headers.get('Range', ''))
    if not wanted:
      return self._answer(200, content, headers)
    first = int(wanted[1])
    if first >= len(content):
      return self._answer(416, headers=headers)
    part = content[first : int(wanted[2]) + 1 if wanted[2] else None]
    span = f'bytes {first}-{first + len(part) - 1}/{len(content)}'
    self._answer(206, part, headers | {'Content-Range': span})

  def _json(self, value: dict) -> None:
    self._answer(
      200, json.dumps(value).encode(), {'Content-Type': 'application/json'}
    )

  def _answer(
    self, status: int, content: bytes = b'', headers: dict | None = None
  ) -> None:
    self.send_response(status)
    for name, value in (headers or {}).items():
      self.send_header(name, value)
    if status not in (204, 304):
      self.send_header('Content-Length', str(len(content)))
    self.end_headers()
    self.wfile.write(content)


def _listing(bucket: Bucket, query: dict[str, str]) -> dict:
  prefix, delimiter = query.get('prefix', ''), query.get('delimiter', '')
  items, prefixes = [], set()
  for name in sorted(bucket.objects):
    if not name.startswith(prefix):
      continue
    head, found, _ = name.removeprefix(prefix).partition(delimiter or '\0')
    if found:
      prefixes.add(prefix + head + found)
    elif query.get('startOffset', '') <= name < query.get('endOffset', '~'):
      items.append(bucket.about(name))
  return {'items': items, 'prefixes': sorted(prefixes)}


def _parts(body: bytes, content_type: str) -> tuple[dict, bytes]:
  """Splits a multipart upload into its metadata and content."""
  boundary = re.search(r'boundary="?([^";]+)', content_type)[1].encode()
  _, about, content, _ = body.split(b'--' + boundary, 3)
  return (
    json.loads(about.partition(b'\r\n\r\n')[2] or about.partition(b'\n\n')[2]),
    re.split(rb'\r?\n\r?\n', content, maxsplit=1)[1]
    .removesuffix(b'\n')
    .removesuffix(b'\r'),
  )
