import numpy as np
import pytest

from pointsup_jax.annotation.exchange import crops


@pytest.mark.parametrize('pixel', [(0, 0), (63, 127), (0, 127), (30, 40)])
@pytest.mark.parametrize('shown', [(64, 128), (128, 256), (129, 383)])
def test_the_pixel_is_in_the_middle_and_free(pixel, shown):
  rng = np.random.default_rng(0)
  image = rng.integers(0, 120, (*shown, 3)).astype(np.uint8)
  top, left = np.floor(np.array(pixel) * shown / (64, 128)).astype(int)
  bottom, right = np.ceil((np.array(pixel) + 1) * shown / (64, 128)).astype(int)
  picture = crops.crop(image, pixel, (64, 128))
  assert picture.shape == (768, 768, 3)
  middle = np.array([(top + bottom) // 2, (left + right) // 2])
  y, x = 384 - (middle - (top, left)) * 3
  block = image[top:bottom, left:right].repeat(3, axis=0).repeat(3, axis=1)
  seen = picture[y : y + block.shape[0], x : x + block.shape[1]]
  np.testing.assert_array_equal(seen, block)
  for far in ([-90, -70], [-90, 70], [90, -70], [90, 70]):
    row, col = middle + far
    inside = 0 <= row < shown[0] and 0 <= col < shown[1]
    np.testing.assert_array_equal(
      picture[tuple(384 + np.array(far) * 3 + 1)],
      image[row, col] if inside else 0,
    )
  assert (picture == 255).all(-1).sum() > 4 * 30  # the cross
