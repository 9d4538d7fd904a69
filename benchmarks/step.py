r"""The AdvEnt step against PyTorch: time, arithmetic, memory.

  python -m benchmarks.step                 # on a CPU, a quarter of the size
  python -m benchmarks.step --divide=1      # the paper's size, for a GPU

Needs torch. All contenders start from the same weights, see the same images and
take turns; their first losses are compared. Ratios are of the time of ours over
that of the other, round by round.
"""

import argparse
import functools
import json
import os
import pathlib
import statistics
import sys
from typing import NamedTuple

# Or JAX would take all of the GPU before PyTorch has any.
os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')

import jax
import numpy as np
import torch

from benchmarks import full_size, measuring, torch_step
from pointsup_jax.models import pretrained, resnet
from pointsup_jax.types import Pair

# Fields of ours; those of PyTorch are arguments of `torch_step.AdvEnt`.
OURS = {
  'ours float32': {},
  'ours bfloat16': {'dtype': 'bfloat16'},
  'ours bfloat16, remat': {'dtype': 'bfloat16', 'remat': True},
}
THEIRS: dict[str, dict[str, bool]] = {
  'torch eager float32': {},
  'torch channels_last float32': {'channels_last': True},
  'torch compile, channels_last float32': {
    'channels_last': True,
    'compiled': True,
  },
  'torch compile, channels_last, autocast': {
    'channels_last': True,
    'compiled': True,
    'autocast': True,
  },
}
# Where bfloat16 is no faster and torch.compile needs a C++ compiler.
ON_A_CPU = [
  'ours float32',
  'torch eager float32',
  'torch channels_last float32',
]


class Contender(NamedTuple):
  """One way to take a step."""

  work: measuring.Work
  losses: dict[str, float]  # of the first step


def main() -> None:
  """Prints the figures and writes them as JSON."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  gpu = torch.cuda.is_available()
  parser.add_argument('--divide', type=int, default=1 if gpu else 4)
  parser.add_argument('--repeats', type=int, default=7)
  parser.add_argument('--steps', type=int, default=20 if gpu else 1)
  parser.add_argument(
    '--only', nargs='*', default=[*OURS, *THEIRS] if gpu else ON_A_CPU
  )
  parser.add_argument('--blocks', type=int, nargs=4, default=[3, 4, 23, 3])
  parser.add_argument('--width', type=int, default=64)
  parser.add_argument('--out', type=pathlib.Path)
  options = parser.parse_args()
  found: dict[str, object] = {'device': jax.devices()[0].device_kind}

  torch.manual_seed(0)
  torch.backends.cudnn.allow_tf32 = False  # float32 is float32, as ours
  theirs = torch_step.Segmenter(
    full_size.CLASSES, options.blocks, options.width
  )
  weights = {k: v.numpy() for k, v in theirs.state_dict().items()}
  batch = full_size.images(options.divide)
  contenders: dict[str, Contender] = {}
  for name, fields in OURS.items():
    if name in options.only:
      contenders[name], found[name] = ours(options, fields, weights, batch)
  for name, how in THEIRS.items():
    if name in options.only:
      contenders[name], found[name] = pytorch(options, how, weights, batch)

  compare_losses(contenders)
  seconds = measuring.alternate(
    {name: contender.work for name, contender in contenders.items()},
    options.repeats,
  )
  for name, times in seconds.items():
    times[:] = [x / options.steps for x in times]
    print(f'{name}: {measuring.spread(times, " ms", 1e3)} a step')
  found['seconds'] = seconds
  for mine in OURS.keys() & seconds.keys():
    for other in THEIRS.keys() & seconds.keys():
      ratio = measuring.ratios(seconds[mine], seconds[other])
      print(f'{mine} / {other}: {measuring.spread(ratio)}')
  utilisation(found, seconds)
  if options.out:
    options.out.write_text(json.dumps(found, indent=1))


def ours(
  options: argparse.Namespace, fields: dict, weights: dict, batch: Pair
) -> tuple[Contender, dict[str, float]]:
  """Our step as stage 1 compiles it, and what the compiler says of it."""
  train_step, player = full_size.train_step(
    blocks=tuple(options.blocks), width=options.width, **fields
  )
  init = functools.partial(player.init, players=full_size.PLAYERS)
  state = jax.jit(init)(jax.random.key(0), pretrained.from_torch(weights))
  # Every contender has the opponents that torch's seed gives.
  torch.manual_seed(1)
  for head in torch_step.HEADS:
    params = opponent_params(torch_step.discriminator(full_size.CLASSES))
    state.opponents[head] = state.opponents[head].replace(params=params)
  state, batch = jax.device_put((state, batch))
  program = train_step.lower(state, batch)
  compiled = program.compile()
  state, first = compiled(state, batch)

  def work() -> None:
    nonlocal state
    for _ in range(options.steps):
      state, metrics = compiled(state, batch)
    jax.block_until_ready(metrics)

  losses = {name: float(loss) for name, loss in first.items()}
  return Contender(work, losses), full_size.analysis(program, compiled)


def opponent_params(player: torch.nn.Sequential) -> dict:
  """Torch's discriminator under our names."""
  return {
    f'conv{i}': {
      'kernel': layer.weight.detach().numpy().transpose(2, 3, 1, 0),
      'bias': layer.bias.detach().numpy(),
    }
    for i, layer in enumerate(player)
    if isinstance(layer, torch.nn.Conv2d)
  }


def pytorch(
  options: argparse.Namespace, how: dict, weights: dict, batch: Pair
) -> tuple[Contender, dict[str, float]]:
  """PyTorch's step in one of its styles, and its memory on a GPU."""
  gpu = torch.cuda.is_available()
  device = 'cuda' if gpu else 'cpu'
  segmenter = torch_step.Segmenter(
    full_size.CLASSES, options.blocks, options.width
  )
  segmenter.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
  torch.manual_seed(1)
  players = torch_step.AdvEnt(segmenter, full_size.CLASSES, device, **how)
  source, target = (
    players.put(
      torch.tensor(np.array(resnet.preprocess(x.images)).transpose(0, 3, 1, 2))
    )
    for x in batch
  )
  labels = torch.tensor(batch.source.labels, dtype=torch.long, device=device)
  before = torch.cuda.memory_allocated() if gpu else 0
  if gpu:
    torch.cuda.reset_peak_memory_stats()
  first = players.step(source, labels, target)
  about = {}
  if gpu:
    about['memory'] = torch.cuda.max_memory_allocated() - before

  def work() -> None:
    for _ in range(options.steps):
      players.step(source, labels, target)
    if gpu:
      torch.cuda.synchronize()

  return Contender(work, {k: float(v) for k, v in first.items()}), about


def compare_losses(contenders: dict[str, Contender]) -> None:
  """Says how far the first losses are from those of the first contender."""
  reference_name, reference = next(iter(contenders.items()))
  for name, contender in contenders.items():
    shared = contender.losses.keys() & reference.losses.keys() - {'loss'}
    worst = max(
      abs(contender.losses[k] / reference.losses[k] - 1) for k in shared
    )
    print(f'{name}: losses within {worst:.1e} of {reference_name}')


def utilisation(found: dict, seconds: dict[str, list[float]]) -> None:
  """The roofline: what arithmetic and memory allow, and how near we are."""
  large = jax.default_backend() != 'cpu'
  peaks = {
    dtype: measuring.matmul_peak(dtype, 8192 if large else 2048)
    for dtype in ('float32', 'bfloat16')
  }
  bandwidth = measuring.copy_peak(2048 if large else 512)
  found |= {'matmul peak': peaks, 'copy peak': bandwidth}
  for name in OURS.keys() & seconds.keys():
    about = found[name]
    peak = peaks[OURS[name].get('dtype', 'float32')]
    # Rematerialised work is not the model's.
    flops = found.get('ours float32', about)['flops']
    time = statistics.median(seconds[name])
    about['utilisation'] = flops / peak / time
    print(
      f'{name}: {flops / 1e12:.3g} TFLOP, {about["memory"] / 2**30:.3g} GiB; '
      f'arithmetic alone {1e3 * flops / peak:.3g} ms at '
      f'{peak / 1e12:.3g} TFLOP/s, memory alone '
      f'{1e3 * about["bytes accessed"] / bandwidth:.3g} ms at '
      f'{bandwidth / 1e9:.3g} GB/s; model FLOP utilisation '
      f'{about["utilisation"]:.0%}'
    )


if __name__ == '__main__':
  sys.exit(main())
