"""ResNet-18 and ResNet-34: basic blocks, by torchvision's names."""

import jax
import numpy as np
import pytest
import saying

from pointsup_jax.models import deeplab, pretrained

BLOCKS, WIDTH = (1, 2, 1, 1), 4


@pytest.fixture(scope='module')
def published():
  """A network of basic blocks with torchvision's names, dilated as ours."""
  torch = pytest.importorskip('torch', reason='PyTorch is not installed')
  nn = torch.nn

  class Basic(nn.Module):
    def __init__(self, old, new, stride, dilation):
      super().__init__()
      same = {'padding': dilation, 'dilation': dilation, 'bias': False}
      self.conv1 = nn.Conv2d(old, new, 3, stride, **same)
      self.bn1 = nn.BatchNorm2d(new)
      self.conv2 = nn.Conv2d(new, new, 3, **same)
      self.bn2 = nn.BatchNorm2d(new)
      if stride > 1 or old != new:
        self.downsample = nn.Sequential(
          nn.Conv2d(old, new, 1, stride, bias=False), nn.BatchNorm2d(new)
        )

    def forward(self, x):
      y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
      same = self.downsample(x) if hasattr(self, 'downsample') else x
      return torch.relu(same + y)

  class Network(nn.Module):
    def __init__(self):
      super().__init__()
      self.conv1 = nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False)
      self.bn1 = nn.BatchNorm2d(WIDTH)
      old = WIDTH
      for i, (stride, dilation) in enumerate(((1, 1), (2, 1), (1, 2), (1, 4))):
        new, blocks = WIDTH * 2**i, []
        for j in range(BLOCKS[i]):
          blocks.append(Basic(old, new, 1 if j else stride, dilation))
          old = new
        setattr(self, f'layer{i + 1}', nn.Sequential(*blocks))

    def forward(self, x):
      x = torch.relu(self.bn1(self.conv1(x)))
      x = nn.functional.max_pool2d(x, 3, 2, 1, ceil_mode=True)
      for i in range(1, 5):
        x = getattr(self, f'layer{i}')(x)
      return x

  torch.manual_seed(0)
  network = Network().eval()
  for name, buffer in network.named_buffers():
    if name.endswith(('mean', 'var')):
      buffer.uniform_(0.1, 1)
  images = torch.randn(1, 3, 40, 57)
  with torch.no_grad():
    features = network(images)
  table = {name: x.numpy() for name, x in network.state_dict().items()}
  return table, *(x.numpy().transpose(0, 2, 3, 1) for x in (images, features))


def test_features_are_those_of_torch_under_its_names(published):
  table, images, expected = published
  network = deeplab.DeepLabV2(5, BLOCKS, WIDTH, block='basic')
  fresh = jax.jit(lambda key: deeplab.init(network, key))(jax.random.key(0))
  variables = pretrained.complete(pretrained.from_torch(table), fresh, 'a.npz')
  _, sown = jax.jit(
    lambda variables, images: network.apply(
      variables, images, train=False, mutable=['taps']
    )
  )(variables, images)
  np.testing.assert_allclose(
    sown['taps']['conv5'], expected, rtol=1e-4, atol=1e-5
  )
  widths = {name: x.shape[-1] for name, x in sown['taps'].items()}
  assert widths == network.layout.channels._asdict()


def test_blocks_of_the_other_kind_are_refused(published):
  other = deeplab.DeepLabV2(5, BLOCKS, WIDTH)
  fresh = jax.eval_shape(
    lambda key: deeplab.init(other, key), jax.random.key(0)
  )
  fresh = jax.tree.map(lambda x: np.zeros(x.shape), fresh)
  loaded = pretrained.from_torch(published[0])
  said = saying.message(lambda: pretrained.complete(loaded, fresh, 'a.npz'))
  assert 'model.block' in said
