"""The network of a tiny run."""

import functools
import pathlib

import jax
import jax.numpy as jnp

from pointsup_jax.models import deeplab, pretrained, weight_files

IMAGES = (1, 32, 32, 3)


def tiny(aux_reads: str = 'conv4') -> deeplab.DeepLabV2:
  return deeplab.DeepLabV2(
    19, blocks=(1, 1, 1, 1), width=8, bn='global', aux_reads=aux_reads
  )


def write_weights(path: pathlib.Path) -> pathlib.Path:
  """Writes random weights of the network to a file; returns its path."""
  init = jax.jit(functools.partial(tiny().init, train=False))
  variables = init(jax.random.key(1), jnp.zeros(IMAGES))
  weight_files.write(path, pretrained.to_torch(variables))
  return path
