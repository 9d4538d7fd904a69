r"""What the step takes of a device's memory, as the compiler plans it.

  python -m benchmarks.memory

Nothing is run, so a machine without that memory will do; but each line compiles
ResNet-101, about a minute on two CPU cores. The plan of a GPU's compiler is
another than that of a CPU's: run it where it matters.
"""

import argparse
import json
import pathlib
import sys

import jax

from benchmarks import full_size

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
      lambda key, player=player: player.init(
        key, player.init_segmenter(key), ('aux', 'main')
      ),
      jax.random.key(0),
    )
    program = train_step.lower(state, full_size.images(options.divide))
    about = full_size.analysis(program, program.compile())
    found[name] = about
    print(
      f'{name}: {about["memory"] / 2**30:.2f} GiB, '
      f'{about["flops"] / 1e12:.3g} TFLOP as written',
      flush=True,
    )
  if options.out:
    options.out.write_text(json.dumps(found, indent=1))


if __name__ == '__main__':
  sys.exit(main())
