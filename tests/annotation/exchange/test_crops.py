import dataclasses

import numpy as np
import people
import pytest
import saying
from PIL import Image

from pointsup_jax.annotation.exchange import crops, exporting


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


@pytest.mark.parametrize('name', ['../../precious', '/tmp/precious', 'link/a'])
@pytest.mark.parametrize('kind', ['crops', 'labelme'])
def test_no_name_in_a_store_leads_out_of_the_folder(
  store, tmp_path, name, kind
):
  folder, images = tmp_path / 'a/b/out', tmp_path / 'images'
  for path in (folder, images, tmp_path / 'other'):
    path.mkdir(parents=True)
  (folder / 'link').symlink_to(tmp_path / 'other')
  people.fill(store, (64, 128), [name], 1)
  order = exporting.prepare(
    store, exporting.select(store, 'open'), size=(64, 128),
    words=people.CITYSCAPES,
  )  # fmt: skip
  there = sorted(tmp_path.rglob('*'))

  def write():
    if kind == 'labelme':
      return exporting.write(order, 'labelme', folder)
    Image.new('RGB', (128, 64)).save(images / 'a.png')
    there.append(images / 'a.png')
    file = exporting.ImageFile('a.png', (64, 128))
    files = dict.fromkeys(order.files, file)
    return crops.write(dataclasses.replace(order, files=files), images, folder)

  assert 'leads out of' in saying.message(write)
  assert sorted(tmp_path.rglob('*')) == sorted(there)
