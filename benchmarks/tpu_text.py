"""Reads the program that a TPU's compiler wrote: what moves through its memory.

Layouts name tiles, so padding is known, and memory spaces: arrays without one
lie in HBM, the chip's main memory; S(1) is VMEM, near the arithmetic. What an
operation reads and writes in HBM is therefore in the text.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

BITS = {'pred': 8, 'bf16': 16, 'f16': 16}  # of others, the digits in the name
_ARRAY = re.compile(r'\b([a-z]+\d*)\[([\d,]*)\](?:\{([\d,]*)(?::([^}]*))?\})?')
_TILE = re.compile(r'T\(([\d,]+)\)')
_LINE = re.compile(r'\s+(?:ROOT )?%([\w.\-]+) = (.*)')
_NAME = re.compile(r'%([\w.\-]+)')
_TITLE = re.compile(r'(?:ENTRY )?%([\w.\-]+) .*\{$')
# They name what others have made, as those do that end in '-done'.
_NAMING = {
  'after-all',
  'bitcast',
  'constant',
  'get-tuple-element',
  'parameter',
  'partition-id',
  'tuple',
}
_STARTS = {'copy-start', 'slice-start', 'all-reduce-start'}
_SLICES = {'slice', 'dynamic-slice', 'gather'}
# By the title of what XLA made an instruction of. What it moves into the one
# before, as the rounding of a discriminator's input, counts as that one's.
_PARTS = {
  r'Discriminator': 'discriminators',
  r'features/layer1': 'conv2',
  r'features/layer2': 'conv3',
  r'features/layer3': 'conv4',
  r'features/layer4': 'conv5',
  r'features/': 'stem',
  r'_head': 'heads',
  r'jvp\(': 'losses',
}
REST = 'update and rest'


class Array(NamedTuple):
  """One array as it lies in memory."""

  text: str
  size: int  # bytes, with padding
  bare: int  # bytes, without
  in_hbm: bool


class Instruction(NamedTuple):
  """One line of a program."""

  name: str
  opcode: str
  results: tuple[Array, ...]
  operands: tuple[str, ...]
  line: str

  def field(self, pattern: str) -> str:
    """The first group of a pattern in the line, or ''."""
    found = re.search(pattern, self.line)
    return found[1] if found else ''


Computation = dict[str, Instruction]


class Traffic(NamedTuple):
  """What one instruction moves, as often as it runs."""

  instruction: Instruction
  part: str  # of the network
  hbm: int  # bytes read from and written to HBM
  cycles: int  # as the compiler estimates; 0: not said


class Program:
  """A compiled program's text (`jax.stages.Compiled.as_text`)."""

  def __init__(self, text: str) -> None:
    self.computations: dict[str, Computation] = {}
    self.entry: Computation = {}
    current: Computation = {}
    for line in text.splitlines():
      if title := _TITLE.match(line):
        current = self.computations[title[1]] = {}
        if line.startswith('ENTRY'):
          self.entry = current
      elif found := _LINE.match(line):
        current[found[1]] = _instruction(found[1], found[2])

  def traffic(
    self, within: Computation | None = None, times: int = 1
  ) -> Iterator[Traffic]:
    """Yields what instructions move; bodies of loops as often as they run.

    Raises ValueError at instructions whose form is not known here.
    """
    computation = self.entry if within is None else within
    for each in computation.values():
      if each.opcode == 'while':
        count = times * int(
          each.field(r'"known_trip_count":\{"n":"(\d+)"') or 1
        )
        body = self.computations[each.field(r'body=%([\w.\-]+)')]
        yield from self.traffic(body, count)
      elif each.opcode in ('call', 'conditional') or (
        each.opcode.endswith('-start') and each.opcode not in _STARTS
      ):
        raise ValueError(f'cannot count what {each.opcode} %{each.name} moves')
      elif not (
        each.opcode in _NAMING
        or each.opcode.endswith('-done')
        or 'ConcatBitcast' in each.line
      ):
        cycles = int(each.field(r'"estimated_cycles":"(\d+)"') or 0)
        yield Traffic(
          each,
          part_of(computation, each),
          times * self._hbm(computation, each),
          times * cycles,
        )

  def _hbm(self, computation: Computation, each: Instruction) -> int:
    """Bytes that an instruction reads from and writes to HBM, once."""
    if each.opcode == 'slice-start':  # ((source), slice, context)
      source, piece = each.results[:2]
      return piece.size * (source.in_hbm + piece.in_hbm)
    results = each.results
    if each.opcode == 'copy-start':  # (copy, source, context)
      results = results[:1]
    written = sum(x.size for x in results if x.in_hbm)
    inner = self.computations.get(each.field(r'calls=%([\w.\-]+)'))
    if each.opcode == 'dynamic-update-slice':
      update = computation[each.operands[1]].results[0]
      return update.size * (update.in_hbm + each.results[0].in_hbm)
    if inner and len(results) == 1 and results[0].in_hbm:
      written = min(written, _written(inner))
    read = 0
    for place, name in enumerate(each.operands):
      for array in computation[name].results if name in computation else ():
        if not array.in_hbm:
          continue
        if inner:
          read += min(self._read(inner, place), array.size)
        elif each.opcode in _SLICES:
          read += min(results[0].size, array.size)
        else:
          read += array.size
    return read + written

  def _read(self, inner: Computation, place: int) -> int:
    """Bytes that a fusion reads of its argument at a place."""
    for each in inner.values():
      if each.opcode == 'parameter' and f' parameter({place})' in each.line:
        return self._read_of(inner, each.name, each.results[0].size)
    return 0

  def _read_of(self, inner: Computation, name: str, size: int) -> int:
    """Bytes that instructions read of one with a name, at most its size."""
    if name == next(reversed(inner)):  # the result: whatever reads that
      return size
    read = 0
    for user in inner.values():
      if name not in user.operands:
        continue
      called = self.computations.get(user.field(r'calls=%([\w.\-]+)'))
      if user.opcode == 'bitcast' or (called and _only_renames(called)):
        read += self._read_of(inner, user.name, size)
      elif user.opcode in _SLICES:
        read += user.results[0].size
      elif user.opcode == 'dynamic-update-slice' and name == user.operands[0]:
        continue
      elif called:
        read += self._read(called, user.operands.index(name))
      else:
        return size
    return min(read, size)


def _only_renames(inner: Computation) -> bool:
  """Whether a fusion's result is its argument, in another shape at most."""
  return all(x.opcode in ('parameter', 'bitcast') for x in inner.values())


def _written(inner: Computation) -> int:
  """Bytes that a fusion of one result writes; in place, only the update."""
  root = next(reversed(inner.values()))
  while root.opcode == 'bitcast':
    root = inner[root.operands[0]]
  if root.opcode == 'dynamic-update-slice':
    return inner[root.operands[1]].results[0].size
  return sum(x.size for x in root.results)


def part_of(computation: Computation, each: Instruction) -> str:
  """The part of the network that an instruction, or what it reads, is of."""
  while True:
    if title := each.field(r'op_name="([^"]*)"'):
      return next(
        (part for x, part in _PARTS.items() if re.search(x, title)), REST
      )
    if not each.operands or each.operands[0] not in computation:
      return REST
    each = computation[each.operands[0]]


def arrays(text: str) -> tuple[Array, ...]:
  """The arrays of a shape, which may be a tuple of tuples."""
  return tuple(
    _array(found) for found in _ARRAY.finditer(text) if found[1] != 'token'
  )


def _array(found: re.Match[str]) -> Array:
  dtype, shape, order, layout = found.groups()
  sides = [int(x) for x in shape.split(',') if x]
  bits = BITS.get(dtype) or int(re.sub(r'\D', '', dtype))
  bare = math.prod(sides) * bits // 8
  tile = _TILE.search(layout or '')
  if tile and sides:
    # The order names the fastest axis first; the tile's last side is its.
    axes = [int(x) for x in (order or '').split(',') if x]
    for axis, size in zip(axes, reversed(tile[1].split(',')), strict=False):
      sides[axis] = -(-sides[axis] // int(size)) * int(size)
  space = re.search(r'S\((\d+)\)', layout or '')
  return Array(
    found[0], math.prod(sides) * bits // 8, bare, not space or space[1] == '0'
  )


def _instruction(name: str, rest: str) -> Instruction:
  shape, rest = _split(rest, ' ')
  opcode, _, rest = rest.partition('(')
  operands, attributes = _split(rest, ')')
  return Instruction(
    name,
    opcode,
    arrays(shape),
    tuple(_NAME.findall(operands)),
    f' {opcode}({operands}){attributes}',
  )


def _split(text: str, end: str) -> tuple[str, str]:
  """What stands before and after an `end` outside of parentheses."""
  depth = 0
  for i, letter in enumerate(text):
    if letter == end and not depth:
      return text[:i], text[i + 1 :]
    depth += (letter == '(') - (letter == ')')
  return text, ''
