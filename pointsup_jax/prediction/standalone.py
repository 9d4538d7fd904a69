"""Exports a trained model to files usable without this package."""

import functools
import importlib.metadata
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from pointsup_jax import errors
from pointsup_jax.hosts import atomic_files, json_files, progress
from pointsup_jax.models import pretrained, weight_files
from pointsup_jax.prediction import image_program
from pointsup_jax.prediction import loaded_model as model_lib
from pointsup_jax.run import held_back, scores_on_disk

FILES = ('model.stablehlo', 'weights.safetensors', 'model.json')
PLATFORMS = ('cpu', 'cuda', 'rocm', 'tpu')


def require_free(out: pathlib.Path, *, overwrite: bool) -> None:
  """Raises UsageError if `out` holds an exported model, unless overwriting.

  model.json is written last: without it an export was stopped, and goes on.
  """
  *others, last = FILES
  if (out / last).exists():
    if not overwrite:
      raise errors.UsageError(
        f'--out: {out} has a {last} already; choose another, or --overwrite'
      )
  elif there := [name for name in others if (out / name).exists()]:
    progress.say(
      f'{out} has no {last}: an export was stopped there; writes '
      f'{" and ".join(there)} again'
    )


def write(
  model: model_lib.Loaded, size: tuple[int, int], out: pathlib.Path
) -> None:
  """Writes `FILES`, each atomically, into a folder that it creates.

  `size` is the network's input (height, width).
  """
  out.mkdir(parents=True, exist_ok=True)
  # It must not describe a mixture of two models.
  (out / 'model.json').unlink(missing_ok=True)
  weights = pretrained.to_torch(jax.device_get(model.variables))
  weight_files.write(out / 'weights.safetensors', weights)
  atomic_files.write(out / 'model.stablehlo', serialize(model, size))
  json_files.write(out / 'model.json', describe(model, size))


def serialize(model: model_lib.Loaded, size: tuple[int, int]) -> bytes:
  """`image_program.segment` with weights, for `jax.export.deserialize`.

  Batch, height and width of its input are symbolic.
  """
  segment = functools.partial(
    image_program.segment,
    segmenter=model.segmenter,
    variables=jax.device_get(model.variables),
    size=size,
  )
  batch, height, width = export.symbolic_shape('batch, height, width')
  exported = export.export(jax.jit(segment), platforms=PLATFORMS)(
    jax.ShapeDtypeStruct((batch, height, width, 3), jnp.uint8)
  )
  return bytes(exported.serialize())


def describe(model: model_lib.Loaded, size: tuple[int, int]) -> dict[str, Any]:
  """The content of model.json: classes, inputs, outputs and scores."""
  pixels = ['batch', 'height', 'width']
  return {
    'workdir': model.run.workdir.root.resolve().name,
    'model': model.phase,
    'network': model.network,
    'step': model.step,
    'classes': list(model.classes.names),
    'palette': [list(color) for color in model.classes.palette],
    'input': {'shape': [*pixels, 3], 'dtype': 'uint8', 'channels': 'RGB'},
    'outputs': [
      {
        'name': 'labels',
        'shape': pixels,
        'dtype': 'uint8',
        'meaning': 'the number of the class, from 0, in the order of classes',
      },
      {
        'name': 'entropy',
        'shape': pixels,
        'dtype': 'float32',
        'meaning': '0: certain, 1: all classes are as likely',
      },
    ],
    'network_size': {'height': size[0], 'width': size[1]},
    'platforms': list(PLATFORMS),
    'scores': scores(model),
    'versions': {
      name: importlib.metadata.version(name)
      for name in ('jax', 'jaxlib', 'flax')
    },
  }


def scores(model: model_lib.Loaded) -> list[dict[str, Any]]:
  """The evaluation results of the model at its step."""
  found = []
  folder = model.run.workdir.stage('evaluate')
  parse = scores_on_disk.of_classes(model.classes)
  for path in sorted(folder.glob(f'{model.phase}-*.json')):
    known = json_files.read(path, parse)
    if (known['network'], known['step']) == (model.network, model.step):
      fields = ('dataset', 'split', 'size', 'images', 'miou')
      found.append({field: known.get(field) for field in fields})
  path = model.run.workdir.held_back(model.phase)
  known = json_files.read(path, held_back.parse) if path.exists() else {}
  if known and (known['network'], known['step']) == (model.network, model.step):
    about = {x: known.get(x) for x in ('dataset', 'split', 'size', 'images')}
    points = len(known['points'])
    found.append(
      {**about, 'held_back_points': points, 'accuracy': known['accuracy']}
    )
  return found
