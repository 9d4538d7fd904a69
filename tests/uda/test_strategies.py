"""Each method's loss against float64 NumPy."""

import functools

import numpy as np
import pytest
from scipy import special

from pointsup_jax import uda
from pointsup_jax.types import Outputs
from pointsup_jax.uda import adaptsegnet, advent, minent, source_only

WEIGHTS = Outputs(aux=0.3, main=0.7)
CLASSES = 5
assert_close = functools.partial(np.testing.assert_allclose, rtol=1e-5)


def random_logits(seed, scale=3.0):
  rng = np.random.default_rng(seed)
  return rng.normal(0, scale, (2, 6, 8, CLASSES)).astype(np.float32)


TARGET = Outputs(aux=random_logits(0), main=random_logits(1))
SOURCE = random_logits(2)


def softmax(x):
  return special.softmax(np.float64(x), axis=-1)


def self_information(logits):
  return special.entr(softmax(logits)) / np.log(CLASSES)


def bce(logits, label):
  p = 1 / (1 + np.exp(-logits))
  return -np.mean(label * np.log(p) + (1 - label) * np.log(1 - p))


def judge(head, maps):
  """An opponent with other class weights for each head."""
  weights = np.arange(CLASSES, dtype=np.float32) - 1.5
  return (maps * weights).sum(-1, keepdims=True) * {'aux': 1, 'main': -2}[head]


@pytest.mark.parametrize(
  ('build', 'maps'),
  [(advent.advent, self_information), (adaptsegnet.adaptsegnet, softmax)],
)
def test_adversarial_methods(build, maps):
  method = build(WEIGHTS)
  assert method.opponents == ('aux', 'main')
  loss, parts = method.segmenter_loss(TARGET, judge)
  fool = {
    head: bce(judge(head, maps(getattr(TARGET, head))), 0.0)
    for head in ('aux', 'main')
  }
  expected = 0.7 * fool['main'] + 0.3 * fool['aux']
  assert_close(loss, expected)
  for head in ('aux', 'main'):
    assert_close(parts[f'fool_{head}'], fool[head])
    found = method.opponent_loss(head, SOURCE, getattr(TARGET, head), judge)
    of_source = bce(judge(head, maps(SOURCE)), 0.0)
    of_target = bce(judge(head, maps(getattr(TARGET, head))), 1.0)
    assert_close(found, (of_source + of_target) / 2)


def test_minent_is_the_weighted_mean_entropy():
  method = minent.MinEnt(WEIGHTS)
  loss, parts = method.segmenter_loss(TARGET, judge)
  aux, main = (self_information(x).sum(-1).mean() for x in TARGET)
  assert_close(parts['entropy_aux'], aux)
  assert_close(parts['entropy_main'], main)
  assert_close(loss, 0.7 * main + 0.3 * aux)
  assert not method.opponents


def test_source_only_adds_nothing():
  loss, parts = source_only.SourceOnly().segmenter_loss(TARGET, judge)
  assert float(loss) == 0.0
  assert not parts


def test_every_phase_of_every_method_has_a_strategy():
  for name in uda.names():
    phases = uda.phases(name)
    assert phases[-1].name == ''  # stage 2 reads uda/ itself
    assert not phases[0].within_target
    assert len({phase.name for phase in phases}) == len(phases)
    for phase in phases:
      method = uda.STRATEGIES[phase.strategy](WEIGHTS)
      assert set(method.opponents) <= set(Outputs._fields)
