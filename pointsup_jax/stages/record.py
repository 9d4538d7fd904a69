"""config.json: which config a workdir belongs to, and who may change it."""

import importlib.metadata
import json
import pathlib
import shutil
import subprocess

import ml_collections

from pointsup_jax import command, errors, progress
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.stages import workdir as workdir_lib

# The first stage whose result a field decides, by the longest prefix given.
# None: no result depends on it.
_DECIDES: dict[str, str | None] = {
  '': 'uda',
  'acquire': 'acquire',
  'acquire.batch_size': None,
  'annotate': 'annotate',
  # Answers come in files one after the other; the store keeps them.
  'annotate.answers': None,
  'annotate.host': None,
  'annotate.port': None,
  'annotate.allow_remote': None,
  # How many are asked may change while they answer; the answers decide.
  'annotate.overlap': None,
  'adapt': 'adapt',
  'adapt.allow_partial': None,
  'evaluate': None,
  'data.evaluation': None,
  'data.root': None,
  'data.prepared': None,
  'data.source.root': None,
  'data.target.root': None,
  'data.threads': None,
  # For those who look at predictions when the classes' file has gone.
  'palette': None,
  'train.log_every': None,
  'train.checkpoint_every': None,
  'train.keep': None,
}
_PACKAGES = (
  'jax',
  'jaxlib',
  'flax',
  'optax',
  'orbax-checkpoint',
  'grain',
  'numpy',
)


def claim(
  workdir: workdir_lib.Workdir,
  config: ml_collections.ConfigDict,
  classes: classes_lib.ClassSet,
) -> None:
  """Makes the workdir this config's, or refuses.

  A field may still change as long as the first stage whose result it decides
  has not started.

  Raises:
    errors.UsageError: the workdir belongs to another config, or to something
      else altogether.
  """
  # The file that names the classes may change under the same path.
  fields = command.flatten(config) | {
    'classes': list(classes.names),
    'ignore_id': classes.ignore_id,
    'palette': [list(color) for color in classes.palette],
  }
  if workdir.config.exists():
    try:
      known = json.loads(workdir.config.read_text())['config']
    except (json.JSONDecodeError, KeyError, TypeError) as error:
      raise errors.UsageError(
        f"{workdir.config} is not a run's config ({error}); choose another "
        '--workdir'
      ) from error
    changed = [
      f'{name} was {known.get(name)!r}, now {fields.get(name)!r}'
      for name in sorted(known.keys() | fields.keys())
      if known.get(name) != fields.get(name) and _too_late(workdir, name)
    ]
    if changed:
      raise errors.UsageError(
        f'{workdir.root} was started with another config: '
        f'{"; ".join(changed)}. Choose another --workdir, or --overwrite'
      )
  elif _holds_something(workdir):
    raise errors.UsageError(
      f'{workdir.root} is not empty and holds no run; choose another --workdir'
    )
  workdir_lib.write_json(
    workdir.config,
    {'config': fields, 'versions': _versions(), 'git': _revision()},
  )


def clear(workdir: workdir_lib.Workdir) -> None:
  """Deletes a run's folder and says so; refuses to delete anything else."""
  if not workdir.root.exists():
    return
  if _holds_something(workdir) and not workdir.config.exists():
    raise errors.UsageError(
      f'--overwrite: {workdir.root} holds no run (no config.json); delete it '
      'yourself or choose another --workdir'
    )
  parts = ', '.join(sorted(path.name for path in workdir.root.iterdir()))
  progress.say(f'--overwrite: deletes {workdir.root} ({parts})')
  for path in workdir.root.iterdir():
    if path.is_dir() and not path.is_symlink():
      shutil.rmtree(path)
    elif path != workdir.config:
      path.unlink()
  # Last, so that a deletion that was stopped can be repeated.
  workdir.config.unlink(missing_ok=True)


def _holds_something(workdir: workdir_lib.Workdir) -> bool:
  """Whether there is more than what a start that was stopped leaves."""
  part = workdir.config.with_suffix('.part')
  return workdir.root.exists() and any(
    path != part for path in workdir.root.iterdir()
  )


def _too_late(workdir: workdir_lib.Workdir, field: str) -> bool:
  parts = field.split('.')
  prefixes = ('.'.join(parts[:n]) for n in range(len(parts), -1, -1))
  stage = next(_DECIDES[prefix] for prefix in prefixes if prefix in _DECIDES)
  return stage is not None and workdir.started(stage)


def _versions() -> dict[str, str]:
  return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _revision() -> str | None:
  """The checkout's commit, with a + if it was changed; None outside git."""
  try:
    done = subprocess.run(
      ['git', 'describe', '--always', '--dirty=+', '--abbrev=40'],
      cwd=pathlib.Path(__file__).parent,
      capture_output=True,
      text=True,
      timeout=10,
      check=True,
    )
  except (OSError, subprocess.SubprocessError):
    return None
  return done.stdout.strip()
