"""An image with labels and depth, and the shapes drawn on it.

World coordinates are in metres: x to the right, y up from the ground, z ahead.
The camera looks along z from `height` above the ground.
"""

import dataclasses

import numpy as np


def rgb(red: float, green: float, blue: float) -> np.ndarray:
  """A colour: [3] float32, 0..1."""
  return np.array((red, green, blue), np.float32)


def about(middle: float, half: float) -> tuple[float, float]:
  """The ends of what reaches `half` to either side of its middle."""
  return middle - half, middle + half


@dataclasses.dataclass
class Canvas:
  """The scene drawn so far, from far to near."""

  image: np.ndarray  # [H, W, 3] float32, 0..1
  labels: np.ndarray  # [H, W] uint8
  depth: np.ndarray  # [H, W] float32, metres
  focal: float  # pixels
  height: float  # of the camera, metres
  horizon: float  # row, pixels
  centre: float  # column of x = 0, pixels

  def column(self, x: float, z: float) -> float:
    """Returns the image column of a point."""
    return self.centre + self.focal * x / z

  def row(self, y: float, z: float) -> float:
    """Returns the image row of a point."""
    return self.horizon + self.focal * (self.height - y) / z

  def front(
    self,
    x: tuple[float, float],
    y: tuple[float, float],
    z: float,
    color: np.ndarray,
    label: int,
    thinnest: int = 1,
  ) -> tuple[slice, slice] | None:
    """Draws a rectangle facing the camera; returns its pixels, None if unseen.

    `x` is (left, right), `y` (bottom, top) and `z` the distance, in metres.
    Width and height are at least `thinnest` pixels.
    """
    box = self._box(
      self.column(x[0], z), self.column(x[1], z),
      self.row(y[1], z), self.row(y[0], z), thinnest,
    )  # fmt: skip
    if box is not None:
      self.image[box], self.labels[box], self.depth[box] = color, label, z
    return box

  def ellipse(
    self,
    x: tuple[float, float],
    y: tuple[float, float],
    z: float,
    color: np.ndarray,
    label: int,
    ragged: np.ndarray | None = None,
  ) -> None:
    """Draws an ellipse facing the camera; noise `ragged` [H, W] frays it."""
    left, right = self.column(x[0], z), self.column(x[1], z)
    top, bottom = self.row(y[1], z), self.row(y[0], z)
    box = self._box(left, right, top, bottom, 1)
    if box is None:
      return
    u = (np.arange(box[1].start, box[1].stop) + 0.5 - left) / (right - left)
    v = (np.arange(box[0].start, box[0].stop) + 0.5 - top) / (bottom - top)
    distance = (2 * u - 1)[None] ** 2 + (2 * v - 1)[:, None] ** 2
    if ragged is not None:
      noise = ragged[box]
      color = color * (0.75 + 0.5 * noise[..., None])
      self._paint(box, distance < 0.55 + 0.9 * noise, color, label, z)
    else:
      self._paint(box, distance < 1, color, label, z)

  def side(
    self,
    x: float,
    y: tuple[float, float],
    z: tuple[float, float],
    color: np.ndarray,
    label: int,
  ) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray, np.ndarray] | None:
    """Draws a wall along z, to the left or right of the camera.

    Returns slices of its bounding box, the mask [h, w] of pixels drawn, their
    distance z [1, w] and height y [h, w]; None if nothing is visible.
    """
    if abs(x) < 1e-3:
      return None
    near, far = max(z[0], 0.3), z[1]
    ends = self.column(x, near), self.column(x, far)
    box = self._box(
      min(ends), max(ends), min(self.row(y[1], near), self.row(y[1], far)),
      max(self.row(y[0], near), self.row(y[0], far)), 1,
    )  # fmt: skip
    if box is None:
      return None
    columns = np.arange(box[1].start, box[1].stop) + 0.5 - self.centre
    columns = np.where(np.abs(columns) < 0.5, np.copysign(0.5, x), columns)
    distance = np.clip(self.focal * x / columns, near, far)[None]
    rows = np.arange(box[0].start, box[0].stop)[:, None] + 0.5 - self.horizon
    heights = self.height - rows * distance / self.focal
    mask = (heights >= y[0]) & (heights < y[1])
    self._paint(box, mask, color, label, distance)
    return box, mask, distance, heights

  def _paint(
    self,
    box: tuple[slice, slice],
    mask: np.ndarray,
    color: np.ndarray,
    label: int,
    z: float | np.ndarray,
  ) -> None:
    np.copyto(self.image[box], color, where=mask[..., None])
    np.copyto(self.labels[box], label, where=mask, casting='unsafe')
    np.copyto(self.depth[box], z, where=mask, casting='unsafe')

  def _box(
    self, left: float, right: float, top: float, bottom: float, thinnest: int
  ) -> tuple[slice, slice] | None:
    """Returns a rectangle's pixels as slices; None outside the image."""
    height, width = self.labels.shape
    x0, y0 = round(left), round(top)
    x1, y1 = max(round(right), x0 + thinnest), max(round(bottom), y0 + thinnest)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    return (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None
