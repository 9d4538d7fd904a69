"""Few clicks: ten points an image of the embedded scenes in place of fifty.

  python -m launch.main --config=configs/streets_few.py

As configs/streets_active.py, but stage 3 goes on from stage 1's weights and
takes twice the steps, and training sees mirrored images too. Measured figures:
docs/RESULTS.md.
"""

import ml_collections

from configs import streets_active


def get_config() -> ml_collections.ConfigDict:
  """Returns the config of the embedded experiment with few clicks."""
  config = streets_active.get_config()
  config.data.source.mirror = 0.5
  config.data.target.mirror = 0.5
  config.acquire.k = 10
  config.adapt.initial = 'uda'
  config.adapt.steps = 1000
  config.adapt.decay_steps = 1300
  return config
