"""The best that is known on the embedded scenes.

  python -m launch.main --config=configs/streets_best.py

As configs/streets_active.py, but stage 3 goes on from stage 1's weights, takes
twice the steps and gives few answers less weight, and training sees mirrored
images too. Measured figures, with fewer points an image as well:
docs/RESULTS.md.
"""

import ml_collections

from configs import streets_active


def get_config() -> ml_collections.ConfigDict:
  """Returns the config of the embedded experiment that scored best."""
  config = streets_active.get_config()
  config.data.source.mirror = 0.5
  config.data.target.mirror = 0.5
  config.adapt.initial = 'uda'
  config.adapt.steps = 1000
  config.adapt.decay_steps = 1300
  config.adapt.enough_answers = 100
  return config
