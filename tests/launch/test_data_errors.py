"""Bad data: one line that names the file, exit code 1, nothing overwritten."""

import io

import folders
import numpy as np
import pytest
from launching import CAMVID, TINY, all_domains, assert_refused, launch
from PIL import Image

SIZE = (48, 64)  # height, width
FOLDERS = (
  *CAMVID,
  *TINY,
  *all_domains('size=(32,64)'),
  '--config.acquire.grid=(4,8)',
)
LABEL = 'labels/day_train/1.png'
IMAGE = 'images/day_train/1.png'


def png(labels):
  file = io.BytesIO()
  Image.fromarray(labels.astype(np.uint8)).save(file, 'png')
  return file.getvalue()


@pytest.fixture
def root(tmp_path):
  root = folders.three_classes(tmp_path / 'data', 3, SIZE)
  (root / 'splits').mkdir()
  for split in folders.SPLITS:
    names = [f'{split}/{i}' for i in range(3)]
    (root / f'splits/{split}.txt').write_text('\n'.join(names))
  return root


def run(root, workdir, *flags):
  where = (f'--config.data.root={root}', f'--workdir={workdir}')
  return launch(*FOLDERS, *where, *flags)


@pytest.mark.parametrize(
  ('file', 'spoilt', 'words'),
  [
    (LABEL, None, ['day_train/1']),
    (LABEL, png(np.zeros((10, 20))), ['day_train/1', '20x10', '64x48']),
    (LABEL, png(np.full(SIZE, 7)), ['day_train/1', '7']),
    (IMAGE, lambda content: content[:200], ['day_train/1']),
    ('splits/day_train.txt', b'', ['day_train']),
    ('classes.json', b'{"classes": ["road"', ['classes.json']),
  ],
  ids=['no label', 'size', 'label id', 'truncated', 'empty split', 'classes'],
)
def test_a_bad_file_is_named(root, tmp_path, file, spoilt, words):
  content = (root / file).read_bytes()
  if spoilt is None:
    (root / file).unlink()
  else:
    (root / file).write_bytes(spoilt(content) if callable(spoilt) else spoilt)
  assert_refused(run(root, tmp_path / 'run'), 1, *words)


def test_a_missing_root_is_named(tmp_path):
  root = tmp_path / 'data'
  assert_refused(run(root, tmp_path / 'run'), 1, str(root))


def test_a_split_that_only_a_later_stage_reads_is_looked_for_first(
  root, tmp_path
):
  workdir = tmp_path / 'run'
  done = run(root, workdir, '--config.data.evaluation.split=dusk_tset')
  assert_refused(done, 1, "no split 'dusk_tset'", 'dusk_test')
  assert not workdir.exists()
