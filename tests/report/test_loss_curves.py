import numpy as np

from pointsup_jax.report import loss_curves

RECORDS = [
  {'step': 20, 'loss': 3.0, 'source_main': 2.0, 'source_aux': 9.0,
   'fool_main': 0.7, 'lr': 0.1, 'lr_opponent': 0.2, 'seconds': 4.0},
  {'step': 40, 'loss': 2.0, 'source_main': 1.0, 'source_aux': 9.0,
   'lr': 0.1, 'lr_opponent': 0.2, 'seconds': 8.0},
]  # fmt: skip


def test_the_main_heads_losses_by_what_they_learn_from():
  phase = loss_curves.of_phase('stage 1', RECORDS)
  names = [(x.name, x.supervised) for x in phase.curves]
  assert names == [('fool', False), ('source', True)]
  assert phase.curves[0].steps.tolist() == [20]
  assert phase.curves[1].values.tolist() == [2.0, 1.0]
  assert (phase.steps, phase.seconds) == (40, 8.0)


def test_sessions_that_were_stopped_count_too():
  times = [2.0, 4.0, 1.5, 3.0]  # stopped after 4 s, went on for 3 s
  assert loss_curves.trained_seconds([{'seconds': x} for x in times]) == 7.0
  assert loss_curves.trained_seconds([{'step': 1}]) == 0.0


def test_smoothing_keeps_a_constant_and_starts_at_the_first_value():
  np.testing.assert_allclose(loss_curves.smoothed(np.full(9, 3.0)), 3.0)
  wild = loss_curves.smoothed(np.array([1.0, 5.0, 1.0, 5.0]))
  assert wild[0] == 1.0
  assert 1 < wild[-1] < 5
