import numpy as np
import pytest

from pointsup_jax.report import paper_tables, screen_table

NAMES = ('road', 'car', 'train')


def cells(table):
  return [line.split() for line in table.splitlines()]


def test_reads_as_in_a_paper():
  columns = {
    'no adaptation': np.array([0.5, 0.25, np.nan]),
    'points': np.array([0.75, 0.2, 1.0]),
  }
  table = screen_table.iou_table(columns, NAMES, {'2': (0, 1)})
  assert table.split('\n') == [
    'IoU in %  no adaptation  points   gain',
    '--------------------------------------',
    'road               50.0    75.0  +25.0',
    'car                25.0    20.0   -5.0',
    'train                 -   100.0      -',
    '--------------------------------------',
    'mIoU               37.5    65.0  +27.5',
    'mIoU (2)           37.5    47.5  +10.0',
  ]


def test_one_stage_has_no_gain():
  table = screen_table.iou_table({'UDA': np.array([0.1, 0.2, 0.3])}, NAMES, {})
  assert 'gain' not in table
  assert cells(table)[-1] == ['mIoU', '20.0']


@pytest.mark.filterwarnings('error')
def test_a_class_that_no_stage_meets_is_a_dash_without_a_warning():
  columns = dict.fromkeys('ab', np.full(3, np.nan))
  table = screen_table.iou_table(columns, NAMES, {'1': (0,)})
  assert cells(table)[-1] == ['mIoU', '(1)', '-', '-', '-']


def test_no_gain_has_no_minus():
  columns = {'a': np.array([0.5]), 'b': np.array([0.4999])}
  assert cells(screen_table.iou_table(columns, ['x'], {}))[2][-1] == '+0.0'


def test_the_mean_agrees_with_the_classes_above_it():
  iou = np.random.default_rng(0).random((3, 19))
  iou[1, 4] = np.nan
  columns = dict(zip(('first', 'second', 'third'), iou, strict=True))
  names = [f'class{i}' for i in range(19)]
  table = screen_table.iou_table(columns, names, {'some': (0, 4, 7)})
  means = 100 * np.nanmean(iou, axis=1)
  of_some = 100 * np.nanmean(iou[:, [0, 4, 7]], axis=1)
  lines = cells(table)
  assert lines[-2][1:4] == [f'{x:.1f}' for x in means]
  assert lines[-1][2:5] == [f'{x:.1f}' for x in of_some]
  assert lines[-2][4] == f'{means[2] - means[0]:+.1f}'
  assert len(lines) == 1 + 1 + 19 + 1 + 2


@pytest.mark.parametrize('stages', range(1, 7))
@pytest.mark.parametrize('length', [3, 13, 60])
def test_lines_are_aligned_and_fit_a_terminal(stages, length):
  columns = {
    f'stage {i} ' + 'x' * length: np.array([1.0, 0.0, np.nan])
    for i in range(stages)
  }
  names = ['n' * length, 'car', 'train']
  table = screen_table.iou_table(columns, names, {'a set of classes': (0, 1)})
  (width,) = {len(line) for line in table.splitlines()}
  assert width <= 80
  assert table.count('100.0') >= stages


def test_names_and_scores_must_be_as_many():
  with pytest.raises(IndexError):
    screen_table.iou_table({'a': np.zeros(2)}, NAMES, {})


def test_the_last_checkpoint_comes_first_and_the_best_is_named():
  models = {
    'UDA': [(100, 0.2), (200, 0.3), (300, 0.25)],
    'points': [(100, None)],
  }
  assert screen_table.steps_table(models).split('\n') == [
    'mIoU in %  step  mIoU',
    '---------------------------',
    'UDA         300  25.0  last',
    'UDA         100  20.0',
    'UDA         200  30.0  best',
    'points      100     -  last',
    '---------------------------',
    'best: chosen by the labels that it is scored on',
  ]
  assert paper_tables.checkpoints_csv(models) == (
    'model,step,mIoU\nUDA,100,20.0000\nUDA,200,30.0000\nUDA,300,25.0000\n'
    'points,100,\n'
  )
