"""SegFormer against its implementation in `transformers`."""

import functools
import importlib.util

import jax
import numpy as np
import pytest

from pointsup_jax.models import deeplab, mix_transformer, pretrained

CLASSES = 5


@pytest.fixture(scope='module')
def theirs():
  for package in ('torch', 'transformers'):
    # Not imported where it is not asked for: it takes seconds.
    if importlib.util.find_spec(package) is None:
      pytest.skip(f'{package} is not installed')

  @functools.cache
  def made(name):
    """A network of random weights, and its statistics of random images."""
    import torch
    import transformers

    size = mix_transformer.SIZES[name]
    torch.manual_seed(0)
    network = transformers.SegformerForSemanticSegmentation(
      transformers.SegformerConfig(
        depths=size.blocks,
        hidden_sizes=size.channels,
        decoder_hidden_size=size.fused,
        num_labels=CLASSES,
      )
    )
    with torch.no_grad():
      for parameter in network.parameters():
        # Norms and biases unlike their initial 1 and 0.
        parameter.add_(torch.randn_like(parameter) * 0.05)
    network.decode_head.batch_norm.running_mean.uniform_(-0.1, 0.1)
    network.decode_head.batch_norm.running_var.uniform_(0.5, 2)
    return network.eval()

  return made


@functools.cache
def network(name):
  return deeplab.DeepLabV2(CLASSES, backbone=name)


@functools.cache
def fresh(name):
  shapes = jax.eval_shape(
    functools.partial(deeplab.init, network(name)), jax.random.key(0)
  )
  return jax.tree.map(lambda x: np.zeros(x.shape, np.float32), shapes)


def loaded(name, path):
  found = pretrained.load(path / 'model.safetensors')
  return pretrained.complete(found, fresh(name), 'model.safetensors')


@functools.cache
def images(size):
  rng = np.random.default_rng(0)
  return rng.normal(size=(1, *size, 3)).astype(np.float32)


# Sides that no stride divides, and sides that all of them do.
@pytest.mark.slow
@pytest.mark.parametrize(
  ('name', 'size'),
  [('mit_b0', (71, 99)), ('mit_b0', (64, 96)), ('mit_b2', (71, 99))],
)
def test_features_and_logits_are_those_of_transformers(
  theirs, name, size, tmp_path
):
  import torch

  model = theirs(name)
  model.save_pretrained(tmp_path)
  with torch.no_grad():
    expected = model(
      torch.from_numpy(images(size).transpose(0, 3, 1, 2)),
      output_hidden_states=True,
    )
  apply = functools.partial(
    network(name).apply,
    train=False,
    mutable=['intermediates'],
    capture_intermediates=lambda module, _: isinstance(
      module, mix_transformer.MixTransformer
    ),
  )
  outputs, seen = jax.jit(apply)(loaded(name, tmp_path), images(size))
  (features,) = seen['intermediates']['__call__']
  same = functools.partial(np.testing.assert_allclose, atol=1e-4, rtol=0)
  for ours, stage in zip(features[1:], expected.hidden_states, strict=True):
    assert stage.abs().mean() > 0.1
    same(ours, stage.numpy().transpose(0, 2, 3, 1))
  same(outputs.main, expected.logits.numpy().transpose(0, 2, 3, 1))
