import os

import pytest
import trees
from launching import assert_refused, launch, succeed, tiny
from PIL import Image


def dry_run(*args, execute=succeed):
  """Runs without a jax device: requesting one would fail."""
  env = os.environ | {'JAX_PLATFORMS': 'nothing'}
  return execute(*args, '--dry_run', env=env)


def test_it_says_what_a_run_would_do_without_a_device_or_a_file(tmp_path):
  done = dry_run(*tiny(tmp_path / 'run'))
  assert done.stderr == ''
  assert '4 images, 200 points' in done.stdout
  for stage in ('uda', 'acquire', 'annotate', 'adapt', 'evaluate'):
    assert f'\n{stage}: to do' in done.stdout
  assert list(tmp_path.iterdir()) == []


def test_data_sets_on_disk_are_found_and_counted(tmp_path):
  """Also if opening them prints messages."""
  trees.gta5(tmp_path / 'GTA5', 3, (96, 160))
  trees.cityscapes(tmp_path / 'Cityscapes', 'train', 4, (64, 128))
  trees.cityscapes(tmp_path / 'Cityscapes', 'val', 2, (64, 128))
  label = min((tmp_path / 'GTA5/labels').iterdir())
  trees.save(label, Image.new('P', (8, 8)))
  before = sorted(tmp_path.rglob('*'))
  done = dry_run(
    '--config=configs/gta_active.py',
    f'--config.data.root={tmp_path}',
    '--config.annotate.oracle=human',
    f'--workdir={tmp_path / "run"}',
  )
  assert '1 of 3 pairs are left out' in done.stderr
  lines = done.stdout.splitlines()
  where = f'in {tmp_path}'
  assert f'source: gta5 all {where}: 2 images, seen at 760x1280' in lines
  target = f'target: cityscapes train {where}: 4 images, seen at 512x1024'
  assert target in lines
  assert '  intrada inter: 120,000 steps, to do' in lines
  assert '  4 images, 200 points' in lines
  assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize(
  ('args', 'code', 'words'),
  [
    (['--config.acquire.k=129'], 2, ['acquire.k', '129', '128']),
    (['--stage=adapt'], 2, ['annotate']),
    (['--overwrite'], 2, ['--overwrite']),
    (['--config.data.source.dataset=cityscapes'], 1, ['leftImg8bit/train']),
  ],
)
def test_what_a_run_would_refuse_is_refused(tmp_path, args, code, words):
  done = dry_run(*tiny(tmp_path / 'run', *args), execute=launch)
  assert_refused(done, code, *words)
  assert list(tmp_path.iterdir()) == []
