"""The pictures that the class guide shows."""

import dataclasses
import io

import numpy as np
import pages
import pytest
from PIL import Image

from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.web import crops


def decoded(reply):
  assert reply.status_code == 200, reply.text
  assert reply.headers['content-type'] == 'image/jpeg'
  return np.asarray(Image.open(io.BytesIO(reply.content))).astype(int)


@pytest.fixture
def with_examples(site, tmp_path):
  paths = (tmp_path / 'tall.png', tmp_path / 'damaged.png')
  Image.new('RGB', (100, 1000), (200, 30, 30)).save(paths[0])
  paths[1].write_bytes(paths[0].read_bytes()[:-200])
  classes = dataclasses.replace(site.classes, examples={'car': paths})
  return pages.Page(dataclasses.replace(site, classes=classes))


def test_examples_of_files_are_served_small(with_examples):
  client = with_examples.client
  told = client.get('/api/session').json()['classes']
  assert [x['examples'] for x in told] == [0, 2, 0]
  image = decoded(client.get('/example/1/0'))
  assert image.shape[0] <= 200
  assert np.abs(image - (200, 30, 30)).max() < 10
  for address in ('/example/1/2', '/example/0/0', '/example/3/0'):
    assert client.get(address).status_code == 404
  damaged = client.get('/example/1/1')
  assert damaged.status_code == 503
  assert 'damaged.png' in damaged.json()['error']


def test_answers_give_places_of_classes_without_their_authors(site, path):
  with store_lib.Store(path) as store:
    points = [request.id for request in store.ordered()]
    store.answer_many(dict.fromkeys(points[:9], 1), 'ana')
    store.answer_many({points[8]: 1}, 'ben')
  page = pages.Page(site)
  found = page.client.get('/api/examples').json()['classes']
  assert list(found) == ['1']
  assert len(found['1']) == 6
  assert found['1'][0] == {'image': 1, 'row': 2, 'col': 4, 'agreed': True}
  assert not any(x['agreed'] for x in found['1'][1:])
  for one in found['1']:
    address = '/crop/{image}/{row}/{col}'.format(**one)
    assert decoded(page.client.get(address)).shape == (192, 192, 3)


def test_a_crop_shows_a_point_in_the_middle_and_a_cross_around_it():
  pixels = np.full((400, 800, 3), 90, np.uint8)
  pixels[200:204, 400:404] = 160  # four pixels to one that is asked
  image = np.asarray(
    Image.open(io.BytesIO(crops.around(pixels, (100, 200), 50, 100)))
  ).astype(int)
  assert np.ptp(image[92:100, 92:100, 0]) > 40  # the point itself is seen
  for row, col in ((96, 120), (96, 72), (120, 96), (72, 96)):
    assert image[row - 1 : row + 3, col - 1 : col + 3].max() > 220
  assert image[60:66, 60:66].max() < 200


@pytest.mark.parametrize(('row', 'col'), [(0, 0), (15, 31), (0, 31)])
def test_a_crop_at_a_border_lies_in_the_image(page, row, col):
  image = decoded(page.client.get(f'/crop/1/{row}/{col}'))
  assert image.shape == (192, 192, 3)


def test_dark_images_are_lightened():
  ramp = np.linspace(0, 40, 800).astype(np.uint8)
  dark = np.broadcast_to(ramp[None, :, None], (400, 800, 3))
  image = np.asarray(
    Image.open(io.BytesIO(crops.around(dark, (400, 800), 200, 400)))
  )
  assert image[10:30].mean() > 80
