"""Converts segmenter weights to another file format.

  python -m launch.convert IN OUT

Each name ends in .pth (to write one needs PyTorch), .safetensors or .npz. IN
holds a DeepLab-v2 or its backbone; code in it is never run. OUT has torch's
names.
"""

from collections.abc import Sequence

from pointsup_jax import command, errors
from pointsup_jax.hosts import progress
from pointsup_jax.models import pretrained, weight_files


def main(operands: Sequence[str]) -> None:
  """Converts the file."""
  if len(operands) != 2:
    raise errors.UsageError(
      'name two files, IN and OUT, each ending in '
      f'{", ".join(weight_files.SUFFIXES)}'
    )
  path, out = operands
  tensors = pretrained.to_torch(pretrained.load(path))
  weight_files.write(out, tensors)
  progress.say(f'{out}: {len(tensors)} tensors of {path}')


if __name__ == '__main__':
  command.run_on(main)
