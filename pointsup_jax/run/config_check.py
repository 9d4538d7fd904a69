"""Validates a config and its data before anything is started."""

import difflib
import ipaddress
import math
import re
from typing import Any

import ml_collections

from pointsup_jax import errors, uda
from pointsup_jax.acquisition import (
  questions,
  scores,
  segments,
  selection,
  targets,
)
from pointsup_jax.data import domains, sources
from pointsup_jax.models import deeplab, resnet
from pointsup_jax.run import (
  acquire_check,
  augmentations,
  methods,
  model_check,
  predicted,
)
from pointsup_jax.training import optimizers, sharding

_CHOICES = {
  'data.source.dataset': (*sources.NAMES, ''),  # '': none
  'data.target.dataset': sources.NAMES,
  'data.evaluation.dataset': (*sources.NAMES, ''),  # '': none
  'uda.strategy': uda.names(),
  'adapt.strategy': tuple(uda.STRATEGIES),
  'acquire.strategy': selection.STRATEGIES,
  'acquire.place': questions.PLACES,
  'acquire.score': (*scores.SCORES, 'random'),
  'annotate.oracle': ('ground_truth', 'human', 'file'),
  'adapt.pseudo_labels': (*targets.MODES, 'segments'),
  'adapt.initial': ('start', 'uda', 'asking'),
  'train.on_nan': ('stop', 'rollback'),
  'model.backbone': deeplab.BACKBONES,
  'model.block': tuple(resnet.EXPANSION),
  'optim.name': optimizers.NAMES,
  'model.bn': ('batch', 'global', 'frozen'),
  'model.dtype': ('float32', 'bfloat16'),
  'model.bn_statistics': ('both', 'target'),
  'model.aux_reads': ('conv4', 'conv5'),
  'model.prediction': ('main', 'sum', 'mean'),
  'evaluate.model': ('segmenter', 'teacher'),
}
# Inclusive bounds of numbers.
_BOUNDS = {
  (1, math.inf): (
    'train.batch_size', 'train.log_every', 'train.checkpoint_every',
    'train.keep', 'uda.steps', 'adapt.steps', 'acquire.rounds',
    'adapt.segments',
    'acquire.batch_size', 'evaluate.batch_size', 'model.width',
    'model.discriminator_width', 'optim.decay_steps', 'data.threads',
  ),
  (0, math.inf): (
    'uda.source_only_steps', 'train.keep_every', 'losses.aux',
    'losses.target_main', 'losses.target_aux', 'acquire.budget',
    'annotate.seconds', 'annotate.whole_images', 'annotate.image_seconds',
    'adapt.answer_weight', 'adapt.guess_weight', 'adapt.decay_steps',
    'adapt.enough_answers',
    'optim.lr', 'optim.head_lr_scale', 'optim.weight_decay',
    'optim.discriminator_lr', 'optim.poly_power', 'optim.warmup_steps',
    'losses.disagreement', 'optim.translator_lr',
    'data.rare_class_temperature',
  ),
  (0, 1): (
    'uda.easy_share', 'annotate.error_rate', 'annotate.overlap',
    'optim.momentum', 'data.source.mirror', 'data.source.jitter',
    'data.target.mirror', 'data.target.jitter',
  ),
  (0, 0.9): ('adapt.holdout',),
  (0, 65535): ('annotate.port',),
  (0, 2**32 - 1): ('seed',),
}  # fmt: skip
# Tuples of integers: their length and their smallest allowed value.
_TUPLES = {
  'data.source.size': (2, 32),
  'data.target.size': (2, 32),
  'data.evaluation.size': (2, 32),
  'model.blocks': (4, 1),
  'acquire.grid': (2, 1),
}

_PUBLIC_URL = re.compile(
  r'https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:(?!(80|443)/?\Z)[0-9]{1,5})?/?',
  re.IGNORECASE,
)
SOURCE_EVALUATED = (
  "the evaluation images are of the source's kind, not of the target's: their "
  'scores do not tell how good a model is on the target (without labelled '
  'target images: --config.data.evaluation.dataset= and '
  '--config.adapt.holdout=0.2)'
)


def check(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError for the first invalid field."""
  domains.require_local(config.data)
  check_evaluation(config)
  for field, choices in _CHOICES.items():
    require_choice(field, _get(config, field), choices)
  for (low, high), fields in _BOUNDS.items():
    for field in fields:
      value = _get(config, field)
      if not low <= value <= high or math.isinf(value):
        bounds = f'{low} to {high}' if high < math.inf else f'at least {low}'
        raise errors.UsageError(f'{field}={value} must be {bounds}')
  for field, (length, smallest) in _TUPLES.items():
    require_integers(field, _get(config, field), length, smallest)
  of_adapt = 'adapt' if config.adapt.decay_steps else 'optim'
  for field, group in (
    ('uda.source_only_steps', 'optim'),
    ('uda.steps', 'optim'),
    ('adapt.steps', of_adapt),
  ):
    steps, decay = _get(config, field), config[group].decay_steps
    if steps > decay:
      raise errors.UsageError(
        f'{group}.decay_steps={decay} is less than {field}={steps}: the '
        'learning rate would be 0 at the end'
      )
  fewest = min(config.uda.steps, config.adapt.steps)
  if config.optim.warmup_steps >= fewest:
    raise errors.UsageError(
      f'optim.warmup_steps={config.optim.warmup_steps} must be less than the '
      f'{fewest} steps of a phase: its learning rate would only rise'
    )
  betas = tuple(config.optim.betas)
  if len(betas) != 2 or not all(
    isinstance(beta, int | float) and 0 <= beta < 1 for beta in betas
  ):
    raise errors.UsageError(
      f'optim.betas={betas} must be 2 numbers, each at least 0 and less than 1'
    )
  if config.train.keep_every % config.train.checkpoint_every:
    raise errors.UsageError(
      f'train.keep_every={config.train.keep_every} must be a multiple of '
      f'train.checkpoint_every={config.train.checkpoint_every}: no other step '
      'is saved'
    )
  if config.annotate.answers and config.annotate.oracle != 'file':
    raise errors.UsageError(
      f'annotate.answers={config.annotate.answers!r} is only read with '
      f"annotate.oracle='file', but that is {config.annotate.oracle!r}"
    )
  predicted.check(config)
  model_check.check(config.model)
  methods.check(config)
  augmentations.check(config.data)
  check_host(config.annotate.host, config.annotate.allow_remote)
  check_public_url(config.annotate.public_url)
  acquire_check.check(config)
  check_labels(config)
  acquire_check.check_whole_images(config)


def check_evaluation(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError for fields that need absent evaluation images."""
  if domains.has_evaluation(config.data):
    return
  for field in ('save_predictions', 'all_kept'):
    if config.evaluate[field]:
      raise errors.UsageError(
        f'evaluate.{field} needs evaluation images, but '
        f"data.evaluation.dataset=''; set evaluate.{field}=False"
      )


def notes(config: ml_collections.ConfigDict) -> list[str]:
  """What a checked config does other than one may think."""
  found = model_check.notes(config.model)
  if (
    'dise' in (config.uda.strategy, config.adapt.strategy)
    and not config.model.vgg
  ):
    found.append(
      'dise compares images by features of the initial segmenter, not of '
      "VGG-19 as published: model.vgg=''"
    )
  if domains.has_evaluation(config.data):
    if domains.evaluates_source(config.data):
      found.append(SOURCE_EVALUATED)
  elif not acquire_check.asks(config.acquire):
    found.append(
      'nothing will be scored: there are no evaluation images, and nobody is '
      'asked about points'
    )
  elif not config.adapt.holdout:
    found.append(
      'nothing will be scored: there are no evaluation images and '
      'adapt.holdout=0.0; --config.adapt.holdout=0.2 keeps a fifth of the '
      'answers to score on'
    )
  return found


def check_labels(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError if stage 3 would have no target labels."""
  acquire, adapt = config.acquire, config.adapt
  asks = acquire_check.asks(acquire) or config.annotate.whole_images > 0
  guesses = adapt.pseudo_labels != 'none' and adapt.guess_weight
  if adapt.pseudo_labels == 'segments' and not (asks and guesses):
    raise errors.UsageError(
      "adapt.pseudo_labels='segments' spreads answers with the weight "
      f'adapt.guess_weight={adapt.guess_weight}, but nothing would be spread; '
      "ask for points and set a weight, or set adapt.pseudo_labels='none'"
    )
  if not asks and not guesses:
    raise errors.UsageError(
      f'acquire.strategy={acquire.strategy!r} with acquire.k={acquire.k} asks '
      'nobody, so stage 3 learns from pseudo labels alone, but '
      f'adapt.pseudo_labels={adapt.pseudo_labels!r} and adapt.guess_weight='
      f"{adapt.guess_weight} leave none; set adapt.pseudo_labels='points'"
    )
  if not adapt.answer_weight and not guesses:
    raise errors.UsageError(
      'adapt.answer_weight=0.0 and no pseudo labels leave stage 3 nothing to '
      'learn from the target; set one of adapt.answer_weight, '
      'adapt.pseudo_labels and adapt.guess_weight'
    )


def check_packages(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UserError if training lacks a package of an extra."""
  if config.adapt.pseudo_labels == 'segments':
    segments.require()


def check_devices(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError if the batch does not divide over the devices."""
  sharding.check_batch_size(config.train.batch_size, 'train.batch_size')


def check_host(host: str, allow_remote: bool) -> None:
  """Raises errors.UsageError for a non-loopback host, unless allowed."""
  try:
    loopback = ipaddress.IPv4Address(host).is_loopback
  except ValueError:
    loopback = host == 'localhost'
  if not loopback and not allow_remote:
    raise errors.UsageError(
      f'annotate.host={host!r} lets other machines in; keep 127.0.0.1 and '
      'reach it with `ssh -L 8765:localhost:8765`, or set '
      'annotate.allow_remote=True'
    )


def check_public_url(url: str) -> None:
  """Raises errors.UsageError unless it is '' or has a scheme and a host."""
  # No path, as the page has its own, and no user: browsers drop it.
  if url and not _PUBLIC_URL.fullmatch(url):
    raise errors.UsageError(
      f'annotate.public_url={url!r} must be the scheme and host of the proxy '
      "as browsers show them, such as 'https://points.example.org' or "
      "'https://example.org:8443'"
    )


def require_integers(
  field: str, value: object, length: int, smallest: int
) -> None:
  """Raises errors.UsageError unless `value` is `length` ints >= `smallest`."""
  if (
    not isinstance(value, tuple | list)
    or len(value) != length
    or not all(type(x) is int and x >= smallest for x in value)
  ):
    raise errors.UsageError(
      f'{field}={value} must be {length} integers, each at least {smallest}'
    )


def check_classes(
  config: ml_collections.ConfigDict, names: tuple[str, ...]
) -> None:
  """Raises errors.UsageError for fields that name an unknown class."""
  for name in config.uda.rare_classes:
    require_choice('uda.rare_classes', str(name), names)
  for group in config.annotate.confusable:
    for name in str(group).split('/'):
      require_choice('annotate.confusable', name, names)


def require_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
  """Raises errors.UsageError for an unknown name, suggesting the nearest."""
  if value in choices:
    return
  near = difflib.get_close_matches(str(value), choices, n=1)
  hint = f'did you mean {near[0]!r}? ' if near else ''
  raise errors.UsageError(
    f'{field}={value!r}: {hint}It is one of '
    + ', '.join(choice or "''" for choice in choices)
  )


def _get(config: ml_collections.ConfigDict, field: str) -> Any:
  for part in field.split('.'):
    config = config[part]
  return config
