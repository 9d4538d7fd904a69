"""Training on prepared data, without the files, gives the same result."""

import pathlib

import folders
import pytest
import trees
from launching import CAMVID, succeed
from outcome import scores

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
  '--config.acquire.k=10',
  '--config.acquire.batch_size=2',
)
ONE_PHASE = (
  '--config.uda.strategy=advent',
  '--config.uda.source_only_steps=0',
)


def official(root: pathlib.Path) -> None:
  trees.gta5(root / 'GTA5', 3, (64, 128))
  trees.synthia(root / 'SYNTHIA', 3, (64, 128))
  trees.cityscapes(root / 'Cityscapes', 'train', 4, (64, 128))
  trees.cityscapes(root / 'Cityscapes', 'val', 2, (64, 128))


@pytest.mark.slow
@pytest.mark.parametrize(
  ('config', 'split', 'extra'),
  [
    ('gta_active', 'val', ONE_PHASE),
    ('synthia_active', 'val', ONE_PHASE),
    ('camvid_dusk', 'dusk_test', ONE_PHASE),
  ],
)
def test_every_builder_can_be_trained_on(tmp_path, config, split, extra):
  root, built = tmp_path / 'data', tmp_path / 'built'
  if config == 'camvid_dusk':
    folders.three_classes(root, 3, (64, 128))
  else:
    official(root)
  named = (
    CAMVID if config == 'camvid_dusk' else (f'--config=configs/{config}.py',)
  )
  args = (*named, f'--config.data.root={root}', *SIZES)
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
    scores(tmp_path / way, f'adapt-{split}') for way in ('direct', 'prepared')
  )
  assert one['confusion'] == two['confusion']
