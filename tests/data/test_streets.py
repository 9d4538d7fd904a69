import numpy as np
import pytest
import saying

from pointsup_jax.data.streets import scenes, source

SIZE = (128, 256)
LOOKS = ('game', 'camera')


def render(look='game', split='train', index=0, seed=0, size=SIZE):
  return scenes.render(look, split, index, seed, size)


@pytest.mark.parametrize('look', LOOKS)
def test_a_scene_is_a_function_of_its_name(look):
  first = render(look, index=3)
  render(look, index=4)
  np.testing.assert_equal(first, render(look, index=3))


@pytest.mark.parametrize(
  'other', [{'look': 'camera'}, {'split': 'val'}, {'index': 1}, {'seed': 1}]
)
def test_everything_in_the_name_matters(other):
  assert np.mean(render()[1] == render(**other)[1]) < 0.95


@pytest.mark.parametrize('look', LOOKS)
@pytest.mark.parametrize('size', [(32, 64), (97, 161), (256, 512)])
def test_any_size(look, size):
  image, labels = render(look, size=size)
  assert image.shape == (*size, 3)
  assert labels.shape == size
  assert image.dtype == labels.dtype == np.uint8
  assert set(np.unique(labels)) <= {*range(19), 255}


@pytest.mark.parametrize('look', LOOKS)
def test_the_layout_does_not_depend_on_the_size(look):
  for index in range(5):
    _, small = render(look, index=index)
    _, large = render(look, index=index, size=(256, 512))
    assert np.mean(small == large[1::2, 1::2]) > 0.9


@pytest.mark.parametrize('look', LOOKS)
def test_every_class_occurs_often_enough_to_be_learned(look):
  labels = (render(look, index=i)[1] for i in range(200))
  counts = np.stack([np.bincount(x.ravel(), minlength=256) for x in labels])
  share = counts.sum(0) / counts.sum()
  scenes_with = (counts > 0).mean(0)
  assert share[:19].min() > 0.0012
  assert scenes_with[:19].min() > 0.04
  assert share[255] < 0.04
  assert 0.25 < share[0] < 0.45  # road
  assert share[2] > 0.1  # building


def test_the_looks_differ_in_light_and_colour():
  images = {
    look: np.stack([render(look, index=i)[0] for i in range(20)]) / 255
    for look in LOOKS
  }
  saturation = {look: np.ptp(x, axis=-1).mean() for look, x in images.items()}
  assert saturation['camera'] < 0.7 * saturation['game']
  assert abs(images['game'].mean() - images['camera'].mean()) > 0.01


def test_source():
  streets = source.Streets('camera', 'val', 3, SIZE, seed=5)
  assert len(streets) == len(set(streets.names)) == 3
  example = streets[2]
  assert example.name == streets.names[2]
  np.testing.assert_equal(example[1:3], render('camera', 'val', 2, 5))
  with pytest.raises(IndexError):
    streets[3]


@pytest.mark.parametrize(
  ('args', 'word'),
  [
    (('film', 'val', 3, SIZE), "'film'"),
    (('game', 'dev', 3, SIZE), "'dev'"),
    (('game', 'val', 0, SIZE), '0'),
    (('game', 'val', 3, (16, 64)), '64x16'),
  ],
)
def test_bad_arguments(args, word):
  assert word in saying.usage(lambda: source.Streets(*args))
