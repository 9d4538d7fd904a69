"""Validates the fields of config.model that depend on each other."""

import ml_collections

from pointsup_jax import config as config_lib
from pointsup_jax import errors
from pointsup_jax.models import (
  efficientnet_lite,
  mix_transformer,
  pretrained,
  weight_files,
)


def check(model: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError for the first field that does not fit another."""
  name, stride = model.backbone, model.output_stride
  resnet = name == 'resnet'
  strides = (8,) if resnet else efficientnet_lite.OUTPUT_STRIDES
  if name in mix_transformer.SIZES:
    strides = (32,)
  if stride not in (0, *strides):
    raise errors.UsageError(
      f'model.output_stride={stride}: with model.backbone={name!r} it is 0 or '
      f'one of {", ".join(map(str, strides))}'
    )
  if (
    model.weights == pretrained.IMAGENET
    and name not in efficientnet_lite.PACKAGES
  ):
    raise errors.UsageError(
      "model.weights='imagenet' is for EfficientNets: no package holds weights "
      f'of model.backbone={name!r}; name a file, or set '
      '--config.model.backbone=efficientnet_lite0'
    )
  if resnet:
    return
  for field, value in (('block', 'bottleneck'), ('depth', False)):
    if model[field] != value:
      raise errors.UsageError(
        f'model.{field}={model[field]!r} is of ResNets, but model.backbone='
        f'{name!r}; set --config.model.{field}={value}'
      )
  if model.bn == 'frozen' and model.weights in ('', pretrained.IMAGENET):
    raise errors.UsageError(
      f"model.bn='frozen' with model.backbone={name!r} needs a segmenter's "
      "file in model.weights, as ImageNet's has no statistics for the norms of "
      'the heads; set --config.model.bn=global'
    )


def notes(model: ml_collections.ConfigDict) -> list[str]:
  """What the fields do other than one may think."""
  usual = config_lib.get_config().model
  unused = [
    f'model.{field}={model[field]}'
    for field in ('blocks', 'width')
    if model[field] != usual[field]
  ]
  if model.backbone == 'resnet' or not unused:
    return []
  # They may be of the config that this one started from, so no refusal.
  return [
    f'not used: {" and ".join(unused)}, as model.backbone={model.backbone!r} '
    'has sizes of its own'
  ]


def find_files(model: ml_collections.ConfigDict) -> None:
  """Raises errors.UserError if a weight file is missing."""
  for field in ('weights', 'vgg'):
    if model[field]:
      try:
        weight_files.find(pretrained.path_of(model[field], model.backbone))
      except errors.UserError as error:
        raise errors.UserError(f'model.{field}: {error}') from error
