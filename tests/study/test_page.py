"""The page of a study says which row is best and what cannot be told apart."""

import datetime
import re

import numpy as np

from pointsup_jax.report import comparison
from pointsup_jax.study import page
from pointsup_jax.study import table as table_lib

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
UDA = table_lib.Row('UDA', None, 0, 0, (20.0, 30.0, 25.0))
GOOD = table_lib.Row('k=8', 'a', 4000, 14_400, (32.0, 41.0, 40.0), 'UDA')
NEAR = table_lib.Row('<k>=9', 'a', 4500, 16_200, (33.0, 40.0, 39.0), 'UDA')
WORSE = table_lib.Row('k=2', 'a', 1000, 3600, (22.0, 31.0, 30.0), 'UDA')


def table(*rows):
  return table_lib.lines(rows, 0)


def scores(title, iou):
  return comparison.Scores(
    title,
    '',
    'segmenter',
    1,
    3,
    np.array(iou),
    {},
    np.eye(2, dtype=int),
    {},
    {},
  )


def test_the_best_row_and_those_that_are_not_told_apart_from_it():
  first, second = page.verdict(table(UDA, WORSE, GOOD, NEAR))
  assert first == (
    'The highest mIoU, 37.7 ± 12.3, is that of k=8, at 4,000 points: '
    '12.7 ± 5.2 over UDA.'
  )
  assert second == 'Not told apart from it by these seeds: <k>=9.'
  _, alone = page.verdict(table(UDA, WORSE, GOOD))
  assert alone.startswith('Every other row is worse')


def test_one_seed_tells_nothing_apart():
  rows = [row._replace(miou=row.miou[:1]) for row in (UDA, GOOD)]
  _, second = page.verdict(table(*rows))
  assert 'One seed' in second


def test_the_page_has_every_row_and_the_gain_of_every_class():
  rows = (UDA, GOOD, NEAR)
  found = page.render(
    'a study',
    table(*rows),
    [
      scores('UDA', [0.5, np.nan]),
      scores('k=8', [0.75, np.nan]),
      scores('<k>=9', [0.4, np.nan]),
    ],
    ['road', 'sky & co'],
    range(3),
    None,
    NOW,
  )
  cells = [
    re.sub('<[^>]*>', '', cell).strip()
    for cell in re.findall('<td>(.*?)</td>', found, re.S)
  ]
  assert cells[-9:] == [
    'UDA', '50.0', '–', 'k=8', '+25.0', '–', '&lt;k&gt;=9', '-10.0', '–',
  ]  # fmt: skip
  assert '<k>' not in found
  assert 'sky &amp; co' in found
  assert cells[6] == '-12.7 ± 5.2'  # UDA, to the best row
