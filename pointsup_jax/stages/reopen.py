"""A run from its workdir alone: its config as config.json has it.

Neither the file of the config nor the data are needed; the classes are those
that were recorded, whatever has become of the file that named them.
"""

import dataclasses
from typing import Any

import ml_collections

from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.stages import record
from pointsup_jax.stages import run as run_lib
from pointsup_jax.stages import workdir as workdir_lib


def reopen(workdir: workdir_lib.Workdir) -> run_lib.Run:
  """The run that a workdir holds.

  Raises:
    errors.UsageError: it holds none, or its config.json is damaged.
  """
  if not workdir.config.is_file():
    raise errors.UsageError(
      f'{workdir} holds no run: there is no {workdir.kept(workdir.config)}'
    )
  fields = record.recorded(workdir)
  try:
    rounds = fields['acquire.rounds']
    return run_lib.Run(
      config=_nested(fields),
      workdir=dataclasses.replace(workdir, rounds=rounds, round=rounds),
      classes=_classes(fields),
    )
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise errors.UsageError(
      f"{workdir.kept(workdir.config)} is damaged or not a run's config "
      f'({error})'
    ) from error


def _nested(fields: dict[str, Any]) -> ml_collections.ConfigDict:
  """The config again, of its fields by dotted name."""
  config = ml_collections.ConfigDict()
  for name, value in fields.items():
    *path, leaf = name.split('.')
    node = config
    for part in path:
      if part not in node:
        node[part] = ml_collections.ConfigDict()
      node = node[part]
    node[leaf] = tuple(value) if isinstance(value, list) else value
  return config


def _classes(fields: dict[str, Any]) -> classes_lib.ClassSet:
  names = tuple(fields['classes'])
  named = classes_lib.NAMED.get(fields['data.classes'])
  if named is not None and named.names == names:
    return named
  # Runs of before the colours were recorded get others.
  palette = fields.get('palette') or classes_lib.distinct_palette(len(names))
  return classes_lib.ClassSet(
    names=names,
    palette=tuple((red, green, blue) for red, green, blue in palette),
    ignore_id=fields['ignore_id'],
  )
