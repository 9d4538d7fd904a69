"""Random changes of training images and all that is known of their pixels.

A change depends on a seed, the step and the image's name alone: neither on the
other images of the batch, nor on devices and hosts, nor on where a run resumed.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pointsup_jax.types import IGNORE, Array, Batch, Pair
from pointsup_jax.uda import augmenting

# Scales are whole multiples of 1 / UNIT: where a pixel goes is then a matter of
# integers, exact on every device.
UNIT = 1024
_NONE = 256 + IGNORE  # see `carry_points`


@dataclasses.dataclass(frozen=True)
class Augmentation:
  """How a domain's images are changed; the default leaves them as they are.

  Attributes:
    mirror: probability of exchanging left and right.
    scale: least and largest factor of both sides, drawn evenly.
    crop: (height, width) of a random window; None: the image's size. It must
      lie within the image at its least scale: nothing is padded.
    jitter: strength of colour changes, 0 to 1; see `augmenting.recolour`.
    seed: of all random choices.
  """

  mirror: float = 0.0
  scale: tuple[float, float] = (1.0, 1.0)
  crop: tuple[int, int] | None = None
  jitter: float = 0.0
  seed: int = 0

  @property
  def units(self) -> tuple[int, int]:
    """The least and largest scale in multiples of 1 / `UNIT`."""
    low, high = self.scale
    return round(low * UNIT), round(high * UNIT)

  def fits(self, size: tuple[int, int]) -> bool:
    """Whether the window lies within any image of this (height, width)."""
    crop, least = self.crop or size, self.units[0]
    return all(
      wanted * UNIT <= side * least
      for wanted, side in zip(crop, size, strict=True)
    )


class Pixels(NamedTuple):
  """What is known of the pixels of one image."""

  image: jax.Array  # [H, W, 3] uint8
  labels: jax.Array  # [H, W] uint8, and so on as in `Batch`
  answered: jax.Array | None
  depth: jax.Array | None


def of_pair(
  pair: Pair, augmentations: Mapping[str, Augmentation], step: Array
) -> Pair:
  """Changes the batches of the domains that have an augmentation."""
  changed = {
    domain: augmented(getattr(pair, domain), how, step)
    for domain, how in augmentations.items()
  }
  return pair._replace(**changed)


def augmented(batch: Batch, how: Augmentation, step: Array) -> Batch:
  """Mirrors, scales, crops and recolours images, in this order.

  Labels, answers and depth move with the pixels. Depth keeps its values: to
  enlarge an image is not to approach what it shows.

  Args:
    batch: with `ids`; images of uint8, which the crop of `how` fits.
    how: what to do.
    step: steps done, integer scalar.

  Returns:
    The batch without ids, of the size of the crop.
  """
  assert batch.ids is not None
  assert how.fits((batch.labels.shape[1], batch.labels.shape[2]))
  key = jax.random.fold_in(jax.random.key(how.seed), step)
  keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.asarray(batch.ids))
  fields = (batch.images, batch.labels, batch.answered, batch.depth)
  pixels = Pixels(*jax.tree.map(jnp.asarray, fields))
  return Batch(*jax.vmap(functools.partial(_one, how=how))(keys, pixels))


def _one(key: jax.Array, pixels: Pixels, *, how: Augmentation) -> Pixels:
  of_mirror, of_window, of_scale, of_colours = jax.random.split(key, 4)
  if how.mirror:
    turned = jax.random.uniform(of_mirror) < how.mirror
    pixels = jax.tree.map(lambda x: jnp.where(turned, x[:, ::-1], x), pixels)
  height, width = pixels.labels.shape
  size = how.crop or (height, width)
  least, most = how.units
  if most > UNIT or least < UNIT:
    scale = jax.random.randint(of_scale, (), least, most + 1)
    room = jnp.array((height, width)) * scale // UNIT - jnp.array(size)
    offset = jax.random.randint(of_window, (2,), 0, room + 1)
    pixels = zoom(pixels, scale, offset, size=size, least=least)
  elif how.crop:
    pixels = augmenting.window(of_window, pixels, size)
  if how.jitter:
    image = pixels.image.astype(jnp.float32)
    image = augmenting.recolour(of_colours, image, how.jitter)
    pixels = pixels._replace(image=jnp.round(image).astype(jnp.uint8))
  return pixels


def zoom(
  pixels: Pixels,
  scale: jax.Array,
  offset: jax.Array,
  *,
  size: tuple[int, int],
  least: int,
) -> Pixels:
  """A window of an image that is scale / `UNIT` times as large.

  Images are interpolated linearly, with antialiasing; of all else a pixel takes
  what lies at its centre. Labels that come with answers are points, which
  `carry_points` keeps.

  Args:
    pixels: of the whole image.
    scale: integer scalar, at least `least`.
    offset: [2] integers: row and column of the window in the scaled image.
    size: (height, width) of the window.
    least: the smallest scale there is.
  """
  new_rows, new_cols = (jnp.arange(n) + offset[i] for i, n in enumerate(size))
  rows, cols = ((2 * x + 1) * UNIT // (2 * scale) for x in (new_rows, new_cols))
  image = jax.image.scale_and_translate(
    pixels.image.astype(jnp.float32),
    (*size, 3),
    spatial_dims=(0, 1),
    scale=jnp.full(2, scale / UNIT),
    translation=-offset.astype(jnp.float32),
    method='linear',
  )
  labels, answered, depth = jax.tree.map(
    lambda x: x[rows][:, cols], (pixels.labels, pixels.answered, pixels.depth)
  )
  if pixels.answered is not None and least < UNIT:
    landing = [
      (2 * jnp.arange(n) + 1) * scale // (2 * UNIT) - offset[i]
      for i, n in enumerate(pixels.labels.shape)
    ]
    labels, answered = carry_points(
      (pixels.labels, pixels.answered), (labels, answered), landing, least
    )
  return Pixels(jnp.round(image).astype(jnp.uint8), labels, answered, depth)


def carry_points(
  old: tuple[jax.Array, jax.Array],
  new: tuple[jax.Array, jax.Array],
  landing: list[jax.Array],
  least: int,
) -> tuple[jax.Array, jax.Array]:
  """Keeps the points of a window of an image that may have shrunk.

  Shrinking skips pixels, so those at the new centres miss some of the points;
  enlarging shows each of them. Here every point of the window goes where its
  pixel's centre lands. Of several in one pixel answers come first, then the
  guess at the centre, then the smallest label: a class before an unknown one.

  Args:
    old: labels [H, W] uint8 and answers [H, W] bool of the whole image.
    new: the same of the window, as they are at the centres of its pixels.
    landing: of each row [H] and each column [W], ascending, that of the window;
      what lands outside is left out.
    least: the smallest scale there is, in multiples of 1 / `UNIT`.

  Returns:
    Labels and answers of the window.
  """
  # Answers are 0 to 255, guesses are from 256 on.
  whole, central = (
    labels + jnp.where(answered, 0, 256).astype(jnp.uint16)
    for labels, answered in (old, new)
  )
  most = -(-UNIT // least)  # rows, or columns, that land in one
  landed = _least_landing(whole, landing[0], central.shape[0], most)
  landed = _least_landing(landed.T, landing[1], central.shape[1], most).T
  best = jnp.where((landed < 256) | (central == _NONE), landed, central)
  return (best % 256).astype(jnp.uint8), best < 256


def _least_landing(
  codes: jax.Array, landing: jax.Array, count: int, most: int
) -> jax.Array:
  """The smallest of the rows [H, W] that land in each of `count` rows."""
  new = jnp.arange(count)
  first = jnp.sum(landing < new[:, None], axis=1)
  found = jnp.full((count, codes.shape[1]), _NONE, codes.dtype)
  for i in range(most):
    row = jnp.minimum(first + i, len(landing) - 1)
    lands = (landing[row] == new)[:, None]
    found = jnp.minimum(found, jnp.where(lands, codes[row], _NONE))
  return found
