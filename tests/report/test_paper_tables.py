import csv
import io

import numpy as np

from pointsup_jax.report import (
  click_statistics,
  comparison,
  paper_tables,
  table_formats,
)

NAMES = ('road', 'a_b & 50%', 'train')


def models():
  return [
    comparison.Scores(
      column,
      model='',
      network='segmenter',
      step=1,
      images=2,
      iou=np.array([first, 0.256, np.nan]),
      means={'mIoU': first, 'mIoU (13)': np.nan},
      matrix=np.eye(3, dtype=int),
      image_miou={},
      image_counts={},
    )
    for column, first in (('no adaptation', 0.5), ('points', 0.75))
  ]


def test_a_row_a_method_and_a_column_a_class():
  rows = list(csv.reader(io.StringIO(paper_tables.iou_csv(models(), NAMES))))
  assert rows == [
    ['method', *NAMES, 'mIoU', 'mIoU (13)'],
    ['no adaptation', '50.00', '25.60', '', '50.00', ''],
    ['points', '75.00', '25.60', '', '75.00', ''],
  ]


def test_latex_has_the_best_in_bold_and_prints_every_name():
  lines = paper_tables.iou_latex(models(), NAMES).splitlines()
  assert r'\rotatebox{90}{a\_b \& 50\%}' in lines[3]
  assert lines[5] == r'no adaptation & 50.0 & \textbf{25.6} & -- & 50.0 & -- \\'
  assert lines[6].startswith(r'points & \textbf{75.0} & \textbf{25.6} & --')
  columns = lines[3].count('&') - lines[3].count(r'\&')
  assert columns == lines[6].count('&') == 5
  assert table_formats.escaped('\\{~^$#}') == (
    r'\textbackslash{}\{\textasciitilde{}\textasciicircum{}\$\#\}'
  )


def test_confusions_and_clicks_are_counts():
  text = paper_tables.confusion_csv(np.arange(9).reshape(3, 3), NAMES)
  assert list(csv.reader(io.StringIO(text)))[2] == [NAMES[1], '3', '4', '5']
  found = click_statistics.Clicks(
    images=1,
    asked=np.array([4, 0, 0]),
    answers=np.array([[1, 2, 0, 1], [0] * 4, [0] * 4]),
    unsure=0,
    open=0,
    patches=np.ones((1, 1), int),
    rounds={},
  )
  rows = list(csv.reader(io.StringIO(paper_tables.clicks_csv(found, NAMES))))
  assert rows[0][-1] == 'none of the classes'
  assert rows[1] == ['road', '4', '1', '2', '0', '1']


def test_no_name_is_a_formula_in_a_spreadsheet():
  names = ('=1+1', '@a', '-b')
  clicks = click_statistics.Clicks(
    images=1, asked=np.zeros(3, int), answers=np.zeros((3, 4), int), unsure=0,
    open=0, patches=np.ones((1, 1), int), rounds={},
  )  # fmt: skip
  for text in (
    paper_tables.iou_csv(models(), names),
    paper_tables.confusion_csv(np.eye(3, dtype=int), names),
    paper_tables.clicks_csv(clicks, names),
  ):
    cells = [x for row in csv.reader(io.StringIO(text)) for x in row]
    assert not any(x.startswith(('=', '@', '-')) for x in cells)
    assert {f"'{name}" for name in names} <= {*cells}
