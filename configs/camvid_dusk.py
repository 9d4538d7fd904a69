"""Real images: adapts from CamVid's day streets to its dusk streets.

  python -m launch.main --config=configs/camvid_dusk.py --config.data.root=DIR

DIR holds images/, labels/, splits/ and classes.json (11 classes); day_train has
305 labelled images, dusk_train 62 to adapt to, dusk_test 62 to evaluate on.
Both domains show one city through one camera, so figures do not compare to
synthetic-to-real ones. EfficientNet-Lite0 starts from ImageNet weights, which
requirements.txt installs; `--config.model.weights=` starts from scratch.
Measured figures: docs/RESULTS.md.
"""

import ml_collections

from configs import default, streets_active


def get_config() -> ml_collections.ConfigDict:
  """Returns the settings of streets_active for the CamVid folders."""
  config = streets_active.get_config()
  config.data.classes = 'classes.json'
  # The images have 270 x 360; this is divisible by the grid of 8 x 16 patches.
  size = (256, 352)
  config.data.source = default.domain('image_folder', 'day_train', size)
  config.data.target = default.domain('image_folder', 'dusk_train', size)
  config.data.evaluation = default.domain('image_folder', 'dusk_test', size)
  # Four crops cost as much as one image, and show more.
  for domain in (config.data.source, config.data.target):
    domain.mirror = 0.5
    domain.scale = (0.75, 1.4)
    domain.crop = (128, 192)
  # By day, other light: without it the night's sky is a building.
  config.data.source.jitter = 0.5
  config.train.batch_size = 4

  config.model = default.get_config().model
  config.model.backbone = 'efficientnet_lite0'
  config.model.weights = 'imagenet'
  config.model.bn = 'global'
  config.model.bn_statistics = 'target'
  config.model.discriminator_width = 16

  config.optim.name = 'adamw'
  config.optim.lr = 5e-4
  config.optim.head_lr_scale = 4.0
  config.optim.weight_decay = 1e-4
  config.optim.decay_steps = 450

  config.uda.source_only_steps = 400
  config.uda.steps = 300
  config.adapt.steps = 300
  config.adapt.initial = 'uda'
  return config
