"""What DeepLab's heads need of the network below them.

A backbone is a Flax module in a file of its own. It turns preprocessed images
[B, H, W, 3] and `train` into `Features`, has a `layout`, and converts uint8 RGB
to its input in `preprocess`. Its file lists the names of its weights, here and
in torch: `MODULES`, with `FIELDS`. What it draws at random in training it draws
by the key `dropout` of a pass, and leaves out where there is none.
"""

from typing import Generic, NamedTuple, TypeVar

T = TypeVar('T')


class Features(NamedTuple, Generic[T]):
  """What the network's parts see, [B, h, w, D], or a fact about each."""

  stem: T
  conv2: T
  conv3: T
  conv4: T  # read by the aux head, mostly
  conv5: T  # read by the main head


class Layout(NamedTuple):
  """Facts about features.

  Attributes:
    channels: D of each.
    strides: pixels from a position to the next, of each.
    on_pixels: whether position i of stride s lies on pixel s * i, of images
      whose sides are multiples of the largest stride, plus 1. If not, corners
      of features and images are taken to be the same, as in published ResNets.
    dilations: of the heads' convolutions.
    fused: channels in which the main head joins conv2 to conv5, as SegFormer's
      does, for logits that lie where conv2 does. 0: it reads conv5.
  """

  channels: Features[int]
  strides: Features[int]
  on_pixels: bool
  dilations: tuple[int, ...]
  fused: int = 0
