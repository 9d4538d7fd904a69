"""Predictions from `evaluate`, scored by the official evaluator.

It needs another NumPy: POINTSUP_CITYSCAPES_PYTHON names the Python of an
environment with cityscapesscripts (.ci/run makes one).
"""

import json
import os
import subprocess

import numpy as np
import pytest
import trees
from launching import all_domains, succeed, tiny

PYTHON = os.environ.get('POINTSUP_CITYSCAPES_PYTHON')
# Its main reads sys.argv; instances are not labelled here.
SCRIPT = """
import sys
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as e
e.args.evalInstLevelScore = False
e.args.exportFile = sys.argv.pop()
e.main()
"""


@pytest.mark.slow
@pytest.mark.skipif(
  not PYTHON, reason='POINTSUP_CITYSCAPES_PYTHON names no environment'
)
def test_the_official_evaluator_finds_the_same(tmp_path):
  data, workdir = tmp_path / 'data', tmp_path / 'run'
  trees.gta5(data / 'GTA5', 4, (64, 128))
  trees.cityscapes(data / 'Cityscapes', 'train', 2, (64, 128))
  trees.cityscapes(data / 'Cityscapes', 'val', 4, (128, 256))
  flags = (
    *tiny(workdir, f'--config.data.root={data}'),
    '--config.data.source.dataset=gta5',
    '--config.data.source.root=GTA5',
    '--config.data.source.split=all',
    '--config.data.evaluation.dataset=cityscapes',
    '--config.data.evaluation.root=Cityscapes',
    '--config.data.evaluation.split=val',
    '--config.evaluate.save_predictions',
    '--config.uda.source_only_steps=30',
    *all_domains('size=(64,128)'),
  )
  for stage in ('uda', 'evaluate'):
    succeed(*flags, f'--stage={stage}')
  ours = json.loads((workdir / 'evaluate/source_only-val.json').read_text())
  environment = {
    **os.environ,
    'CITYSCAPES_DATASET': str(data / 'Cityscapes'),
    'CITYSCAPES_RESULTS': str(workdir / 'evaluate/source_only-val'),
  }
  out = tmp_path / 'official.json'
  done = subprocess.run(
    [PYTHON, '-c', SCRIPT, str(out)],
    env=environment, capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  theirs = json.loads(out.read_text())
  assert 0.01 < theirs['averageScoreClasses'] < 0.9
  np.testing.assert_allclose(
    ours['miou'], theirs['averageScoreClasses'], rtol=0, atol=1e-9
  )
  found = np.array(ours['iou'], float)  # None becomes NaN
  official = [theirs['classScores'][name] for name in ours['classes']]
  np.testing.assert_allclose(found, official, rtol=0, atol=1e-9)
