"""Real images, a real shift: CamVid's day streets to its dusk streets.

  python -m launch.main --config=configs/camvid_dusk.py --config.data.root=DIR

DIR holds images/, labels/, splits/ and classes.json (11 classes); day_train has
305 labelled images, dusk_train 62 to adapt to, dusk_test 62 to score. Both
domains are real and of one city and camera: this is no synthetic-to-real
figure. From scratch, as there are no ImageNet weights here. Measured figures:
docs/RESULTS.md.
"""

import ml_collections

from configs import default, streets_active


def get_config() -> ml_collections.ConfigDict:
  """Returns the embedded experiment's settings on the CamVid folders."""
  config = streets_active.get_config()
  config.data.classes = 'classes.json'
  # The grid of 8 x 16 patches divides this; the images have 270 x 360.
  size = (192, 256)
  config.data.source = default.domain('image_folder', 'day_train', size)
  config.data.target = default.domain('image_folder', 'dusk_train', size)
  config.data.evaluation = default.domain('image_folder', 'dusk_test', size)
  # Chosen on dusk_train (docs/RESULTS.md): real streets take longer to learn,
  # and the statistics of 62 dark images alone make UDA worse.
  config.uda.source_only_steps = 1200
  config.optim.decay_steps = 1300
  config.model.bn_statistics = 'both'
  # The paper's reading, with which these data were measured. What
  # streets_active does instead was better with one seed; docs/RESULTS.md.
  config.acquire.k, config.acquire.n = 10, 5
  config.adapt.pseudo_labels = 'points'
  config.adapt.separate_means = False
  return config
