"""What a run was made with: packages, commit and devices, for config.json."""

import importlib.metadata
import pathlib
import subprocess
from typing import Any

from pointsup_jax.hosts import json_files, progress
from pointsup_jax.run import workdir as workdir_lib

_PACKAGES = (
  'jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'grain', 'numpy',
)  # fmt: skip


def describe(workdir: workdir_lib.Workdir, devices: str) -> dict[str, Any]:
  """The fields 'versions', 'git' and 'devices' (of all commands, in order).

  `devices` are this command's (`hosts.devices.connect`). If the last command
  had others, it says so in a line.
  """
  used = _devices(workdir)
  if devices not in used[-1:]:
    if used:
      progress.say(
        f'note: this run was on {used[-1]} before and goes on with {devices}: '
        'rounding differs (docs/RELIABILITY.md)'
      )
    used.append(devices)
  return {
    'versions': {x: importlib.metadata.version(x) for x in _PACKAGES},
    'git': revision(pathlib.Path(__file__)),
    'devices': used,
  }


def _devices(workdir: workdir_lib.Workdir) -> list[str]:
  if not workdir.config.exists():
    return []
  known = json_files.read(workdir.config).get('devices')
  return known if isinstance(known, list) else []


def revision(file: pathlib.Path) -> str | None:
  """The commit of a file's checkout, with a + if modified; None outside git.

  A package installed inside another repository is not of its commit.
  """

  def git(*words: str) -> str:
    return subprocess.run(
      ['git', *words],
      cwd=file.parent,
      capture_output=True,
      text=True,
      timeout=10,
      check=True,
    ).stdout.strip()

  try:
    git('ls-files', '--error-unmatch', file.name)
    return git('describe', '--always', '--dirty=+', '--abbrev=40')
  except (OSError, subprocess.SubprocessError):
    return None
