"""What a small program moves through HBM, counted by hand."""

import types

import pytest
import tpu_compiler

from benchmarks import tpu_program, tpu_text

# What the real compiler writes of a product whose factors do not fit VMEM.
REAL = """
import json
import jax
import jax.numpy as jnp
from jax.experimental import topologies
from benchmarks import tpu_program
from pointsup_jax.training import sharding

chips = topologies.get_topology_desc('v5e:2x2', platform='tpu').devices
here = sharding.replicated(sharding.mesh(chips[:1]))
x = jax.ShapeDtypeStruct((16_384, 4_096), jnp.bfloat16, sharding=here)
lowered = jax.jit(lambda x: x.T @ x).trace(x).lower(lowering_platforms=('tpu',))
chip = tpu_program.CHIPS['v5e']
print(json.dumps(tpu_program.figures(lowered.compile(), chip)))
"""
# A small step for four chips.
STEP = """
import json
from benchmarks import tpu_program

model = {'dtype': 'bfloat16', 'blocks': (1, 1, 1, 1), 'width': 8}
lowered = tpu_program.lower('v5e:2x2', model, 16, 1)
chip = tpu_program.CHIPS['v5e']
print(json.dumps(tpu_program.figures(lowered.compile(), chip)))
"""

TEXT = """HloModule jit_step, is_scheduled=true

%taken (param_0.1: bf16[8,256,128], param_1.1: f32[128]) -> bf16[1,256,128] {
  %param_0.1 = bf16[8,256,128]{2,1,0:T(8,128)(2,1)} parameter(0)
  %bitcast.1 = bf16[8,256,128]{2,1,0:T(8,128)(2,1)} bitcast(%param_0.1)
  %param_1.1 = f32[128]{0:T(128)} parameter(1)
  %wide.1 = bf16[1,256,128]{2,1,0:T(8,128)(2,1)} broadcast(%param_1.1)
  %slice.1 = bf16[1,256,128]{2,1,0:T(8,128)(2,1)} \
slice(%bitcast.1), slice={[0:1]}
  ROOT %add.1 = bf16[1,256,128]{2,1,0:T(8,128)(2,1)} add(%slice.1, %wide.1)
}

%put (param_0.2: f32[4,1024], param_1.2: f32[1,1024]) -> f32[4,1024] {
  %param_0.2 = f32[4,1024]{1,0:T(4,128)} parameter(0)
  %param_1.2 = f32[1,1024]{1,0:T(1,128)S(1)} parameter(1)
  %zero = s32[]{:T(128)} constant(0)
  ROOT %dynamic-update-slice.1 = f32[4,1024]{1,0:T(4,128)} \
dynamic-update-slice(%param_0.2, %param_1.2, %zero, %zero)
}

%renamed (param_0.3: bf16[8,256,128]) -> bf16[2048,128] {
  %param_0.3 = bf16[8,256,128]{2,1,0:T(8,128)(2,1)} parameter(0)
  ROOT %bitcast.2 = bf16[2048,128]{1,0:T(8,128)(2,1)} bitcast(%param_0.3)
}

%product (param_0.4: bf16[8,256,128]) -> bf16[128,128] {
  %param_0.4 = bf16[8,256,128]{2,1,0:T(8,128)(2,1)} parameter(0)
  %fusion.5 = bf16[2048,128]{1,0:T(8,128)(2,1)} fusion(%param_0.4), \
kind=kLoop, calls=%renamed
  ROOT %convolution.1 = bf16[128,128]{1,0:T(8,128)(2,1)} \
convolution(%fusion.5, %fusion.5), dim_labels=fb_io->bf
}

%both (param_0.5: f32[128]) -> (f32[256], f32[256]) {
  %param_0.5 = f32[128]{0:T(128)} parameter(0)
  %wide.2 = f32[256]{0:T(256)} pad(%param_0.5)
  %sine.2 = f32[256]{0:T(256)} sine(%wide.2)
  ROOT %two = (f32[256]{0:T(256)}, f32[256]{0:T(256)}) tuple(%wide.2, %sine.2)
}

%body (state: (s32[], f32[256])) -> (s32[], f32[256]) {
  %state = (s32[]{:T(128)S(6)}, f32[256]{0:T(256)}) parameter(0)
  %count = s32[]{:T(128)S(6)} get-tuple-element(%state), index=0
  %line = f32[256]{0:T(256)} get-tuple-element(%state), index=1
  %sine = f32[256]{0:T(256)} sine(%line), \
metadata={op_name="jit(step)/jvp(DeepLabV2)/main_head/sin"}, \
backend_config={"estimated_cycles":"7"}
  ROOT %next = (s32[]{:T(128)S(6)}, f32[256]{0:T(256)}) tuple(%count, %sine)
}

ENTRY %main (images: bf16[8,256,128], bias: f32[128]) -> f32[] {
  %images = bf16[8,256,128]{2,1,0:T(8,128)(2,1)} parameter(0)
  %bias = f32[128]{0:T(128)} parameter(1)
  %maps = bf16[64,19]{1,0:T(8,128)(2,1)} parameter(2)
  %fusion.1 = bf16[1,256,128]{2,1,0:T(8,128)(2,1)S(1)} fusion(%images, %bias), \
kind=kLoop, calls=%taken, \
metadata={op_name="jit(step)/jvp(DeepLabV2)/features/layer3_0/add"}
  %copy-start.1 = (bf16[64,19]{1,0:T(8,128)(2,1)S(1)}, \
bf16[64,19]{1,0:T(8,128)(2,1)}, u32[]{:S(2)}) copy-start(%maps)
  %copy-done.1 = bf16[64,19]{1,0:T(8,128)(2,1)S(1)} copy-done(%copy-start.1)
  %slice-start.1 = ((bf16[8,256,128]{2,1,0:T(8,128)(2,1)}), \
bf16[2,256,128]{2,1,0:T(8,128)(2,1)S(1)}, s32[]{:S(2)}) slice-start(%images), \
slice={[0:2], [0:256], [0:128]}
  %slice-done.1 = bf16[2,256,128]{2,1,0:T(8,128)(2,1)S(1)} \
slice-done(%slice-start.1)
  %rows = f32[4,1024]{1,0:T(4,128)} broadcast(%bias), \
metadata={op_name="jit(step)/jvp(Discriminator)/conv0/add"}
  %row = f32[1,1024]{1,0:T(1,128)S(1)} slice(%rows), slice={[0:1], [0:1024]}
  %fusion.2 = f32[4,1024]{1,0:T(4,128)} fusion(%rows, %row), \
kind=kLoop, calls=%put
  %fusion.3 = bf16[128,128]{1,0:T(8,128)(2,1)S(1)} fusion(%images), \
kind=kOutput, calls=%product, metadata={op_name="jit(step)/mul"}
  %fusion.4 = (f32[256]{0:T(256)}, f32[256]{0:T(256)}) fusion(%bias), \
kind=kLoop, calls=%both, \
metadata={op_name="jit(step)/jvp(DeepLabV2)/features/bn1"}
  %start = (s32[]{:T(128)S(6)}, f32[256]{0:T(256)}) tuple(%bias)
  %loop = (s32[]{:T(128)S(6)}, f32[256]{0:T(256)}) while(%start), \
condition=%some, body=%body, backend_config={"known_trip_count":{"n":"5"}}
  ROOT %total = f32[]{:T(128)} all-reduce(%fusion.2), to_apply=%sum
}
"""


@pytest.fixture(scope='module')
def moved():
  return {x.instruction.name: x for x in tpu_text.Program(TEXT).traffic()}


def test_arrays_have_the_bytes_of_whole_tiles():
  (padded,) = tpu_text.arrays('bf16[760,1,8,162,19]{4,2,3,0,1:T(8,128)(2,1)}')
  assert padded.bare == 2 * 760 * 8 * 162 * 19
  # The 19 are the fastest axis, of 128 lanes; the next faster has 8 already.
  assert padded.size == 2 * 760 * 8 * 162 * 128
  assert padded.in_hbm
  near, flags = tpu_text.arrays(
    '(f32[95,21]{0,1:T(8,128)S(1)}, pred[21]{0:T(128)S(6)})'
  )
  assert near.size == 4 * 128 * 24
  assert flags.size == 128
  assert not near.in_hbm
  assert not flags.in_hbm


@pytest.mark.parametrize(
  ('name', 'bytes', 'part'),
  [
    # An eighth of the images, and all of the bias; the result is in VMEM.
    ('fusion.1', 2 * 256 * 128 + 4 * 128, 'conv4'),
    ('copy-start.1', 2 * 64 * 128, 'update and rest'),
    ('slice-start.1', 2 * 2 * 256 * 128, 'update and rest'),
    ('rows', 4 * 128 + 4 * 4 * 1024, 'discriminators'),
    ('row', 4 * 1024, 'discriminators'),
    # Both results lie in HBM.
    ('fusion.4', 4 * 128 + 2 * 4 * 256, 'stem'),
    ('total', 4 * 4 * 1024 + 4, 'discriminators'),
    # Only the row is written, in place; it came from VMEM.
    ('fusion.2', 4 * 1024, 'discriminators'),
    # Its factors are the images in another shape.
    ('fusion.3', 2 * 8 * 256 * 128, 'update and rest'),
    ('sine', 5 * 2 * 4 * 256, 'heads'),
  ],
)
def test_what_goes_through_hbm(moved, name, bytes, part):
  assert (moved[name].hbm, moved[name].part) == (bytes, part)


def test_what_only_names_arrays_moves_nothing(moved):
  assert not {'copy-done.1', 'slice-done.1', 'state', 'images', 'start'} & set(
    moved
  )


def test_a_loop_s_body_counts_as_often_as_it_runs(moved):
  assert moved['sine'].cycles == 5 * 7


@pytest.mark.parametrize(
  'line',
  [
    '%x = ((f32[8]{0:T(128)}), f32[8]{0:T(128)}, u32[]) async-start(%bias)',
    '%x = f32[8]{0:T(128)} conditional(%bias), branch_computations={%a, %b}',
  ],
)
def test_what_cannot_be_counted_is_named(line):
  text = f'ENTRY %main (bias: f32[8]) -> f32[8] {{\n  {line}\n}}\n'
  with pytest.raises(ValueError, match=line.split('(%')[0].split()[-1]):
    list(tpu_text.Program(text).traffic())


def test_tokens_and_what_is_done_move_nothing():
  text = """ENTRY %main (bias: f32[1024]) -> f32[1024] {
  %bias = f32[1024]{0:T(1024)} parameter(0)
  %token = token[]{:T(128)} after-all()
  %start = f32[1024]{0:T(1024)} all-reduce-start(%bias), to_apply=%sum
  ROOT %sum = f32[1024]{0:T(1024)} all-reduce-done(%start)
}
"""
  (moved,) = tpu_text.Program(text).traffic()
  assert moved.hbm == 2 * 4 * 1024


class Compiled:
  """What `figures` asks of a compiled program."""

  def as_text(self):
    return TEXT

  def cost_analysis(self):
    return {'flops': 197e9, 'bytes accessed': 1e6}

  def memory_analysis(self):
    return types.SimpleNamespace(
      temp_size_in_bytes=5,
      argument_size_in_bytes=7,
      output_size_in_bytes=3,
      alias_size_in_bytes=2,
    )


def test_figures_and_their_ratios(moved):
  found = tpu_program.figures(Compiled(), tpu_program.CHIPS['v5e'])
  assert found['hbm'] == sum(x.hbm for x in moved.values())
  assert found['memory'] == 13
  assert found['least seconds'] == pytest.approx(1e-3)
  assert (found['collectives'], found['reduced']) == (1, 4)
  assert found['parts']['conv4']['operations'] == moved['fusion.1'].hbm
  copied = moved['copy-start.1'].hbm + moved['slice-start.1'].hbm
  assert found['parts']['update and rest']['copies'] == copied
  given = {'topology': 'v5e', 'model': {}, 'divide': 1, 'images': 1}
  said = tpu_program.lines(found, found | given | {'hbm': 2 * found['hbm']})
  (line,) = (x for x in said if x.startswith('bytes through HBM:'))
  assert '(0.50 of ' in line


@pytest.mark.slow
def test_of_a_real_program():
  found = tpu_compiler.run('-c', REAL)
  assert found['flops'] >= 2 * 4_096**2 * 16_384
  factor, result = 2 * 16_384 * 4_096, 2 * 4_096**2
  # Read at least once, and the result written.
  assert factor + result <= found['hbm'] < 1.1 * (factor + result)
  assert found['largest']


@pytest.mark.slow
def test_of_a_step():
  found = tpu_compiler.run('-c', STEP)
  stages = {f'conv{i}' for i in range(2, 6)}
  others = {'stem', 'heads', 'losses', 'discriminators', tpu_text.REST}
  assert found['parts'].keys() == stages | others
  assert 1 <= found['collectives'] < 20
  # The discriminators' parameters alone are 2.8 million.
  assert found['reduced'] > 2 * 4 * 2.7e6
