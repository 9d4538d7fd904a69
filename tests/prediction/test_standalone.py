"""launch.export: its files work without this package."""

import functools
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
import using
from launching import assert_refused, launch, succeed
from using import enlarged

from pointsup_jax.data import transforms
from pointsup_jax.models import pretrained
from pointsup_jax.prediction import image_program, segmenting, standalone

pytestmark = pytest.mark.slow

SIZES = ((64, 128), (1, 1), (270, 180))
# -I: without this folder and PYTHONPATH; the package may still be installed.
SCRIPT = """
import sys
for name in ('pointsup_jax', 'flax', 'PIL', 'cv2'):
  sys.modules[name] = None  # importing it fails
import numpy as np
from jax import export
with open('model.stablehlo', 'rb') as file:
  model = export.deserialize(file.read())
images = np.load('images.npz')
found = {}
for name, image in images.items():
  found[f'labels_{name}'], found[f'entropy_{name}'] = model.call(image)
np.savez('found.npz', **found)
"""


@pytest.fixture(scope='module')
def exported(workdir, tmp_path_factory):
  out = tmp_path_factory.mktemp('exported') / 'files'
  succeed(f'--workdir={workdir}', f'--out={out}', program='export')
  return out


@pytest.fixture(scope='module')
def twin(trained):
  parts = {k: getattr(trained, k) for k in ('segmenter', 'variables', 'size')}
  return jax.jit(functools.partial(image_program.segment, **parts))


def test_the_program_says_the_same_without_this_package(
  exported, twin, trained, images, tmp_path
):
  image = using.pixels(images / 'a/1.png')
  inputs = {}
  for i, size in enumerate(SIZES):
    first = transforms.resize_image(image, size)
    inputs[str(i)] = np.stack([first, 255 - first][: 1 + i % 2])
  np.savez(tmp_path / 'images.npz', **inputs)
  (tmp_path / 'model.stablehlo').symlink_to(exported / 'model.stablehlo')
  environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
  command = (sys.executable, '-I', '-c', SCRIPT)
  subprocess.run(command, cwd=tmp_path, env=environment, check=True)
  found = np.load(tmp_path / 'found.npz')
  for i, size in enumerate(SIZES):
    labels, entropy = found[f'labels_{i}'], found[f'entropy_{i}']
    expected_labels, expected = map(np.asarray, twin(inputs[str(i)]))
    assert labels.dtype == np.uint8
    np.testing.assert_allclose(entropy, expected, rtol=0, atol=1e-5)
    assert (labels != expected_labels).mean() < 1e-4
    assert labels.shape == (len(inputs[str(i)]), *size)


def test_the_program_says_what_predict_says(twin, trained, images):
  """Except for the few pixels that resizing leaves one level of 255 apart."""
  views = segmenting.plain(trained.size)
  segmenter = using.segmenter_of(trained, views)
  image = using.pixels(images / 'a/1.png')
  for size in (trained.size, (270, 180)):
    picture = transforms.resize_image(image, size)
    small = using.small_logits(segmenter, picture, views)
    ours = segmenter.enlarge(small, size)
    labels, entropy = twin(picture[None])
    difference = np.abs(np.asarray(entropy[0]) - ours.entropy)
    if size == trained.size:
      assert difference.max() < 1e-5
      top = np.sort(enlarged(small[0], size), axis=-1)
      clear = top[..., -1] - top[..., -2] > 1e-5
      assert clear.mean() > 0.99
      np.testing.assert_array_equal(labels[0][clear], ours.labels[clear])
    # After ten steps of training the network amplifies small differences.
    assert difference.mean() < 0.01
    assert (np.asarray(labels[0]) != ours.labels).mean() < 0.01


def test_the_weights_come_back_bit_by_bit(exported, trained):
  path = exported / 'weights.safetensors'
  other = dict(trained.variables)
  loaded = pretrained.complete(pretrained.load(str(path)), other, str(path))
  ours, theirs = map(pretrained.to_torch, (trained.variables, loaded))
  np.testing.assert_equal(ours, theirs)


def test_model_json_says_what_one_has_to_know(exported, workdir):
  about = json.loads((exported / 'model.json').read_text())
  assert about['classes'][0] == 'road'
  assert about['palette'] == using.PALETTE
  assert about['input']['channels'] == 'RGB'
  assert about['network_size'] == {'height': 64, 'width': 128}
  score = json.loads((workdir / 'evaluate/uda-.json').read_text())
  (found,) = about['scores']
  assert found['miou'] == score['miou']
  assert found['images'] == len(using.SIZES)


def test_files_are_not_replaced_unasked(exported, workdir):
  before = (exported / 'model.stablehlo').stat().st_mtime_ns
  done = launch(f'--workdir={workdir}', f'--out={exported}', program='export')
  assert_refused(done, 2, str(exported), '--overwrite')
  assert (exported / 'model.stablehlo').stat().st_mtime_ns == before
  standalone.require_free(exported, overwrite=True)
