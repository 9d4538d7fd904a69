import pytest

from benchmarks import scaling, scaling_model

pytestmark = pytest.mark.slow


def test_bytes_of_all_reduces_are_counted():
  hlo = """
    %a = f32[10,3]{1,0} all-reduce(%x), channel_id=1
    %b = (f32[], bf16[4]{0}) all-reduce(%y, %z), channel_id=2
    %c = f32[100]{0} add(%a, %b)
  """
  assert scaling.reduced_bytes(hlo) == 4 * 30 + 4 + 2 * 4


def test_a_ring_moves_nearly_twice_the_bytes():
  assert scaling_model.ring(100.0, 1, 10.0, 1.0) == 0
  assert scaling_model.ring(100.0, 2, 10.0, 0.0) == pytest.approx(10.0)
  many = scaling_model.ring(100.0, 1000, 10.0, 0.0)
  assert many == pytest.approx(20, rel=0.01)
  assert scaling_model.efficiency(3.0, 1.0) == (0.75, 1.0)
  assert scaling_model.efficiency(1.0, 4.0) == (0.2, 0.25)
