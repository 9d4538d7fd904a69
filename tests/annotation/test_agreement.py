import collections

import numpy as np
import people
import pytest

from pointsup_jax.annotation import agreement, records


@pytest.fixture
def store(store):
  points = [
    people.request('a', 0, i)._replace(id=x) for i, x in enumerate('pqr')
  ]
  store.add_image('a', (8, 16), 0.5, points)
  return store


def say(store, point, who, label, answer='label', mode='blind'):
  how = records.How(1.0, mode)
  if answer == 'label':
    store.answer(point, label, who, how=how)
  else:
    store.mark(point, answer, who, how=how)


def test_kappa_of_a_table_of_two_by_two():
  # 20 both yes, 15 both no, 5 and 10 differ: p = 0.7, e = 0.5.
  labels = [(1, 1)] * 20 + [(0, 0)] * 15 + [(1, 0)] * 5 + [(0, 1)] * 10
  assert agreement.kappa(collections.Counter(labels)) == pytest.approx(0.4)


def kappa(one, two):
  return agreement.kappa(collections.Counter(zip(one, two, strict=True)))


def test_kappa_is_one_for_full_agreement_and_about_zero_for_none():
  rng = np.random.default_rng(0)
  one, two = rng.integers(0, 5, (2, 20_000)).tolist()
  assert kappa(one, one) == 1
  assert abs(kappa(one, two)) < 0.02


def test_kappa_is_undefined_without_points_or_with_one_label_only():
  assert agreement.kappa({}) is None
  assert agreement.kappa({(3, 3): 2}) is None


def test_every_pair_of_annotators_is_compared_where_both_gave_labels(store):
  gave = [('p', 'ben', 2), ('p', 'ana', 1), ('q', 'ana', 1), ('q', 'ben', 1)]
  gave += [('q', 'eva', 255), ('r', 'ana', 1), ('r', 'ben', None, 'unsure')]
  for answer in gave:
    say(store, *answer)
  found = agreement.measure(store.database)
  assert [(x.annotators, x.points, x.same) for x in found.pairs] == [
    (('ana', 'ben'), 2, 1),
    (('ana', 'eva'), 1, 0),
    (('ben', 'eva'), 1, 0),
  ]
  assert found.disputed == 2
  assert agreement.disputed(store.database) == ['p', 'q']


def test_a_settled_dispute_is_none(store):
  say(store, 'p', 'ana', 1)
  say(store, 'p', 'ben', 2)
  say(store, 'p', 'eva', 2, mode='adjudicate')
  found = agreement.measure(store.database)
  assert found.disputed == 0
  assert agreement.disputed(store.database) == []
  assert [x.annotators for x in found.pairs] == [('ana', 'ben')]
