"""Random numbers, colours and a canvas to draw a scene with."""

from collections.abc import Callable

import numpy as np

from pointsup_jax.data.streets import labels, looks
from pointsup_jax.data.streets.canvas import Canvas

# Metres; at a larger depth, haze would hide the sky.
SKY_DEPTH = 60.0

Thing = tuple[float, Callable[[], None]]  # distance, draw function


class Kit:
  """The look, random numbers and canvas of one scene."""

  def __init__(
    self,
    look: looks.Look,
    size: tuple[int, int],
    layout: np.random.SeedSequence,
    pixels: np.random.SeedSequence,
  ) -> None:
    self.look = look
    # Two streams, so that the layout does not depend on the image size.
    self.rng = rng = np.random.default_rng(layout)
    self.pixel_rng = np.random.default_rng(pixels)
    self.noise = self.pixel_rng.random(size, np.float32)
    height, width = size
    self.canvas = Canvas(
      image=np.empty((*size, 3), np.float32),
      labels=np.full(size, labels.SKY, np.uint8),
      depth=np.full(size, SKY_DEPTH, np.float32),
      focal=self.uniform(look.focal) * width,
      height=self.uniform(look.camera_height),
      horizon=self.uniform(look.horizon) * height,
      centre=self.uniform((0.42, 0.58)) * width,
    )
    # Drawn at once for speed.
    self._color_noise = rng.standard_normal((256, 4), np.float32)
    self._color_noise *= np.float32(look.color_spread)
    self._color_noise[:, 0] += 1
    self._color_noise[:, 1:] /= 4
    self._colors_taken = 0
    self.shade = self.uniform((0.6, 0.9))  # of faces turned from the light

  def uniform(self, bounds: tuple[float, float]) -> float:
    """Draws a random number within bounds."""
    return bounds[0] + (bounds[1] - bounds[0]) * self.rng.random()

  def chance(self, probability: float) -> bool:
    """True with this probability."""
    return self.rng.random() < probability

  def color(self, name: str) -> np.ndarray:
    """Picks one of the look's colours for a kind of thing and varies it."""
    choices = self.look.colors[name]
    color = choices[int(self.rng.random() * len(choices))]
    self._colors_taken += 1
    off = self._color_noise[self._colors_taken % len(self._color_noise)]
    return color * off[0] + off[1:]
