import numpy as np
import pytest

from pointsup_jax.annotation import agreement, records


def said(point, who, label, answer='label', mode='blind'):
  return records.PersonAnswer(0, point, who, answer, label, 1.0, mode)


def test_kappa_of_a_table_of_two_by_two():
  # 20 both yes, 15 both no, 5 and 10 differ: p = 0.7, e = 0.5.
  labels = [(1, 1)] * 20 + [(0, 0)] * 15 + [(1, 0)] * 5 + [(0, 1)] * 10
  assert agreement.kappa(labels) == pytest.approx(0.4)


def test_kappa_is_one_for_full_agreement_and_about_zero_for_none():
  rng = np.random.default_rng(0)
  one, two = rng.integers(0, 5, (2, 20_000)).tolist()
  assert agreement.kappa(list(zip(one, one, strict=True))) == 1
  assert abs(agreement.kappa(list(zip(one, two, strict=True)))) < 0.02


def test_kappa_is_undefined_without_points_or_with_one_label_only():
  assert agreement.kappa([]) is None
  assert agreement.kappa([(3, 3), (3, 3)]) is None


def test_every_pair_of_annotators_is_compared_where_both_gave_labels():
  gave = [('p', 'ben', 2), ('p', 'ana', 1), ('q', 'ana', 1), ('q', 'ben', 1)]
  gave += [('q', 'eva', 255), ('r', 'ana', 1), ('r', 'ben', None, 'unsure')]
  found = agreement.measure([said(*answer) for answer in gave])
  assert [(x.annotators, x.points, x.same) for x in found.pairs] == [
    (('ana', 'ben'), 2, 1),
    (('ana', 'eva'), 1, 0),
    (('ben', 'eva'), 1, 0),
  ]
  assert found.disputed == ['p', 'q']


def test_a_settled_dispute_is_none():
  answers = [said('p', 'ana', 1), said('p', 'ben', 2)]
  settled = said('p', 'eva', 2, mode='adjudicate')
  found = agreement.measure([*answers, settled])
  assert found.disputed == []
  assert [x.annotators for x in found.pairs] == [('ana', 'ben')]
