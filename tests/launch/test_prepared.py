"""Training on builds, the files being gone, gives what the files gave."""

import json
import pathlib

import numpy as np
import pytest
import trees
from launching import succeed
from PIL import Image

SIZES = (
  '--config.data.source.size=(40,64)',
  '--config.data.target.size=(32,64)',
  '--config.data.evaluation.size=(32,64)',
)
SMALL = (
  '--config.model.blocks=(1,1,1,1)',
  '--config.model.width=8',
  '--config.model.discriminator_width=8',
  '--config.uda.steps=2',
  '--config.adapt.steps=2',
  '--config.acquire.grid=(4,8)',
  '--config.acquire.batch_size=2',
)


def official(root: pathlib.Path) -> None:
  trees.gta5(root / 'GTA5', 3, (64, 128))
  trees.synthia(root / 'SYNTHIA', 3, (64, 128))
  trees.cityscapes(root / 'Cityscapes', 'train', 4, (64, 128))
  trees.cityscapes(root / 'Cityscapes', 'val', 2, (64, 128))


def folders(root: pathlib.Path) -> None:
  for split in ('day_train', 'dusk_train', 'dusk_test'):
    for i in range(3):
      image, labels = trees.scene('camera', len(split) + i, (64, 128))
      trees.save(root / f'images/{split}/{i}.png', Image.fromarray(image))
      ids = np.where(labels == 255, 255, labels % 3).astype(np.uint8)
      trees.save(root / f'labels/{split}/{i}.png', Image.fromarray(ids))
  (root / 'classes.json').write_text('{"classes": ["a", "b", "c"]}')


@pytest.mark.parametrize(
  ('config', 'make', 'extra'),
  [
    ('gta_active', official, ()),
    ('synthia_active', official, ()),
    ('camvid_dusk', folders, ('--config.uda.source_only_steps=2',)),
  ],
)
def test_every_builder_can_be_trained_on(tmp_path, config, make, extra):
  root, built = tmp_path / 'data', tmp_path / 'built'
  make(root)
  args = (
    f'--config=configs/{config}.py', f'--config.data.root={root}', *SIZES
  )  # fmt: skip
  succeed(*args, f'--config.data.prepared={built}', program='prepare')
  args = (*args, *SMALL, *extra)
  direct = succeed(*args, f'--workdir={tmp_path / "direct"}')
  for path in root.rglob('*.png'):
    path.unlink()
  prepared = succeed(
    *args, f'--workdir={tmp_path / "prepared"}',
    f'--config.data.prepared={built}',
  )  # fmt: skip
  assert prepared.stdout == direct.stdout
  one, two = (
    next((tmp_path / way / 'evaluate').glob('adapt-*.json')).read_text()
    for way in ('direct', 'prepared')
  )
  assert json.loads(one)['confusion'] == json.loads(two)['confusion']
