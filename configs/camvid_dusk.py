"""Real images: adapts from CamVid's day streets to its dusk streets.

  python -m launch.main --config=configs/camvid_dusk.py --config.data.root=DIR

DIR holds images/, labels/, splits/ and classes.json (11 classes); day_train has
305 labelled images, dusk_train 62 to adapt to, dusk_test 62 to evaluate on.
Both domains show one city through one camera, so figures do not compare to
synthetic-to-real ones. Starts from scratch, without ImageNet weights. Measured
figures: docs/RESULTS.md.
"""

import ml_collections

from configs import default, streets_active


def get_config() -> ml_collections.ConfigDict:
  """Returns the settings of streets_active for the CamVid folders."""
  config = streets_active.get_config()
  config.data.classes = 'classes.json'
  # Divisible by the grid of 8 x 16 patches; the images are 270 x 360.
  size = (192, 256)
  config.data.source = default.domain('image_folder', 'day_train', size)
  config.data.target = default.domain('image_folder', 'dusk_train', size)
  config.data.evaluation = default.domain('image_folder', 'dusk_test', size)
  # Chosen on dusk_train (docs/RESULTS.md): real streets take longer to learn,
  # and the statistics of 62 dark images alone make UDA worse.
  config.uda.source_only_steps = 1200
  config.optim.decay_steps = 1300
  config.model.bn_statistics = 'both'
  return config
