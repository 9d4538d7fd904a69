import io
import json
import zipfile

import numpy as np
import pytest
import saying
from PIL import Image

from pointsup_jax.data import classes, palettes, predictions, transforms
from pointsup_jax.models import upsample

NAMES = ('road', 'sky', 'car')
THREE = classes.ClassSet(NAMES, palettes.of_names(NAMES))
SHAPES = [(48, 96), (32, 64)]  # of the photo and for the network


def random(*shape):
  return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def softmax(logits, axis=-1):
  powers = np.exp(logits - logits.max(axis, keepdims=True))
  return powers / powers.sum(axis, keepdims=True)


@pytest.fixture
def folder(tmp_path):
  """Returns a function that writes predictions.json and opens the folder."""

  def make(kind='logits', kinds=THREE, **fields):
    about = {'kind': kind, 'classes': list(NAMES)} | fields
    (tmp_path / 'predictions.json').write_text(json.dumps(about))
    return predictions.open_folder(tmp_path, kinds)

  return make


def save(folder, name, array):
  path = folder.root / f'{name}.npy'
  path.parent.mkdir(parents=True, exist_ok=True)
  np.save(path, array)


def save_labels(folder, name, labels, unsure):
  save(folder, name, unsure)
  Image.fromarray(labels).save(folder.root / f'{name}.png')


@pytest.mark.parametrize(
  ('old', 'new'),
  [((3, 5), (9, 12)), ((9, 12), (3, 5)), ((1, 7), (4, 7)), ((6, 6), (6, 6))],
)
def test_maps_are_resized_as_logits_are_on_devices(old, new):
  maps = random(*old, 4)
  expected = np.asarray(upsample.bilinear(maps[None], new))[0]
  np.testing.assert_allclose(
    transforms.resize_maps(maps, new), expected, atol=1e-6
  )


@pytest.mark.parametrize('way', ['last', 'first', 'one image', 'npz', 'double'])
def test_logits_of_any_form_give_the_same(folder, way):
  mine, logits = folder(), random(6, 12, 3)
  save(mine, 'a/b', logits)
  expected = mine.maps('a/b', SHAPES, (32, 64))
  match way:
    case 'first':
      save(mine, 'x', logits.transpose(2, 0, 1))
    case 'one image':
      save(mine, 'x', logits.transpose(2, 0, 1)[None])
    case 'npz':
      np.savez_compressed(mine.root / 'x.npz', anything=logits)
    case 'double':
      save(mine, 'x', logits.astype(np.float64))
    case _:
      save(mine, 'x', logits)
  np.testing.assert_array_equal(mine.maps('x', SHAPES, (32, 64)), expected)
  assert expected.shape == (32, 64, 3)
  assert expected.dtype == np.float32
  assert (mine.labels('x', SHAPES, (32, 64)) == expected.argmax(-1)).all()


def test_half_precision_is_close_and_probabilities_keep_theirs(folder):
  logits = random(6, 12, 3)
  mine = folder()
  save(mine, 'half', logits.astype(np.float16))
  np.testing.assert_allclose(
    mine.maps('half', SHAPES, (6, 12)), logits, rtol=1e-3, atol=1e-3
  )
  mine = folder('probabilities')
  given = softmax(logits).astype(np.float16)
  save(mine, 'p', given)
  got = softmax(mine.maps('p', SHAPES, (6, 12)))
  np.testing.assert_allclose(got, softmax(logits), atol=2e-3)


def test_certain_probabilities_have_finite_logits(folder):
  mine, certain = folder('probabilities'), np.eye(3)[np.zeros((6, 12), int)]
  save(mine, 'p', certain)
  maps = mine.maps('p', SHAPES, (32, 64))
  assert np.isfinite(maps).all()
  np.testing.assert_allclose(softmax(maps)[..., 0], 1)


def test_labels_come_with_how_unsure_they_are(folder):
  mine = folder('labels')
  labels = np.random.default_rng(0).integers(0, 3, (48, 96), np.uint8)
  unsure = np.random.default_rng(1).random((6, 12)).astype(np.float16)
  save_labels(mine, 'a', labels, unsure)
  maps = mine.maps('a', SHAPES, (48, 96))
  np.testing.assert_array_equal(maps[..., 0], labels)
  expected = np.asarray(upsample.bilinear(unsure[None, ..., None], (48, 96)))
  np.testing.assert_allclose(maps[..., 1], expected[0, ..., 0], atol=1e-3)
  np.testing.assert_array_equal(mine.labels('a', SHAPES, (48, 96)), labels)


def test_labels_of_files_may_begin_at_1(folder):
  from_1 = classes.ClassSet(NAMES, THREE.palette, ignore_id=0)
  mine = folder('labels', from_1)
  save_labels(mine, 'a', np.full((48, 96), 3, np.uint8), random(6, 12) * 0)
  assert (mine.labels('a', SHAPES, (48, 96)) == 2).all()


def test_it_is_a_source_of_maps_under_the_images_names(folder):
  mine = folder()
  for name in ('a', 'b/c'):
    save(mine, name, random(6, 12, 3))
  source = predictions.Predicted(mine, ['a', 'b/c'], lambda _: SHAPES, (32, 64))
  assert len(source) == 2
  assert source[1].name == 'b/c'
  assert source[1].image.shape == (32, 64, 3)
  assert (source[1].labels == 255).all()


@pytest.mark.parametrize(
  ('array', 'words'),
  [
    (random(6, 12, 4), ['(6, 12, 4)', '3 classes', '[3, height, width]']),
    (random(6, 12), ['(6, 12)']),
    (random(2, 6, 12, 3), ['(2, 6, 12, 3)']),
    (random(3, 6, 3), ['(3, 6, 3)', 'class_axis', 'first', 'last']),
    (random(6, 12, 3).astype(int), ['int64', 'floats']),
    (np.zeros((0, 0, 3)), ['(0, 0, 3)']),
    (random(12, 6, 3), ['6x12', '96x48', 'turned']),
    (random(8, 12, 3), ['12x8', 'padded']),
    (np.full((6, 12, 3), np.nan), ['not finite']),
    (softmax(random(6, 12, 3)), ['holds probabilities', '"logits"']),
  ],
  ids=lambda x: x[0] if isinstance(x, list) else 'array',
)
def test_unfit_logits_are_named_in_one_line(folder, array, words):
  mine = folder()
  save(mine, 'a', array)
  said = saying.message(lambda: mine.maps('a', SHAPES, (32, 64)))
  for word in ['a.npy', *words]:
    assert word in said


def test_probabilities_have_to_sum_to_1_everywhere(folder):
  mine, array = folder('probabilities'), softmax(random(6, 12, 3))
  save(mine, 'a', array)
  mine.maps('a', SHAPES, (32, 64))
  array[3, 4] /= 2
  save(mine, 'a', array)
  said = saying.message(lambda: mine.maps('a', SHAPES, (32, 64)))
  assert 'holds no probabilities' in said
  assert 'sums over classes from 0.5 to 1' in said


def test_a_class_axis_that_is_said_settles_which_it_is(folder):
  mine = folder(class_axis='first')
  array = random(3, 6, 3)
  save(mine, 'a', array)
  found = mine.read('a', [(6, 3)])
  np.testing.assert_array_equal(found, array.transpose(1, 2, 0))
  save(mine, 'a', random(6, 12, 3))
  said = saying.message(lambda: mine.read('a', SHAPES))
  assert '"class_axis": "first"' in said


@pytest.mark.parametrize(
  ('labels', 'unsure', 'words'),
  [
    (3, 0.5, ['a.png', 'id 3', '0 to 2']),
    (255, 0.5, ['a.png', 'id 255']),
    (1, 1.5, ['a.npy', 'from 1.5 to 1.5', 'logarithm']),
    (1, -0.1, ['a.npy', 'from -0.1']),
    (1, np.nan, ['a.npy', 'nan']),
  ],
)
def test_unfit_labels_are_named_in_one_line(folder, labels, unsure, words):
  mine = folder('labels')
  of_image = np.full((48, 96), labels, np.uint8)
  save_labels(mine, 'a', of_image, np.full((6, 12), unsure))
  said = saying.message(lambda: mine.maps('a', SHAPES, (32, 64)))
  for word in words:
    assert word in said


def test_an_uncertainty_map_has_no_channels(folder):
  mine = folder('labels')
  save_labels(mine, 'a', np.zeros((48, 96), np.uint8), random(6, 12, 1))
  said = saying.message(lambda: mine.maps('a', SHAPES, (32, 64)))
  assert '[height, width]' in said


def pickled(path):
  np.save(path, np.array([{'a': 1}], object), allow_pickle=True)


def not_a_header(path):
  np.save(path, random(6, 12, 3))
  path.write_bytes(path.read_bytes().replace(b'}', b'('))


def cut(path):
  np.save(path, random(6, 12, 3))
  path.write_bytes(path.read_bytes()[:-9])


def too_large(path):
  """A header that promises more than there is."""
  content = io.BytesIO()
  header = {'descr': '<f4', 'fortran_order': False, 'shape': (10**9, 10**9, 3)}
  np.lib.format.write_array_header_1_0(content, header)
  path.write_bytes(content.getvalue())


def other(path):
  path.write_bytes(b'version https://git-lfs')


@pytest.mark.parametrize(
  'write', [pickled, cut, not_a_header, too_large, other]
)
def test_a_file_that_cannot_be_read_is_named(folder, write):
  mine = folder()
  write(mine.root / 'a.npy')
  said = saying.message(lambda: mine.maps('a', SHAPES, (32, 64)))
  assert 'a.npy cannot be read' in said


def test_an_archive_has_one_array(folder):
  mine, path = folder(), folder().root / 'a.npz'
  np.savez(path, one=random(6, 12, 3), two=random(6, 12, 3))
  said = saying.message(lambda: mine.maps('a', SHAPES, (32, 64)))
  assert 'the arrays one, two' in said
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('x.npy', b'nothing')
  said = saying.message(lambda: mine.maps('a', SHAPES, (32, 64)))
  assert 'floats are expected' in said


def test_every_image_has_its_files(folder):
  mine = folder()
  for name in ('x/a', 'b', 'c_leftImg8bit'):
    save(mine, name, random(6, 12, 3))
  mine.require(['x/a', 'b'])
  assert mine.missing(['x/a', 'c', 'd']) == ['c', 'd']
  said = saying.message(lambda: mine.require(['b', 'c']))
  assert 'lacks predictions of 1 of 2 images: no c.npy' in said
  assert 'for example' in said
  np.savez(mine.root / 'b.npz', random(6, 12, 3))
  assert 'both b.npy and b.npz' in saying.message(lambda: mine.require(['b']))
  (mine.root / 'b.npz').unlink()
  of_labels = folder('labels')
  assert 'no b.png' in saying.message(lambda: of_labels.require(['b']))


@pytest.mark.parametrize(
  ('content', 'words'),
  [
    (None, ['cannot be read', '"kind"']),
    ('{', ['not JSON']),
    ('[' * 100_000, ['not JSON']),
    ([], ['"kind" and "classes"']),
    ({'kind': 'logits'}, ['"classes"']),
    ({'kind': 'logit', 'classes': NAMES}, ["'logit'", 'probabilities']),
    ({'kind': [], 'classes': NAMES}, ['[]']),
    ({'kind': 'logits', 'classes': NAMES, 'clas': 1}, ["'clas'"]),
    ({'kind': 'logits', 'classes': NAMES[:2]}, ['3 classes']),
    ({'kind': 'logits', 'classes': 3}, ['3 classes']),
    (
      {'kind': 'logits', 'classes': ('road', 'car', 'sky')},
      ["class 1 is 'car'", "'sky'", 'order'],
    ),
    ({'kind': 'logits', 'classes': NAMES, 'class_axis': 0}, ['"first"']),
    ({'kind': 'logits', 'classes': NAMES, 'class_axis': []}, ['"first"']),
  ],
  ids=str,
)
def test_what_predictions_json_lacks_is_said(tmp_path, content, words):
  path = tmp_path / 'predictions.json'
  if content is not None:
    raw = isinstance(content, str)
    path.write_text(content if raw else json.dumps(content))
  said = saying.message(lambda: predictions.open_folder(tmp_path, THREE))
  assert str(path) in said
  for word in words:
    assert word in said
