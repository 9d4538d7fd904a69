"""Networks against the published PyTorch code's outputs (see ../shared)."""

import importlib.util
import itertools
import json

import jax
import numpy as np
import pytest

from pointsup_jax.losses import entropy
from pointsup_jax.models import (
  deeplab,
  discriminator,
  pretrained,
  resnet,
  upsample,
)

CLASSES = 19


@pytest.fixture(scope='module')
def reference(shared):
  return np.load(shared / 'reference' / 'advent_reference.npz')


@pytest.fixture(scope='module')
def recipe(shared):
  path = shared / 'reference' / 'recipe.py'
  spec = importlib.util.spec_from_file_location('recipe', path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


@pytest.fixture(scope='module')
def tensors(shared, recipe):
  path = shared / 'reference' / 'deeplab_v2_resnet101_multi_keys.json'
  shapes = json.loads(path.read_text())
  return {
    name: recipe.tensor('segmenter', name, shape)
    for name, shape in shapes.items()
    if not name.endswith('num_batches_tracked')
  }


@pytest.fixture(scope='module')
def passes(tensors, reference):
  """Outputs in eval and train mode, and the statistics after it."""
  model = deeplab.DeepLabV2(CLASSES)
  variables = pretrained.from_torch(tensors)
  images = resnet.preprocess(reference['forward/image_rgb_uint8'])
  evaluated = jax.jit(lambda v, x: model.apply(v, x, train=False))
  trained = jax.jit(
    lambda v, x: model.apply(v, x, train=True, mutable=['batch_stats'])
  )
  outputs, updated = trained(variables, images)
  after = pretrained.to_torch({**variables, **updated})
  return evaluated(variables, images), outputs, after


def error(ours, theirs):
  """Relative L2 error; `theirs` is in torch's layout."""
  theirs = np.float64(theirs)
  if theirs.ndim == 4:
    theirs = theirs.transpose(0, 2, 3, 1)
  return np.linalg.norm(np.float64(ours) - theirs) / np.linalg.norm(theirs)


@pytest.mark.parametrize('head', ['aux', 'main'])
def test_both_heads_in_both_modes(passes, reference, head):
  evaluated, trained, _ = passes
  for outputs, mode in ((evaluated, 'eval'), (trained, 'train')):
    expected = reference[f'forward/{mode}_{head}']
    assert error(getattr(outputs, head), expected) < 1e-4, mode


@pytest.mark.parametrize(
  ('module', 'statistic'),
  [
    ('bn1', 'running_mean'),
    ('bn1', 'running_var'),
    ('layer4.2.bn3', 'running_var'),
  ],
)
def test_running_statistics_after_a_training_pass(
  passes, reference, module, statistic
):
  ours = passes[2][f'{module}.{statistic}']
  assert error(ours, reference[f'forward/train_{module}_{statistic}']) < 1e-4


def test_upsampling_self_information_and_minent(passes, reference):
  logits = upsample.bilinear(passes[1].main, (97, 161))
  assert error(logits, reference['entropy/upsampled_main']) < 1e-4
  maps = entropy.self_information(logits)
  assert error(maps, reference['entropy/self_information']) < 1e-4
  loss = entropy.mean_entropy(logits)
  np.testing.assert_allclose(loss, reference['entropy/minent_loss'], rtol=1e-4)


def test_discriminator(recipe, reference):
  widths = (CLASSES, 64, 128, 256, 512, 1)
  params = {}
  for layer, (inside, outside) in enumerate(itertools.pairwise(widths)):
    shape, name = (outside, inside, 4, 4), 2 * layer
    kernel = recipe.tensor('d_main', f'{name}.weight', shape)
    bias = recipe.tensor('d_main', f'{name}.bias', (outside,))
    kernel = kernel.transpose(2, 3, 1, 0)
    params[f'conv{name}'] = {'kernel': kernel, 'bias': bias}
  maps = reference['entropy/self_information'].transpose(0, 2, 3, 1)
  logits = discriminator.Discriminator().apply({'params': params}, maps)
  assert error(logits, reference['discriminator/logits']) < 1e-4


def test_weights_go_out_as_they_came_in(tensors):
  back = pretrained.to_torch(pretrained.from_torch(tensors))
  np.testing.assert_equal(back, tensors)
