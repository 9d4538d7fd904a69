"""launch.main where the devices of the processes stand as on a TPU's torus.

There jax.make_mesh gives, of four hosts, 0 0 1 1 1 1 0 2 3 3 3 3 2 2 2 0. Here
the devices of two processes stand as 0 1 1 0, however they are asked for.
"""

import os
import runpy
import sys

import jax
import numpy as np

devices = jax.devices


def interleaved(*args, **kwargs) -> list:
  """One device of every process there, one of every process back: 0 1 1 0."""
  found = devices(*args, **kwargs)
  turn = {}
  for device in found:
    earlier = [x for x in turn if x.process_index == device.process_index]
    turn[device] = len(earlier)
  there_and_back = {
    x: (at, x.process_index * (-1) ** at) for x, at in turn.items()
  }
  return sorted(found, key=there_and_back.__getitem__)


def make_mesh(shape, names, *, axis_types):
  """As jax.make_mesh: in the order that the hardware suggests."""
  return jax.sharding.Mesh(
    np.array(jax.devices()).reshape(shape), names, axis_types=axis_types
  )


if __name__ == '__main__':
  sys.path.insert(0, os.getcwd())
  jax.devices, jax.make_mesh = interleaved, make_mesh
  runpy.run_module('launch.main', run_name='__main__', alter_sys=True)
