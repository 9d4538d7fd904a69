"""What losses on features see of given arrays."""

import jax
import jax.numpy as jnp
import numpy as np

from pointsup_jax.types import Batch, Outputs
from pointsup_jax.uda.scene import Scene, Seen


def seen(conv5, small=None, labels=None) -> Seen:
  outputs = Outputs(small, small)
  return Seen(Batch(conv5, labels), outputs, outputs, {'conv5': conv5})


def scene(source, target, teacher=None, step=0) -> Scene:
  """Features are judged as they are: opponents are the identity."""
  passes = {'source': source, 'target': target}
  return Scene(
    passes,
    lambda name, features: features,
    lambda name, batch: seen(teacher),
    {},
    jnp.int32(step),
    jax.random.key(0),
  )


def reference(shared, name):
  """Numbers of ../shared/reference/uda; floating ones in float64."""
  with np.load(shared / 'reference' / 'uda' / f'{name}.npz') as file:
    return {
      name: np.float64(x) if x.dtype.kind == 'f' else x
      for name, x in file.items()
    }
