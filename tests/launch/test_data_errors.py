"""Bad data: one line that names the file, exit code 1, nothing overwritten."""

import json

import numpy as np
import pytest
from launching import TINY, assert_refused, launch
from PIL import Image

SIZE = (48, 64)  # height, width
FOLDERS = (
  '--config=configs/camvid_dusk.py',
  *TINY,
  '--config.data.source.size=(32,64)',
  '--config.data.target.size=(32,64)',
  '--config.data.evaluation.size=(32,64)',
  '--config.acquire.grid=(4,8)',
)


@pytest.fixture
def root(tmp_path):
  """A tiny image folder with the splits of camvid_dusk."""
  rng = np.random.default_rng(0)
  root = tmp_path / 'data'
  for split in ('day_train', 'dusk_train', 'dusk_test'):
    for part in ('images', 'labels', 'splits'):
      (root / part / split).parent.mkdir(parents=True, exist_ok=True)
    names = [f'{split}/{i}' for i in range(3)]
    for name in names:
      for part in ('images', 'labels'):
        (root / part / name).parent.mkdir(parents=True, exist_ok=True)
      image = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
      labels = rng.integers(0, 3, SIZE, dtype=np.uint8)
      Image.fromarray(image).save(root / 'images' / f'{name}.png')
      Image.fromarray(labels).save(root / 'labels' / f'{name}.png')
    (root / 'splits' / f'{split}.txt').write_text('\n'.join(names))
  (root / 'classes.json').write_text(
    json.dumps({'classes': ['road', 'car', 'sky'], 'ignore_id': 3})
  )
  return root


def run(root, workdir):
  return launch(*FOLDERS, f'--config.data.root={root}', f'--workdir={workdir}')


def spoil_missing_root(root):
  root.rename(root.with_name('elsewhere'))
  return [str(root)]


def spoil_missing_label(root):
  (root / 'labels/day_train/1.png').unlink()
  return ['day_train/1']


def spoil_size(root):
  path = root / 'labels/day_train/1.png'
  Image.fromarray(np.zeros((10, 20), np.uint8)).save(path)
  return ['day_train/1', '20x10', '64x48']


def spoil_label_id(root):
  path = root / 'labels/day_train/1.png'
  Image.fromarray(np.full(SIZE, 7, np.uint8)).save(path)
  return ['day_train/1', '7']


def spoil_truncated(root):
  path = root / 'images/day_train/1.png'
  path.write_bytes(path.read_bytes()[:200])
  return ['day_train/1']


def spoil_empty_split(root):
  (root / 'splits/day_train.txt').write_text('')
  return ['day_train']


def spoil_classes(root):
  (root / 'classes.json').write_text('{"classes": ["road"')
  return ['classes.json']


@pytest.mark.parametrize(
  'spoil',
  [
    spoil_missing_root,
    spoil_missing_label,
    spoil_size,
    spoil_label_id,
    spoil_truncated,
    spoil_empty_split,
    spoil_classes,
  ],
)
def test_bad_data(root, tmp_path, spoil):
  words = spoil(root)
  assert_refused(run(root, tmp_path / 'run'), 1, *words)


def test_a_split_that_only_a_later_stage_reads_is_looked_for_first(
  root, tmp_path
):
  workdir = tmp_path / 'run'
  done = launch(
    *FOLDERS,
    f'--config.data.root={root}',
    f'--workdir={workdir}',
    '--config.data.evaluation.split=dusk_tset',
  )
  assert_refused(done, 1, "no split 'dusk_tset'", 'dusk_test')
  assert not workdir.exists()
