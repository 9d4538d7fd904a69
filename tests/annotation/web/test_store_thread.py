"""The store is checked, and looked at, while the page takes answers."""

import contextlib
import sqlite3

import pages
import pytest
import saying

from pointsup_jax.annotation.web import server, store_thread
from pointsup_jax.data import classes


@pytest.fixture
def forged(path):
  with contextlib.closing(sqlite3.connect(path)) as file, file:
    file.execute('UPDATE requests SET row = 99')
  return path


def test_what_we_cannot_have_written_is_found_while_answers_are_taken(forged):
  thread = store_thread.StoreThread(forged, 3, 0.0)
  with contextlib.closing(thread):
    check = thread.check()
    assert 'table requests' in saying.message(check.result)


@pytest.mark.parametrize('seconds', [2.0, 0.0])
def test_the_page_of_a_forged_store_ends(
  forged, tmp_path, monkeypatch, seconds
):
  """At its start, or once it is found."""
  monkeypatch.setattr(server, '_CHECK_SECONDS', seconds)
  text = saying.message(
    lambda: server.serve(
      forged,
      tmp_path / 'annotate',
      pages.Images(),
      classes.ClassSet(pages.NAMES, pages.PALETTE),
      pages.GRID,
      server.Options('127.0.0.1', 0, False, 0.0),
    )
  )
  assert 'table requests' in text


def test_nothing_takes_the_place_of_a_store_that_was_moved(site, path):
  page = pages.Page(site)
  moved = path.rename(path.with_name('moved'))
  reply = page.client.get('/api/plan')
  assert reply.status_code == 503
  assert 'put it back' in reply.json()['error']
  assert not path.exists()
  moved.rename(path)
  assert page.client.get('/api/plan').status_code == 200
