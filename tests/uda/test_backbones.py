"""Methods on a network whose features lie at other strides than its logits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import streets_active
from pointsup_jax.models import efficientnet_lite, mix_transformer
from pointsup_jax.run import context, methods, workdir
from pointsup_jax.stages import initial_state
from pointsup_jax.training import step
from pointsup_jax.types import Batch, Pair
from pointsup_jax.uda import adaptpatch

BATCH = Batch(
  jax.ShapeDtypeStruct((2, 60, 97, 3), jnp.uint8),
  jax.ShapeDtypeStruct((2, 60, 97), jnp.uint8),
)


@pytest.mark.slow
# Those that read features where logits are, both heads' small logits, or maps
# in patches.
@pytest.mark.parametrize(
  ('name', 'backbone'),
  [
    ('ssf_dan', 'efficientnet_lite0'),
    ('swd', 'efficientnet_lite0'),
    ('adaptpatch', 'efficientnet_lite0'),
    ('swd', 'mit_b0'),
    ('adaptpatch', 'mit_b0'),
  ],
)
def test_a_step_keeps_the_shapes_of_a_state(
  name, backbone, tmp_path, monkeypatch
):
  small = (0.25, 0.3)  # traces in half the time
  monkeypatch.setitem(efficientnet_lite.SCALES, 'efficientnet_lite0', small)
  small = mix_transformer.Size((1, 1, 1, 1), (4, 8, 10, 16), 8)
  monkeypatch.setitem(mix_transformer.SIZES, 'mit_b0', small)
  config = streets_active.get_config()
  config.model.backbone, config.uda.strategy = backbone, name
  if backbone == 'mit_b0':
    config.optim.name = 'adamw'
  centres = np.zeros((adaptpatch.CLUSTERS, 4 * 19), np.float32)
  method = methods.build(config, name, 100, centres)
  config.model.update(method.model)
  run = context.open_run(config, workdir.Workdir(tmp_path))
  learner = initial_state.build_learner(run)
  state = run.shapes(
    lambda key: learner.init(key, learner.init_segmenter(key), method.players)
  )
  train_step = functools.partial(
    step.train_step,
    learner=learner,
    strategy=method,
    supervision=step.Supervision(0.1),
  )
  new, metrics = jax.eval_shape(train_step, state, Pair(BATCH, BATCH))
  same = jax.tree.map(lambda x, y: x.shape == y.shape, state, new)
  assert all(jax.tree.leaves(same))
  assert metrics['loss'].shape == ()
