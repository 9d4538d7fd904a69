import contextlib
import json
import pathlib
import sqlite3
import time

import pages
import pytest

from pointsup_jax import config as config_lib
from pointsup_jax import errors
from pointsup_jax.annotation import database
from pointsup_jax.annotation.web import access
from pointsup_jax.run import config_check

pytestmark = pytest.mark.usefixtures('unchanged')
ASKED = ('session', 'agreement', 'plan', 'examples')
FILES = ['/static/main.js', '/image/0', '/crop/0/1/2', '/export/answers.csv']
ROUTES = ['/', *FILES, *(f'/api/{x}' for x in ASKED)]
JSON = {'content-type': 'application/json'}
FORM = 'application/x-www-form-urlencoded'


def send(page, route, content, headers=JSON):
  """Sends raw content and returns the status."""
  reply = page.client.post(f'/api/{route}', content=content, headers=headers)
  return reply.status_code


@pytest.mark.parametrize('route', ROUTES)
@pytest.mark.parametrize('token', ['', '?token=', '?token=' + 'a' * 64])
def test_without_the_link_nothing_is_shown(site, route, token):
  stranger = pages.Page(site, name=None).client
  stranger.cookies.clear()
  assert stranger.get(route + token).status_code == 403


def test_the_link_leaves_a_strict_cookie_that_scripts_cannot_read(site):
  client = pages.Page(site, name=None).client
  reply = client.get(f'/?token={site.access.token}')
  (cookie,) = reply.headers.get_list('set-cookie')
  assert 'HttpOnly' in cookie
  assert 'samesite=strict' in cookie.lower()
  assert site.access.token not in cookie
  # The page redirects to an address without the token; nothing is cached.
  assert 'url=/"' in reply.text
  assert site.access.token not in reply.text
  assert reply.headers['referrer-policy'] == 'no-referrer'
  assert reply.headers['cache-control'] == 'no-store'


@pytest.mark.parametrize('route', [*ROUTES, '/api/points'])
@pytest.mark.parametrize(
  'host',
  ['evil.com', '127.0.0.1.evil.com:8765', 'evil.com:127.0.0.1', '10.0.0.1', ''],
)
def test_a_foreign_host_is_refused(page, route, host):
  reply = page.client.get(route, headers={'host': host})
  assert reply.status_code == 400
  reply = page.client.get(route, headers={'host': 'localhost'})
  assert reply.status_code in (200, 405)


@pytest.mark.parametrize(
  'origin', ['http://evil.com', 'null', 'http://127.0.0.1:1', 'https://127.0.0.1:8765']
)  # fmt: skip
def test_a_foreign_origin_is_refused(page, point, origin):
  page.client.headers['origin'] = origin
  reply = page.answer(point)
  assert reply.status_code == 403
  assert not [k for k in reply.headers if k.startswith('access-control')]


def test_our_own_origin_is_let_in(page):
  page.client.headers['origin'] = pages.URL
  assert page.points(want=1)


def test_nothing_is_changed_by_get(page):
  for route in (
    'points',
    'answer',
    'name',
    'beside',
    'images',
    'jump',
    'answers',
    'comment',
    'disputes',
    'review',
  ):
    assert page.client.get(f'/api/{route}').status_code == 405


@pytest.mark.parametrize(
  'kind', [FORM, 'multipart/form-data', 'text/plain', '']
)
def test_a_form_is_refused(page, point, kind):
  content = json.dumps(page.body(point))
  assert send(page, 'answer', content, {'content-type': kind}) == 415


@pytest.mark.parametrize('header', ['', 'a' * 64])
def test_a_post_without_our_header_is_refused(page, point, header):
  page.client.headers['x-points'] = header
  assert page.answer(point).status_code == 403


def test_a_post_without_the_cookie_is_refused(page, point):
  page.client.cookies.clear()
  assert page.answer(point).status_code == 403


@pytest.mark.parametrize('route', [*ROUTES, '/nowhere'])
def test_every_reply_forbids_foreign_content(page, route):
  headers = page.client.get(route).headers
  policy = headers['content-security-policy']
  assert "default-src 'none'" in policy
  assert "script-src 'self'" in policy
  assert 'unsafe' not in policy
  assert headers['x-content-type-options'] == 'nosniff'


def test_the_page_has_no_script_or_style_of_its_own_and_asks_nobody_else(page):
  static = pathlib.Path(pages.site.__file__).parent / 'static'
  html = (static / 'index.html').read_text()
  assert '<script src="/static/main.js" type="module"></script>' in html
  assert html.count('<script') == 1
  assert '<style' not in html
  files = sorted(static.iterdir())
  assert {x.suffix for x in files} == {'.html', '.js', '.json', '.css'}
  for name in files:
    text = name.read_text()
    text = text.replace("'http://", '')
    for word in (
      'http:',
      'https:',
      '//cdn',
      'onclick=',
      'style="',
      'innerHTML',
    ):
      assert word not in text, (name, word)


OUTSIDE = ['../site.py', '..%2fsite.py', '%2e%2e/site.py', '..\\site.py']
NO_FILES = ['%2e%2e%2f%2e%2e%2fsite.py', '/etc/passwd', 'index.html%00.js']
NO_IMAGES = ['..%2f..%2fannotations.sqlite', '%2e%2e/secret', 'town/000']
NO_NUMBERS = ['-1', '2', '99999999999999999999999999', '0.png']
UNKNOWN = [
  *(f'/static/{name}' for name in OUTSIDE + NO_FILES),
  *(f'/export/{name}' for name in (*NO_FILES, 'answers.xml', '..%2fsecret')),
  *(f'/image/{name}' for name in NO_IMAGES + NO_NUMBERS),
  *(f'/example/0/{name}' for name in (*OUTSIDE, *NO_NUMBERS, '0')),
  *(f'/crop/{name}/0/0' for name in NO_IMAGES + NO_NUMBERS),
  *(f'/crop/0/{x}' for x in ('16/0', '0/32', '-1/0', '0/1.5', '0', '9' * 5000)),
]


@pytest.mark.parametrize('route', UNKNOWN)
def test_only_known_files_and_images_can_be_had(page, route):
  assert page.client.get(route).status_code == 404


ATTACKS = ["'; DROP TABLE answers; --", '" OR 1=1 --', '../../etc/passwd']
ODD_TEXTS = ['<img src=x onerror=alert(1)>', 'a\x00b', '\ud800', 'x' * 2000, '']
NO_TEXTS = [None, 7, ['town/000-r0-c0'], {'$ne': 1}]
HOSTILE = [*ATTACKS, *ODD_TEXTS, *NO_TEXTS]


IMPOSSIBLE = {
  **dict.fromkeys(('point', 'answer', 'mode'), HOSTILE),
  'label': [3, 254, 256, -1, 10**30, 1.0, '1', True, None, [1]],
  'seconds': [-1, '2', 1e12],
  'active': [99.0, None],  # 99: more than `seconds`
  'want': [10**9, -1, 1.5],
  'key': [''],
  'window': [None],
}


@pytest.mark.parametrize(
  ('field', 'value'),
  [(field, x) for field, values in IMPOSSIBLE.items() for x in values],
  ids=lambda x: repr(x)[:20],
)
def test_hostile_and_impossible_fields_are_refused(page, point, field, value):
  body = page.body(point, **{field: value})
  assert send(page, 'answer', json.dumps(body)) == 422


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    *(('text', x) for x in ('a\x00b', '\ud800', 'a\nb', 'x' * 501, *NO_TEXTS)),
    *(('point', x) for x in HOSTILE),
    ('key', ''),
    ('window', None),
    ('at', -1),
  ],
  ids=lambda x: repr(x)[:20],
)
def test_hostile_comments_are_refused(page, point, field, value):
  body = {'point': point, 'text': 'dark', 'key': 'k', 'window': 'w1', 'want': 1}
  assert send(page, 'comment', json.dumps(body | {field: value})) == 422


@pytest.mark.parametrize('value', HOSTILE, ids=lambda x: repr(x)[:20])
def test_hostile_names_are_refused(page, value):
  assert send(page, 'name', json.dumps({'name': value})) == 422


MALFORMED = [b'', b'{', b'[]', b'"label"', b'nul', b'\xff\xfe{', b'[' * 60_000]
NUMBERS = [b'{"want": ' + x + b'}' for x in (b'NaN', b'9' * 60_000)]


@pytest.mark.parametrize(
  'content', [*MALFORMED, *NUMBERS], ids=lambda x: repr(x[:12])
)
@pytest.mark.parametrize('route', ['points', 'answer', 'name', 'answers'])
def test_malformed_json_is_refused(page, route, content):
  assert send(page, route, content) == 400


def test_nothing_is_handed_out_before_a_name_is_given(site):
  nobody = pages.Page(site, name=None)
  assert nobody.post('points', window='w1', want=3).status_code == 403


def test_a_body_of_more_than_64_kib_is_refused(page):
  for size, code in ((64 * 1024, 400), (64 * 1024 + 1, 413)):
    assert send(page, 'answer', b'x' * size) == code


def test_who_deletes_a_store_is_refused_while_others_take_answers(tmp_path):
  path = tmp_path / 'annotations.sqlite'
  with (
    database.taking_answers(path),
    database.taking_answers(path),
    pytest.raises(errors.UserError, match=r'process \d+.*open its link'),
    database.sole_writer(path),
  ):
    pass


def test_a_locked_store_is_said_and_nothing_is_lost(path, page, point):
  body = page.body(point)
  with contextlib.closing(sqlite3.connect(path)) as other:
    other.execute('BEGIN EXCLUSIVE')
    began = time.monotonic()
    for reply in (page.post('answer', **body), page.client.get('/api/plan')):
      assert reply.status_code in (200, 503)
    assert 'locked by another program' in page.post('answer', **body).text
    assert time.monotonic() - began < 6
  assert page.post('answer', **body).status_code == 200
  page.answer(point, answer='undo', label=None)


@pytest.mark.parametrize('host', ['points.example.org', '127.0.0.1:8765'])
def test_behind_a_proxy_its_host_and_origin_are_ours(path, host):
  url = 'https://points.example.org'
  with pages.open_site(path, public_url=url) as site:
    page = pages.Page(site, url=url)
    link = page.client.get(f'/?token={site.access.token}')
    assert 'secure' in link.headers['set-cookie'].lower()

    def code(origin, host=host):
      page.client.headers.update({'host': host, 'origin': origin})
      return page.post('disputes', want=1).status_code

    assert code(url) == 200
    assert code('https://evil.example.org') == 403
    assert code('http://points.example.org') == 403
    assert code(url, 'evil.example.org') == 400


@pytest.mark.parametrize(
  'url',
  ['points.example.org', 'ftp://a.b', 'https://', 'https://a.b/c', 'https://a@b',
   'https://a.b?c', 'https://a.b:port', 'https://a.b:443', 'https://a b', 'https://a.b\n'],
)  # fmt: skip
def test_a_public_url_is_a_scheme_and_a_host(url):
  config = config_lib.get_config()
  config.annotate.public_url = url
  with pytest.raises(errors.UsageError, match=r'annotate\.public_url'):
    config_check.check(config)
  for url in ('', 'https://points.example.org', 'http://10.0.0.1:8080/'):
    config.annotate.public_url = url
    config_check.check(config)


def test_a_secret_that_is_no_text_or_open_to_others_is_said(tmp_path, capsys):
  secret = tmp_path / 'secret'
  token = access.open_secret(secret).token
  secret.chmod(0o644)
  assert access.open_secret(secret).token == token
  assert secret.stat().st_mode & 0o777 == 0o600
  assert 'could be read by others' in capsys.readouterr().err
  access.open_secret(secret)
  assert capsys.readouterr().err == ''
  secret.write_bytes(b'\xff' * 64)
  with pytest.raises(errors.UserError, match=r'damaged.*delete it'):
    access.open_secret(secret)


def test_the_secret_stays_and_is_the_owners_alone(tmp_path):
  secret = tmp_path / 'secret'
  first = access.open_secret(secret)
  assert secret.stat().st_mode & 0o777 == 0o600
  assert access.open_secret(secret).token == first.token
  assert access.open_secret(tmp_path / 'other').token != first.token
  assert len({first.token, first.cookie, first.header}) == 3
  secret.write_text('')  # as left by a killed start
  assert access.open_secret(secret).token != first.token


@pytest.mark.parametrize(
  'host', ['0.0.0.0', '192.168.1.7', '::', '', 'my-host']
)
def test_other_machines_are_let_in_only_when_asked(host):
  config = config_lib.get_config()
  config.annotate.host = host
  with pytest.raises(errors.UsageError, match='ssh -L'):
    config_check.check(config)
  if host:
    config.annotate.allow_remote = True
    config_check.check(config)


def test_with_remote_access_addresses_and_our_names_are_hosts(site):
  app = site.app({'my-host'}, any_address=True)
  client = pages.testclient.TestClient(app, base_url=pages.URL)
  for host, code in (
    ('192.168.1.7:8765', 403),
    ('my-host', 403),  # allowed host, but no key
    ('evil.com', 400),
    ('192.168.1.7.evil.com', 400),
  ):
    assert client.get('/', headers={'host': host}).status_code == code
