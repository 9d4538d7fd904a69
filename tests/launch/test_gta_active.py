import json

import jax
import numpy as np
import pytest
import trees
from launching import all_domains, assert_refused, launch, succeed
from outcome import query, scores

from pointsup_jax.models import deeplab, pretrained, weight_files
from pointsup_jax.training import metrics_log

FIELDS = (
  *all_domains('size=(64,128)'),
  '--config.uda.steps=1',
  '--config.adapt.steps=1',
  '--config.train.log_every=1',
)


def imagenet_weights():
  """A Caffe-style file: a ResNet-101 under 'Scale.', with another head."""
  rng = np.random.default_rng(0)
  shapes = jax.eval_shape(
    lambda: deeplab.DeepLabV2(19).init(
      jax.random.key(0), np.zeros((1, 32, 32, 3), np.float32), train=False
    )
  )
  tensors = pretrained.to_torch(
    jax.tree.map(
      lambda x: rng.normal(0, 0.05, x.shape).astype(np.float32) ** 2, shapes
    )
  )
  backbone = {
    f'Scale.{name}': tensor
    for name, tensor in tensors.items()
    if not name.startswith(('layer5', 'layer6'))
  }
  return {**backbone, 'Scale.layer5.conv2d_list.0.bias': np.zeros(21)}


@pytest.mark.slow
def test_one_step_of_every_stage(tmp_path):
  data, workdir = tmp_path / 'data', tmp_path / 'run'
  trees.gta5(data / 'GTA5', 2, (96, 160))
  trees.cityscapes(data / 'Cityscapes', 'train', 4, (128, 256))
  trees.cityscapes(data / 'Cityscapes', 'val', 2, (128, 256))
  weights = tmp_path / 'imagenet.safetensors'
  weight_files.write(weights, imagenet_weights())
  done = succeed(
    '--config=configs/gta_active.py:active',
    f'--config.data.root={data}',
    f'--config.model.weights={weights}',
    f'--workdir={workdir}',
    *FIELDS,
  )
  for phase in ('uda/inter', 'uda', 'adapt'):
    (record,) = metrics_log.read(workdir / phase / 'metrics.jsonl')
    assert record['step'] == 1
    assert record['fool_main'] > 0
  assert 'scratch' not in done.stderr
  split = json.loads((workdir / 'uda/split.json').read_text())
  assert len(split['easy']) == len(split['hard']) == 2  # int(4 * 0.67)
  found = scores(workdir, 'adapt-val')
  pixels = 2 * (128 * 256 - 4 * 6)  # at the labels' size, less the ignored
  assert 0.9 * pixels < np.sum(found['confusion']) <= pixels
  assert set(found['miou_subsets']) == {'16', '13'}
  assert query(workdir, 'SELECT count(*) FROM points') == [(4 * 10 * 5,)]


def test_an_unknown_row_or_a_missing_set_is_one_line(tmp_path):
  args = (f'--workdir={tmp_path / "run"}', f'--config.data.root={tmp_path}')
  gta = '--config=configs/gta_active.py'
  done = launch(f'{gta}:actve', *args)
  assert_refused(done, 2, 'actve', 'self_training')
  done = launch('--config=configs/streets_active.py:active', *args)
  assert_refused(done, 2, 'streets_active')
  done = launch(gta, *args)
  assert_refused(done, 1, str(tmp_path / 'GTA5/images'))
  done = launch(gta, "--config.uda.rare_classes=('trian',)", *args)
  assert_refused(done, 2, 'uda.rare_classes', "'train'")
