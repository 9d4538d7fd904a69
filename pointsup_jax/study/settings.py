"""Parses the settings that a study compares from FIELD=VALUE."""

import collections
import itertools
from collections.abc import Iterator, Sequence

import ml_collections

from pointsup_jax import command, errors
from pointsup_jax.data import domains
from pointsup_jax.study import runs


def chosen(
  vary: Sequence[str], also: Sequence[str], config: ml_collections.ConfigDict
) -> Iterator[runs.Setting]:
  """All settings without duplicates: first of `vary`, then of `also`.

  Raises:
    errors.UsageError: there are none, two have the same folder, or one is not
      FIELD=VALUE of `config`.
  """
  axes = []
  for text in vary:
    name, values = parse(text, '--vary')
    axes.append([(name, value) for value in values.split(',')])
  found = dict.fromkeys(
    setting_of(fields, True, config)
    for fields in itertools.product(*axes)
    if fields
  )
  for text in also:
    fields = tuple(parse(x, '--also') for x in text.split())
    found[setting_of(fields, False, config)] = None
  folders = collections.Counter(runs.slug(setting.fields) for setting in found)
  twice = [name for name, count in folders.items() if count > 1]
  if twice:
    raise errors.UsageError(f'two settings have the same folder {twice[0]}')
  if not found:
    raise errors.UsageError('--vary=FIELD=VALUE,VALUE says what is compared')
  return iter(found)


def setting_of(
  fields: runs.Fields, grid: bool, config: ml_collections.ConfigDict
) -> runs.Setting:
  """Makes a `runs.Setting`, with the fields that stage 1 depends on."""
  before = command.flatten(config)
  after = command.flatten(changed(config, fields))
  stage_1 = tuple(
    (name, str(after[name]))
    for name in sorted({name for name, _ in fields})
    if after[name] != before[name] and runs.of_stage_1(name)
  )
  source_only = stage_1
  if after['uda.source_only_steps']:
    source_only = tuple(x for x in stage_1 if not runs.of_method(x[0]))
  return runs.Setting(fields, grid, stage_1, source_only)


def parse(text: str, flag: str) -> tuple[str, str]:
  """Splits FIELD=VALUE and drops a leading 'config.'."""
  name, equals, value = text.partition('=')
  if not equals or not value:
    raise errors.UsageError(f'{flag}={text} is not FIELD=VALUE')
  return name.removeprefix('config.'), value


def require_comparable(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError for runs that a study cannot compare."""
  if not domains.has_evaluation(config.data):
    raise errors.UsageError(
      "data.evaluation.dataset='': a study compares models on the same "
      'labelled images, as every run holds back points of its own; name some'
    )
  if config.uda.predictions:
    raise errors.UsageError(
      'uda.predictions: a study trains stage 1 with every seed, and another '
      'model is the same for all; leave it out, or compare runs of launch.main'
    )


def changed(
  config: ml_collections.ConfigDict, fields: runs.Fields
) -> ml_collections.ConfigDict:
  """Returns a copy of the config with the given fields set.

  Raises:
    errors.UsageError: a field is unknown, cannot be varied, or its value is
      invalid.
  """
  config = config.copy_and_resolve_references()
  known = command.flatten(config)
  for name, text in fields:
    typo = command.unknown_field([f'config.{name}'], known)
    if typo:
      raise errors.UsageError(typo)
    if name == 'seed':
      raise errors.UsageError('--seeds says which seeds are run')
    kind = type(known[name])
    if kind not in (int, float, str, bool) or name == 'data.evaluation.split':
      raise errors.UsageError(f'{name} is {known[name]}: it cannot be varied')
    try:
      value = (
        {'True': True, 'False': False}[text] if kind is bool else kind(text)
      )
    except (KeyError, ValueError) as error:
      raise errors.UsageError(f'{name}={text}: {error}') from error
    config.update_from_flattened_dict({name: value})
  return config
