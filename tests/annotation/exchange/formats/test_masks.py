import io
import json

import numpy as np
import people
import pytest
import saying
from PIL import Image

from pointsup_jax import errors
from pointsup_jax.annotation.exchange import exporting
from pointsup_jax.annotation.exchange.formats import masks
from pointsup_jax.annotation.exchange.formats.exchanged import ImageFile
from pointsup_jax.types import IGNORE

SIZE = (64, 128)


@pytest.fixture
def answered(store):
  """A store with points in two images, some of which have an answer."""
  people.fill(store, SIZE, ['a', 'b/c'], 8)
  for i, request in enumerate(store.requests()):
    match i % 4:
      case 0 | 1:
        store.answer(request.id, i, 'ana')
      case 2:
        store.answer(request.id, IGNORE, 'ben')
      case 3:
        store.mark(request.id, 'unsure', 'ben')
  return store


def order_of(store, shown=SIZE, which='answered', files=('a.jpg', 'b/c.PNG')):
  order = exporting.prepare(
    store, exporting.select(store, which), size=SIZE, words=people.CITYSCAPES
  )
  there = zip(order.files, files, strict=True)
  found = {name: ImageFile(file, shown) for name, file in there}
  return type(order)(**{**vars(order), 'files': found})


def written(order):
  found = dict(masks.write(order))
  about = json.loads(found.pop('masks.json'))
  assert found.pop('masks.txt') == b'a\nb/c\n'
  images = {
    name: np.asarray(Image.open(io.BytesIO(png))) for name, png in found.items()
  }
  return images, about


@pytest.mark.parametrize('shown', [SIZE, (769, 1023), (1052, 1914)])
def test_each_answer_is_one_pixel_of_the_photo(answered, shown):
  images, about = written(order_of(answered, shown))
  assert images.keys() == {'a.png', 'b/c.png'}
  left = {name: mask.copy() for name, mask in images.items()}
  for name, mask in images.items():
    assert mask.shape == shown
    assert mask.dtype == np.uint8
    for answer in [answered.answered(name.removesuffix('.png'))]:
      for row, col, label in zip(*answer, strict=True):
        # The photo's pixel in which the centre of the answered one lies.
        y = int((row + 0.5) * shown[0] / SIZE[0])
        x = int((col + 0.5) * shown[1] / SIZE[1])
        assert mask[y, x] == label
        left[name][y, x] = IGNORE
  assert all((mask == IGNORE).all() for mask in left.values())
  assert about['classes'] == list(people.CITYSCAPES.classes.names)
  assert len(about['palette']) == 19
  assert about['ignore_index'] == IGNORE


def test_the_json_says_where_each_pixel_comes_from(answered):
  images, about = written(order_of(answered, (769, 1023)))
  assert len(about['points']) == 16
  current = answered.current_answers()
  for point in about['points']:
    assert images[point['mask']][point['y'], point['x']] == point['label']
    answer = current[point['id']]
    assert point['annotator'] == answer.annotator
    assert point['class'] == people.CITYSCAPES.of(answer.label)
    assert point['time'].endswith('Z')
  assert {point['image'] for point in about['points']} == {'a.jpg', 'b/c.PNG'}
  by_class = {point['class'] for point in about['points'] if
              point['label'] == IGNORE}  # fmt: skip
  assert by_class == {'void', 'unsure'}


def test_open_points_are_listed_if_asked_for_and_not_drawn(answered):
  people.fill(answered, SIZE, ['x'], 3)
  order = order_of(answered, which='all', files=('x.png', 'a.png', 'b/c.png'))
  found = dict(masks.write(order))
  open_points = [
    point
    for point in json.loads(found['masks.json'])['points']
    if point['class'] == 'unlabelled'
  ]
  assert len(open_points) == 3
  assert {point['time'] for point in open_points} == {None}
  mask = np.asarray(Image.open(io.BytesIO(found['x.png'])))
  assert (mask == IGNORE).all()


@pytest.mark.parametrize(
  ('labels', 'expected'),
  [
    ([3], 3),
    ([3, 3], 3),
    ([3, IGNORE], 3),
    ([IGNORE, 3], 3),
    ([3, 4], IGNORE),
    ([3, 4, 3], IGNORE),
  ],
)
def test_answers_that_differ_on_one_pixel_leave_it_out(labels, expected):
  mask = masks.mask_of((2, 4), [(3, 1)] * len(labels), labels)
  assert mask[1, 3] == expected
  assert (np.delete(mask, 7) == IGNORE).all()


def test_two_images_do_not_share_a_mask(answered):
  order = order_of(answered, files=('a.jpg', 'a.png'))
  assert 'a.jpg and a.png' in saying.message(lambda: list(masks.write(order)))


def test_a_folder_that_holds_anything_is_left_alone(answered, tmp_path):
  order, folder = order_of(answered), tmp_path / 'masks'
  folder.mkdir()
  assert len(exporting.write(order, 'masks', folder)) == 4
  before = {path: path.read_bytes() for path in folder.rglob('*.*')}
  with pytest.raises(errors.UsageError, match='exists'):
    exporting.write(order, 'masks', folder)
  assert {path: path.read_bytes() for path in folder.rglob('*.*')} == before
  file = tmp_path / 'file'
  file.write_text('work of days')
  with pytest.raises(errors.UsageError, match='exists'):
    exporting.write(order, 'masks', file)
