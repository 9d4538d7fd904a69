"""SegFormer against its implementation in `transformers`."""

import functools
import importlib.util

import jax
import numpy as np
import pytest
import saying

from pointsup_jax.models import (
  deeplab,
  mix_transformer,
  pretrained,
  weight_files,
)

CLASSES = 5


SMALL = mix_transformer.Size((1, 1, 1, 1), (4, 8, 10, 16), 8)


@pytest.fixture
def small(monkeypatch):
  """A network whose programs compile in little time."""
  monkeypatch.setitem(mix_transformer.SIZES, 'mit_b0', SMALL)
  return deeplab.DeepLabV2(CLASSES, backbone='mit_b0')


def variables(network, seed=0):
  shapes = jax.eval_shape(
    functools.partial(deeplab.init, network), jax.random.key(0)
  )
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda x: rng.uniform(0.1, 1, x.shape).astype(np.float32), shapes
  )


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
      # So far from 0 that the two forms of GELU differ by more than 1e-4.
      for part, scale in (
        (network.segformer, 0.1),
        (network.decode_head, 0.03),
      ):
        for parameter in part.parameters():
          parameter.add_(torch.randn_like(parameter) * scale)
    network.decode_head.batch_norm.running_mean.uniform_(-0.1, 0.1)
    network.decode_head.batch_norm.running_var.uniform_(0.5, 2)
    return network.eval()

  return made


def loaded(network, path):
  found = pretrained.load(path)
  return pretrained.complete(found, variables(network, seed=1), path.name)


def images(size, count=1):
  rng = np.random.default_rng(0)
  return rng.normal(size=(count, *size, 3)).astype(np.float32)


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
  network = deeplab.DeepLabV2(CLASSES, backbone=name)
  apply = functools.partial(
    network.apply,
    train=False,
    mutable=['intermediates'],
    capture_intermediates=lambda module, _: isinstance(
      module, mix_transformer.MixTransformer
    ),
  )
  path = tmp_path / 'model.safetensors'
  outputs, seen = jax.jit(apply)(loaded(network, path), images(size))
  (features,) = seen['intermediates']['__call__']
  same = functools.partial(np.testing.assert_allclose, atol=1e-4, rtol=0)
  for ours, stage in zip(features[1:], expected.hidden_states, strict=True):
    assert stage.abs().mean() > 0.1
    same(ours, stage.numpy().transpose(0, 2, 3, 1))
  same(outputs.main, expected.logits.numpy().transpose(0, 2, 3, 1))


@pytest.mark.parametrize(
  ('name', 'millions'),
  [
    ('mit_b0', 3.3), ('mit_b1', 13.2), ('mit_b2', 24.2), ('mit_b3', 44.1),
    ('mit_b4', 60.8), ('mit_b5', 81.4),
  ],
)  # fmt: skip
def test_sizes_of_the_family(name, millions):
  network = mix_transformer.MixTransformer(mix_transformer.SIZES[name])
  found = jax.eval_shape(
    lambda key: network.init(key, images((32, 32)), train=False),
    jax.random.key(0),
  )
  count = sum(x.size for x in jax.tree.leaves(found)) / 1e6
  assert round(count, 1) == millions


HEADS = ('decode_head.', 'layer5.')


@pytest.mark.parametrize('prefix', ['segformer.', ''])
def test_a_file_of_imagenet_gives_the_encoder_alone(
  prefix, small, tmp_path, capsys
):
  table = pretrained.to_torch(variables(small))
  assert table['segformer.encoder.block.0.0.mlp.dense1.weight'].shape == (16, 4)
  encoder = {
    name.replace('segformer.', prefix): tensor
    for name, tensor in table.items()
    if not name.startswith(HEADS)
  }
  encoder['classifier.weight'] = np.zeros((1000, 16), np.float32)
  encoder['classifier.bias'] = np.zeros(1000, np.float32)
  path = tmp_path / 'mit.safetensors'
  weight_files.write(path, encoder)
  found = pretrained.to_torch(loaded(small, path))
  own = pretrained.to_torch(variables(small, seed=1))
  for name, tensor in found.items():
    expected = own if name.startswith(HEADS) else table
    np.testing.assert_array_equal(tensor, expected[name])
  (said,) = capsys.readouterr().err.splitlines()
  assert said.endswith('so these start afresh: aux head, main head')


def test_a_classifier_of_other_classes_starts_afresh(small, tmp_path, capsys):
  table = pretrained.to_torch(variables(small.clone(num_classes=7)))
  # As published: without an aux head, with what PyTorch counts.
  table = {k: v for k, v in table.items() if not k.startswith('layer5.')}
  table['decode_head.batch_norm.num_batches_tracked'] = np.array(3)
  path = tmp_path / 'ade.safetensors'
  weight_files.write(path, table)
  found = pretrained.to_torch(loaded(small, path))
  own = pretrained.to_torch(variables(small, seed=1))
  for name, tensor in found.items():
    fresh = name.startswith(('decode_head.classifier.', 'layer5.'))
    np.testing.assert_array_equal(tensor, (own if fresh else table)[name])
  said = capsys.readouterr().err
  assert said.count('start afresh') == 1
  assert 'classifier of the main head' in said
  assert 'aux head' in said


def test_an_aux_head_of_another_kind_starts_afresh(small, tmp_path, capsys):
  """With 'conv5' it is as the main head, with 'conv4' as DeepLab's."""
  path = tmp_path / 'a.npz'
  kinds = [small, small.clone(aux_reads='conv5')]
  for one, other in (kinds, kinds[::-1]):
    weight_files.write(path, pretrained.to_torch(variables(one)))
    found = loaded(other, path)
    np.testing.assert_equal(
      found['params']['aux_head'], variables(other, 1)['params']['aux_head']
    )
    np.testing.assert_equal(
      found['params']['main_head'], variables(one)['params']['main_head']
    )
    assert 'start afresh: aux head\n' in capsys.readouterr().err


def test_another_size_is_refused(small, tmp_path):
  path = tmp_path / 'b0.npz'
  weight_files.write(path, pretrained.to_torch(variables(small)))
  other = small.clone(backbone='mit_b1')
  assert 'model.backbone' in saying.message(lambda: loaded(other, path))


# Also less than a window of the keys, or than a patch.
@pytest.mark.parametrize('size', [(60, 97), (64, 96), (5, 1)])
@pytest.mark.parametrize('aux_reads', ['conv4', 'conv5'])
def test_logits_and_features_are_at_stride_4(size, aux_reads, small):
  network = small.clone(aux_reads=aux_reads)
  found, sown = jax.eval_shape(
    lambda variables: network.apply(
      variables, images(size), train=False, mutable=['taps']
    ),
    variables(network),
  )
  expected = (1, *(-(-side // 4) for side in size))
  assert found.aux.shape == found.main.shape == (*expected, CLASSES)
  for name in ('conv3', 'conv4', 'conv5'):  # are read beside the logits
    assert sown['taps'][name].shape[:3] == expected


def test_input_is_as_in_transformers():
  rgb = np.array([[[[0, 255, 51]]]], np.uint8)
  found = deeplab.DeepLabV2(5, backbone='mit_b0').preprocess(rgb)
  expected = [-0.485 / 0.229, (1 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
  np.testing.assert_allclose(found[0, 0, 0], expected, rtol=1e-5)


def test_a_pass_with_a_key_leaves_out_halves_of_blocks_by_image():
  """Each half is there twice as strong, or not at all, half of the time."""
  block = mix_transformer.Block(2, 2, 0.5, np.float32)
  one = np.random.default_rng(0).normal(size=(1, 4, 6, 8)).astype(np.float32)
  params = jax.jit(block.init, static_argnames='train')(
    jax.random.key(0), one, train=False
  )
  # So the second half adds nothing.
  params['params']['dense2'] = jax.tree.map(
    np.zeros_like, params['params']['dense2']
  )
  apply = jax.jit(functools.partial(block.apply, params), static_argnums=1)
  whole = apply(one, False)
  np.testing.assert_array_equal(apply(one, True), whole)
  many = np.repeat(one, 64, axis=0)
  found = apply(many, True, rngs={'dropout': jax.random.key(1)}) - many
  strength = np.sum(found * (whole - one), (1, 2, 3))
  strength = np.asarray(strength / np.sum((whole - one) ** 2))
  np.testing.assert_allclose(strength, np.round(strength), atol=1e-4)
  assert set(np.round(strength).tolist()) == {0, 2}
  np.testing.assert_allclose(strength.mean(), 1, atol=0.5)


@pytest.mark.slow
def test_the_backward_pass_may_recompute_blocks(monkeypatch):
  """And leaves out in it what the forward pass has left out."""
  monkeypatch.setattr(mix_transformer, 'DROP_PATH', 0.9)
  size = SMALL._replace(blocks=(1, 1, 0, 0))
  pixels, key = images((32, 32), count=4), jax.random.key(0)
  networks = [
    mix_transformer.MixTransformer(size, remat=remat) for remat in (False, True)
  ]
  start = jax.jit(functools.partial(networks[0].init, train=False))(key, pixels)

  def gradient(network):
    def loss(variables):
      found = network.apply(variables, pixels, True, rngs={'dropout': key})
      return (found.conv3[..., 0] ** 2).mean()

    return jax.jit(jax.grad(loss))(start)

  one, two = (jax.device_get(gradient(network)) for network in networks)
  same = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5)
  jax.tree.map(same, one, two)
  assert np.abs(one['params']['patch_embed0']['proj']['kernel']).max() > 1e-3
