"""Coordinates of images that labels take over, as GIS programs read them."""

import sys

import numpy as np
import pytest
import rasterio
import using
from PIL import Image

from pointsup_jax import errors
from pointsup_jax.data import classes, palettes
from pointsup_jax.prediction import folder, georeference, inputs, segmenting

KINDS = classes.ClassSet(('road', 'car'), palettes.distinct(2))
LABELS = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
WHERE = rasterio.Affine(0.2, 0, 500_000, 0, -0.2, 4_000_000)


def write(tmp_path, name):
  about = {'ids': [7, 26]}
  out = folder.Folder(tmp_path / 'out', about, KINDS)
  picture = inputs.Picture(tmp_path / name, 'a')
  entropy = np.full(LABELS.shape, 0.5, np.float32)
  image = np.zeros((*LABELS.shape, 3), np.uint8)
  out.write(picture, image, segmenting.Prediction(LABELS, entropy))
  return tmp_path / 'out'


def geotiff(path):
  with rasterio.open(
    path, 'w', driver='GTiff', height=2, width=3, count=3, dtype='uint8',
    crs='EPSG:32633', transform=WHERE,
  ) as file:  # fmt: skip
    file.write(np.zeros((3, 2, 3), np.uint8))


def test_labels_of_a_geotiff_lie_where_it_does(tmp_path):
  geotiff(tmp_path / 'a.tif')
  out = write(tmp_path, 'a.tif')
  for tree, expected in (
    ('labels', [[7, 26, 26], [26, 7, 7]]),
    ('entropy', 128),
  ):
    with rasterio.open(out / tree / 'a.tif') as file:
      assert file.crs.to_epsg() == 32633
      assert file.transform == WHERE
      np.testing.assert_array_equal(
        file.read(1), np.broadcast_to(expected, (2, 3))
      )
      if tree == 'labels':
        colors = file.colormap(1)
        assert [colors[i][:3] for i in (7, 26)] == list(KINDS.palette)


def test_without_the_library_labels_are_pngs_and_it_is_said(
  tmp_path, monkeypatch
):
  geotiff(tmp_path / 'a.tif')
  monkeypatch.setitem(sys.modules, 'rasterio', None)
  assert not georeference.can_write()
  out = write(tmp_path, 'a.tif')
  assert [path.name for path in (out / 'labels').iterdir()] == ['a.png']


@pytest.mark.parametrize('name', ['a.pgw', 'a.tif'])
def test_nothing_is_written_through_a_link(name, tmp_path):
  geotiff(tmp_path / 'a.tif')
  (tmp_path / 'a.tfw').write_text('0.2\n0\n0\n-0.2\n500000\n4000000\n')
  mine = tmp_path / 'mine'
  mine.write_text('years of work')
  folder.Folder(tmp_path / 'out', {'ids': [7, 26]}, KINDS)
  (tmp_path / 'out/labels').mkdir()
  (tmp_path / 'out/labels' / name).symlink_to(mine)
  with pytest.raises(errors.UserError, match='leads out'):
    write(tmp_path, 'a.tif')
  assert mine.read_text() == 'years of work'


@pytest.mark.parametrize('world', ['a.jgw', 'a.jpgw', 'a.wld'])
def test_world_files_go_along(world, tmp_path):
  Image.new('RGB', (3, 2)).save(tmp_path / 'a.jpg')
  (tmp_path / world).write_text('0.2\n0\n0\n-0.2\n500000\n4000000\n')
  (tmp_path / 'a.prj').write_text('a coordinate system')
  out = write(tmp_path, 'a.jpg')
  with rasterio.open(out / 'labels/a.png') as file:
    assert (file.transform.a, file.transform.e) == (0.2, -0.2)
  for tree in ('labels', 'entropy', 'overlays'):
    assert (out / tree / 'a.prj').read_text() == 'a coordinate system'


def test_ordinary_images_get_nothing_beside(tmp_path):
  Image.new('RGB', (3, 2)).save(tmp_path / 'a.tif')
  out = write(tmp_path, 'a.tif')
  assert [path.name for path in (out / 'labels').iterdir()] == ['a.png']


def test_labels_show_their_colours_and_read_as_ids(tmp_path):
  Image.new('RGB', (3, 2)).save(tmp_path / 'a.png')
  out = write(tmp_path, 'a.png')
  ids = np.array([[7, 26, 26], [26, 7, 7]])
  np.testing.assert_array_equal(using.pixels(out / 'labels/a.png'), ids)
  shown = np.asarray(Image.open(out / 'labels/a.png').convert('RGB'))
  np.testing.assert_array_equal(shown, np.array(KINDS.palette)[LABELS])
