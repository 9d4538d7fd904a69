"""Turns the fields of config.json back into a config and its classes."""

from typing import Any

import ml_collections

from pointsup_jax import command
from pointsup_jax import config as config_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.run import config_check


def read(
  fields: dict[str, Any],
) -> tuple[ml_collections.ConfigDict, classes_lib.ClassSet]:
  """Returns what was recorded, checked as a fresh config is.

  Raises errors.UserError, LookupError, TypeError or ValueError if the fields
  are no run's.
  """
  config, classes = _config(fields), _classes(fields)
  config_check.check(config)
  config_check.check_classes(config, classes.names)
  return config, classes


def _config(fields: dict[str, Any]) -> ml_collections.ConfigDict:
  config = config_lib.get_config()
  usual = command.flatten(config)
  for name, value in usual.items():
    found = fields[name]
    # ConfigDict takes None for everything, and booleans for numbers.
    if found is None or isinstance(found, bool) != isinstance(value, bool):
      raise ValueError(f'{name} is {found!r}')
  config.update_from_flattened_dict({name: fields[name] for name in usual})
  return config


def _classes(fields: dict[str, Any]) -> classes_lib.ClassSet:
  named = classes_lib.NAMED.get(fields['data.classes'])
  if named is not None and list(named.names) == fields['classes']:
    return named
  return classes_lib.of_table(
    {name: fields[name] for name in ('classes', 'palette', 'ignore_id')}
  )
