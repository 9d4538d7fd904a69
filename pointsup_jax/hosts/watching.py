"""Tells which processes of a run are gone, by jax's heartbeats.

jax answers only when all live processes ask, so a thread of each one does.
"""

import os
import sys
import threading
import time

import jax
from jax.experimental import multihost_utils

from pointsup_jax import errors
from pointsup_jax.hosts import wording

_EVERY = 1.0  # seconds between two looks
# Seconds for this process to fail by itself after another one has.
_PATIENCE = 10.0

_silence = 0.0
_changed = threading.Condition()
_gone: set[int] = set()
_leaving = threading.Event()


def start(silence: float) -> None:
  """Watches, until this process leaves; ends it if another one is gone.

  jax counts a process as gone after `silence` seconds without a heartbeat.
  """
  global _silence
  _silence = silence
  threading.Thread(target=_watch, daemon=True).start()


def gone() -> str:
  """Waits until jax knows which processes are gone; '' if it never does."""
  _leaving.set()
  with _changed:
    _changed.wait_for(lambda: _gone, _silence + _PATIENCE)
  return _names()


def wait_until_alone(patience: float) -> None:
  """Waits until all other processes have left, at most some seconds."""
  _leaving.set()
  with _changed:
    _changed.wait_for(lambda: len(_gone) == jax.process_count() - 1, patience)


def _names() -> str:
  listed = ' and '.join(f'process {index}' for index in sorted(_gone))
  return f'{listed} of {jax.process_count()}' if _gone else ''


def _watch() -> None:
  devices = set(jax.devices())
  while len(_gone) < jax.process_count() - 1:
    try:
      with multihost_utils.live_devices(list(devices)) as alive:
        failed = devices - set(alive)
        time.sleep(_EVERY)
    except multihost_utils.ProcessFailureError as error:
      failed = error.failed_devices
    except Exception:  # jax's service has left, with the first process
      return
    if not failed:
      continue
    with _changed:
      _gone.update(device.process_index for device in failed)
      _changed.notify_all()
    if not _leaving.wait(_PATIENCE):
      line = errors.LostProcess().line(_names())
      print(f'error: {wording.printable(line)}', file=sys.stderr, flush=True)
      os._exit(errors.LostProcess.exit_code)
