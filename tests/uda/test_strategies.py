"""Each method's losses against float64 NumPy."""

import functools

import jax
import numpy as np
import pytest
from scipy import special

from pointsup_jax import uda
from pointsup_jax.types import Batch, Outputs
from pointsup_jax.uda import (
  adaptsegnet,
  advent,
  minent,
  source_only,
  strategy,
)
from pointsup_jax.uda.scene import Scene, Seen

WEIGHTS = Outputs(aux=0.3, main=0.7)
SETTINGS = strategy.Settings(WEIGHTS)
CLASSES = 5
assert_close = functools.partial(np.testing.assert_allclose, rtol=1e-5)


def random_logits(seed, scale=3.0):
  rng = np.random.default_rng(seed)
  return rng.normal(0, scale, (2, 6, 8, CLASSES)).astype(np.float32)


SOURCE = Outputs(aux=random_logits(2), main=random_logits(3))
TARGET = Outputs(aux=random_logits(0), main=random_logits(1))


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


def scene(**logits):
  """What a loss sees of domains with these logits."""
  nothing = Batch(np.zeros(0), np.zeros(0))
  seen = {domain: Seen(nothing, x, x, {}) for domain, x in logits.items()}
  key = jax.random.key(0)
  return Scene(seen, judge, None, {}, np.int32(0), key)


BOTH = scene(source=SOURCE, target=TARGET)


@pytest.mark.parametrize(
  ('build', 'maps'),
  [(advent.advent, self_information), (adaptsegnet.adaptsegnet, softmax)],
)
def test_adversarial_methods(build, maps):
  method = build(SETTINGS)
  assert list(method.players) == ['aux', 'main']
  fool, *tell_apart = method.moves
  loss, parts = fool.loss(scene(target=TARGET))
  expected = {
    head: bce(judge(head, maps(getattr(TARGET, head))), 0.0)
    for head in ('aux', 'main')
  }
  assert_close(loss, 0.7 * expected['main'] + 0.3 * expected['aux'])
  for head, move in zip(('aux', 'main'), tell_apart, strict=True):
    assert_close(parts[f'fool_{head}'], expected[head])
    assert move.parts == (head,)
    assert not move.fresh
    found, logged = move.loss(BOTH)
    of_source = bce(judge(head, maps(getattr(SOURCE, head))), 0.0)
    of_target = bce(judge(head, maps(getattr(TARGET, head))), 1.0)
    assert_close(found, (of_source + of_target) / 2)
    assert_close(logged[f'opponent_{head}'], found)


def test_minent_is_the_weighted_mean_entropy():
  method = minent.minent(SETTINGS)
  (move,) = method.moves
  loss, parts = move.loss(scene(target=TARGET))
  aux, main = (self_information(x).sum(-1).mean() for x in TARGET)
  assert_close(parts['entropy_aux'], aux)
  assert_close(parts['entropy_main'], main)
  assert_close(loss, 0.7 * main + 0.3 * aux)
  assert not method.players


def test_source_only_adds_nothing():
  (move,) = source_only.source_only(SETTINGS).moves
  loss, parts = move.loss(scene(source=SOURCE))
  assert float(loss) == 0.0
  assert not parts
  assert move.looks_at == ('source',)


def test_every_phase_of_every_method_has_a_strategy():
  for name in uda.names():
    phases = uda.phases(name)
    assert phases[-1].name == ''  # stage 2 reads uda/ itself
    assert not phases[0].within_target
    assert len({phase.name for phase in phases}) == len(phases)
    for phase in phases:
      method = uda.STRATEGIES[phase.strategy](SETTINGS)
      moving = {part for move in method.moves for part in move.parts}
      assert moving <= {*strategy.SEGMENTER, *method.players}
      assert any(move.supervised for move in method.moves)
