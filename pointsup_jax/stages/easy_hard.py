"""Splits the target into easy and hard images by model entropy (IntraDA)."""

import functools
import math
from typing import Any, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import msgspec
import numpy as np

from pointsup_jax import errors
from pointsup_jax.acquisition import scores
from pointsup_jax.data import image_files, sources
from pointsup_jax.evaluation import inference
from pointsup_jax.hosts import json_files, processes, progress
from pointsup_jax.models import deeplab
from pointsup_jax.run import batches
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.types import Example, Variables
from pointsup_jax.uda import intrada


class Judged(NamedTuple):
  """A model's mean entropy and predictions for a batch of images."""

  mean_entropy: jax.Array  # [B]
  pseudo_labels: jax.Array  # [B, H, W] uint8


def split(
  run: run_lib.Run, target: sources.Source, model: workdir_lib.Phase
) -> tuple[sources.Source, sources.Source]:
  """Returns the easy images, with pseudo labels, and the unlabelled hard ones.

  The last model of the phase `model` ranks and labels them. The split is saved;
  raises errors.UserError if a saved one is of other images.
  """
  path = run.workdir.split
  known = functools.partial(json_files.read_derived, path, checked)
  parts = processes.by_first(known, 'easy and hard images')
  if parts is None:
    found = rank(run, target, model)
    if processes.is_first():
      json_files.write(path, found)
    run.workdir.share('split')
    parts = processes.by_first(known, 'easy and hard images')
  index = {name: i for i, name in enumerate(target.names)}
  gone = {*parts['easy'], *parts['hard']} ^ index.keys()
  if gone:
    raise errors.UserError(
      f'{run.workdir.kept(path)} was made of other target images than there '
      f'are now, such as {min(gone)}; restore them, or start anew with '
      '--overwrite'
    )
  easy, hard = (
    sources.Subset(target, [index[name] for name in parts[part]])
    for part in ('easy', 'hard')
  )

  def label(_: int, example: Example) -> Example:
    path = run.workdir.easy_label(example.name)
    labels = image_files.read_labels(path, example.image.shape[:2])
    return example._replace(labels=labels)

  return sources.Mapped(easy, label), hard


class _Parts(TypedDict):
  easy: list[str]
  hard: list[str]


def checked(found: dict[str, Any]) -> dict[str, Any]:
  """The content of split.json; ValueError if it cannot be that."""
  msgspec.convert(found, _Parts)
  names = [*found['easy'], *found['hard']]
  if len(set(names)) < len(names):
    raise ValueError('an image is listed twice')
  return found


def rank(
  run: run_lib.Run, target: sources.Source, model: workdir_lib.Phase
) -> dict:
  """Ranks all images and writes the pseudo labels of the easy ones.

  Returns {'easy': [name, ...], 'hard': [name, ...], 'hardness': {name: float}}.
  Raises errors.UserError if an entropy is not finite.
  """
  config = run.config
  rare = [run.classes.names.index(name) for name in config.uda.rare_classes]
  _, variables = run.trained(model)
  judge = batches.compiled(
    run, functools.partial(judge_batch, segmenter=run.segmenter())
  )
  hardness: dict[str, float] = {}
  for names, batch, valid in batches.every_image(
    run, target, config.acquire.batch_size, 'ranking the target'
  ):
    judged = jax.device_get(judge(variables, batch.images))
    for i, name in enumerate(names[:valid]):
      mean_entropy = float(judged.mean_entropy[i])
      if not math.isfinite(mean_entropy):
        raise errors.UserError(
          f'the model in {model.checkpoints} says nothing of {name}: its '
          f'entropy is {mean_entropy}; lower optim.lr and start anew with '
          '--overwrite'
        )
      hardness[name] = intrada.hardness(
        mean_entropy,
        int(np.isin(rare, judged.pseudo_labels[i]).sum()),
        len(rare),
      )
      if processes.is_first():
        image_files.write_labels(
          run.workdir.easy_label(name), judged.pseudo_labels[i]
        )
  easy, hard = intrada.easy_and_hard(hardness, config.uda.easy_share)
  for name in hard if processes.is_first() else ():
    run.workdir.easy_label(name).unlink()
  progress.say(f'{len(easy)} easy and {len(hard)} hard target images')
  return {'easy': easy, 'hard': hard, 'hardness': hardness}


def judge_batch(
  variables: Variables, images: jax.Array, *, segmenter: deeplab.DeepLabV2
) -> Judged:
  """Judges images, [B, H, W, 3] uint8, by the main head."""
  size = (images.shape[1], images.shape[2])
  small = inference.small_logits(segmenter, variables, images)
  labels, entropy = scores.maps('entropy', scores.Seen(small), size)
  return Judged(jnp.mean(entropy, axis=(1, 2)), labels)
