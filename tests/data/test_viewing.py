import numpy as np
import pytest
import trees

from configs import camvid_dusk, streets_active
from pointsup_jax import errors
from pointsup_jax.data import classes, domains, transforms


def viewed(config):
  return domains.open_for_viewing(
    config.data, 'target', classes=domains.classes_of(config.data), seed=0
  )


def test_scenes_are_drawn_larger_with_the_same_layout():
  config = streets_active.get_config()
  config.data.target.length = 2
  small = domains.open_domain(
    config.data, 'target', classes=classes.CITYSCAPES, seed=0, labelled=False
  )
  large = viewed(config)
  assert large.names == small.names
  assert large[1].image.shape == (480, 960, 3)
  shrunk = transforms.resize_image(large[1].image, (96, 192)).astype(float)
  assert np.abs(shrunk - small[1].image).mean() < 12
  assert np.abs(shrunk - small[0].image).mean() > 24
  assert config.data.target.size == (96, 192)


def test_files_are_shown_as_they_are_on_disk(tmp_path):
  image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
  trees.save(tmp_path / 'images/a.png', image)
  (tmp_path / 'classes.json').write_text('{"classes": ["a", "b"]}')
  config = camvid_dusk.get_config()
  config.data.root = str(tmp_path)
  config.data.target.update(root='', split='', size=(32, 64))
  np.testing.assert_array_equal(viewed(config)[0].image, image)
  config.data.update(root=str(tmp_path / 'images'), classes='cityscapes')
  with pytest.raises(errors.UserError):
    viewed(config)
