r"""What the step takes of a device's memory, as the compiler plans it.

  python -m benchmarks.memory

Nothing is run, so a machine without that memory will do; but each line compiles
ResNet-101, about a minute on two CPU cores. `kept` is what the passes over both
images leave for their backward passes before any compiler has looked at it, the
same on all devices; the plan of a GPU's compiler is another than that of a
CPU's, which prefers speed to memory: run it where it matters.
"""

import argparse
import functools
import json
import pathlib
import sys

import jax

from benchmarks import full_size
from pointsup_jax.training import learner
from pointsup_jax.types import Batch, Outputs

VARIANTS: dict[str, dict] = {
  'float32': {},
  'float32, remat': {'remat': True},
  'bfloat16': {'dtype': 'bfloat16'},
  'bfloat16, remat': {'dtype': 'bfloat16', 'remat': True},
}


def main() -> None:
  """Prints a line for each variant and writes them as JSON."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--divide', type=int, default=1)
  parser.add_argument('--blocks', type=int, nargs=4, default=[3, 4, 23, 3])
  parser.add_argument('--only', nargs='*', default=[*VARIANTS])
  parser.add_argument('--out', type=pathlib.Path)
  options = parser.parse_args()
  found = {'device': jax.devices()[0].device_kind}
  for name in options.only:
    train_step, player = full_size.train_step(
      blocks=tuple(options.blocks), **VARIANTS[name]
    )
    state = jax.eval_shape(
      functools.partial(full_size.fresh_state, player), jax.random.key(0)
    )
    program = train_step.lower(state, full_size.images(options.divide))
    about = full_size.analysis(program, program.compile())
    about['kept'] = kept(player, options.divide)
    found[name] = about
    print(
      f'{name}: {about["memory"] / 2**30:.2f} GiB, '
      f'{about["kept"] / 2**30:.2f} GiB kept, '
      f'{about["flops"] / 1e12:.3g} TFLOP as written',
      flush=True,
    )
  if options.out:
    options.out.write_text(json.dumps(found, indent=1))


def kept(player: learner.Learner, divide: int) -> int:
  """Bytes that the backward passes over source and target get."""

  def backward(variables: dict, batch: Batch):
    def logits(params: dict) -> Outputs:
      return player.see(variables | {'params': params}, batch)[0].logits

    return jax.vjp(logits, variables['params'])[1]

  variables = jax.eval_shape(player.init_segmenter, jax.random.key(0))
  return sum(
    x.size * x.dtype.itemsize
    for domain in full_size.images(divide)
    for x in jax.tree.leaves(jax.eval_shape(backward, variables, domain))
  )


if __name__ == '__main__':
  sys.exit(main())
