"""Random changes of images within a training step."""

from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.types import IGNORE, Array, Batch

T = TypeVar('T')

JITTER = 0.2  # of brightness, contrast, saturation and hue
JITTER_SHARE = 0.8  # of the images
BLUR_SHARE = 0.5
BLUR_SIGMA = (0.15, 1.15)  # pixels
_RADIUS = 4  # of the blur's kernel, pixels
# RGB to YIQ: luma, and a plane in which a hue is an angle.
_YIQ = np.array(
  (
    (0.299, 0.587, 0.114),
    (0.5959, -0.2746, -0.3213),
    (0.2115, -0.5227, 0.3112),
  )
)


def class_mix(
  key: jax.Array, source: Batch, target: Batch, num_classes: int
) -> Batch:
  """Pastes half of each source image's classes onto a target image.

  ClassMix (Olsson et al., WACV 2021). Of a larger source image a random window
  counts; a smaller one is placed at random. The labels are the source's where
  it is pasted and the target's elsewhere, and so are the weights, 1 and the
  target's.
  """
  batch, height, width = target.labels.shape
  keys = jax.random.split(key, batch)

  def one(
    key: jax.Array, image: jax.Array, labels: jax.Array
  ) -> tuple[jax.Array, jax.Array, jax.Array]:
    of_window, of_classes = jax.random.split(key)
    image, labels = _padded_window(of_window, image, labels, (height, width))
    chosen = half_of_classes(of_classes, labels, num_classes)
    return image, labels, chosen

  images, labels, pasted = jax.vmap(one)(
    keys, jnp.asarray(source.images), jnp.asarray(source.labels)
  )
  assert target.weights is not None
  return Batch(
    images=jnp.where(pasted[..., None], images, target.images),
    labels=jnp.where(pasted, labels, target.labels),
    weights=jnp.where(pasted, 1.0, target.weights),
  )


def half_of_classes(
  key: jax.Array, labels: jax.Array, num_classes: int
) -> jax.Array:
  """Pixels [H, W] bool of a random half, rounded up, of the classes there."""
  present = jnp.zeros(num_classes, bool).at[labels].set(True, mode='drop')
  order = jnp.where(present, jax.random.uniform(key, (num_classes,)), 2.0)
  rank = jnp.argsort(jnp.argsort(order))
  chosen = present & (rank < (jnp.sum(present) + 1) // 2)
  of_label = jnp.zeros(IGNORE + 1, bool).at[:num_classes].set(chosen)
  return of_label[labels]


def _padded_window(
  key: jax.Array, image: jax.Array, labels: jax.Array, size: tuple[int, int]
) -> tuple[jax.Array, jax.Array]:
  """A random window [*size]; what lies outside of the image is ignored."""
  short = (max(size[0] - labels.shape[0], 0), max(size[1] - labels.shape[1], 0))
  padding = [(x, x) for x in short]
  image = jnp.pad(image, (*padding, (0, 0)))
  labels = jnp.pad(labels, padding, constant_values=IGNORE)
  return window(key, (image, labels), size)


def window(key: jax.Array, fields: T, size: tuple[int, int]) -> T:
  """A random window [*size, ...], the same of all fields [H, W, ...]."""
  old = jax.tree.leaves(fields)[0].shape[:2]
  most = jnp.array(old) - jnp.array(size)
  row, col = jax.random.randint(key, (2,), 0, most + 1)
  return jax.tree.map(
    lambda x: jax.lax.dynamic_slice(
      x, (row, col, 0)[: x.ndim], (*size, *x.shape[2:])
    ),
    fields,
  )


def jitter(key: jax.Array, images: Array) -> jax.Array:
  """Changes the colours of most images and blurs half: [B, H, W, 3] uint8.

  Brightness, contrast and saturation are multiplied by 1 - `JITTER` to 1 +
  `JITTER`, and hue is turned by as much of a full turn.
  """
  images = jnp.asarray(images)
  keys = jax.random.split(key, images.shape[0])
  changed = jax.vmap(_jitter_one)(keys, images.astype(jnp.float32))
  return jnp.clip(jnp.round(changed), 0, 255).astype(jnp.uint8)


def _jitter_one(key: jax.Array, image: jax.Array) -> jax.Array:
  of_colours, of_amounts, of_blur, of_sigma = jax.random.split(key, 4)
  coloured = recolour(of_amounts, image, JITTER)
  image = jnp.where(
    jax.random.uniform(of_colours) < JITTER_SHARE, coloured, image
  )
  low, high = BLUR_SIGMA
  sigma = jax.random.uniform(of_sigma, minval=low, maxval=high)
  blurred = _blurred(image, sigma)
  return jnp.where(jax.random.uniform(of_blur) < BLUR_SHARE, blurred, image)


def recolour(key: jax.Array, image: jax.Array, strength: float) -> jax.Array:
  """Changes colours of [H, W, 3], 0..255, by up to `strength`, 0 to 1.

  What it means is in `jitter`, whose strength is `JITTER`.
  """
  amounts = jax.random.uniform(key, (4,), minval=-strength, maxval=strength)
  return _colours(image, amounts)


def _colours(image: jax.Array, amounts: jax.Array) -> jax.Array:
  """Changes brightness, contrast, saturation and hue of [H, W, 3], 0..255."""
  brightness, contrast, saturation, hue = amounts
  luma = jnp.array(_YIQ[0], jnp.float32)
  image = jnp.clip(image * (1 + brightness), 0, 255)
  mean = jnp.mean(image @ luma)
  image = jnp.clip(mean + (image - mean) * (1 + contrast), 0, 255)
  grey = (image @ luma)[..., None]
  image = jnp.clip(grey + (image - grey) * (1 + saturation), 0, 255)
  turn = 2 * jnp.pi * hue
  cos, sin = jnp.cos(turn), jnp.sin(turn)
  rotation = jnp.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
  matrix = jnp.array(np.linalg.inv(_YIQ)) @ rotation @ jnp.array(_YIQ)
  return jnp.clip(image @ matrix.T, 0, 255)


def _blurred(image: jax.Array, sigma: jax.Array) -> jax.Array:
  """Gaussian blur of [H, W, 3]; edges are repeated."""
  offsets = jnp.arange(-_RADIUS, _RADIUS + 1)
  kernel = jnp.exp(-0.5 * (offsets / sigma) ** 2)
  kernel /= jnp.sum(kernel)
  for axis in (0, 1):
    padding = [(0, 0)] * 3
    padding[axis] = (_RADIUS, _RADIUS)
    wide = jnp.pad(image, padding, mode='edge')
    size = image.shape[axis]
    image = sum(
      (
        weight * jax.lax.slice_in_dim(wide, i, i + size, axis=axis)
        for i, weight in enumerate(kernel)
      ),
      start=jnp.zeros_like(image),
    )
  return image


def hide_blocks(
  key: jax.Array, images: Array, block: int, share: float
) -> jax.Array:
  """Hides a share of the blocks of pixels behind the image's mean colour."""
  images = jnp.asarray(images)
  batch, height, width, _ = images.shape
  grid = (batch, -(-height // block), -(-width // block))
  hidden = jax.random.uniform(key, grid) < share
  hidden = jnp.repeat(jnp.repeat(hidden, block, 1), block, 2)
  mean = jnp.mean(images.astype(jnp.float32), (1, 2), keepdims=True)
  return jnp.where(
    hidden[:, :height, :width, None], mean.astype(images.dtype), images
  )
