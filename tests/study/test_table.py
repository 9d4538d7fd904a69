import csv
import io
import math

import numpy as np
import pytest
from PIL import Image

from pointsup_jax.study import curve
from pointsup_jax.study import table as table_lib

UDA = table_lib.Row('UDA', None, 0, 0, (20.0, 30.0, 25.0))
NONE = table_lib.Row('k=0', 'a', 0, 0, (22.0, 31.0, 28.0), 'UDA')
SOME = table_lib.Row('k=2', 'a', 1000, 3600, (24.0, 33.0, 31.0), 'UDA')
FULL = table_lib.Row('k=8', 'a', 4000, 14_400, (32.0, 41.0, 40.0), 'UDA')
ROWS = (UDA, NONE, SOME, FULL)


def records(text):
  return list(csv.DictReader(io.StringIO(text)))


def test_an_interval_is_students():
  found = table_lib.interval([1.0, 2.0, 6.0])
  assert found.mean == 3.0
  # t(0.975, 2) = 4.302653 (tables), s = sqrt(7).
  assert math.isclose(found.half, 4.302653 * math.sqrt(7 / 3), rel_tol=1e-6)
  assert math.isnan(table_lib.interval([4.0]).half)
  assert table_lib.interval([4.0]).text(1) == '4.0'
  assert table_lib.Interval(4.0, 0.25).text(1) == '4.0 ± 0.2'


def test_rows_are_compared_seed_by_seed():
  lines = {line.row.title: line for line in table_lib.lines(ROWS, 4000)}
  assert lines['UDA'].gain is None
  assert lines['UDA'].gap is None
  # Gains of 4, 3 and 6, although the seeds lie ten points apart.
  assert lines['k=2'].gain == pytest.approx(table_lib.interval([4, 3, 6]))
  assert lines['k=2'].gap == pytest.approx(table_lib.interval([20, 20, 25]))
  assert lines['k=0'].gap.mean == 0
  assert lines['k=8'].gap.mean == 100


def test_every_difference_is_paired():
  lines = records(table_lib.differences(ROWS))
  found = {(x['row'], x['over']): x for x in lines}
  assert len(found) == 4 * 3
  expected = table_lib.interval([8, 8, 9])
  line = found['k=8', 'k=2']
  assert float(line['difference']) == pytest.approx(expected.mean)
  assert float(line['ci95']) == pytest.approx(expected.half)
  assert float(found['k=2', 'k=8']['difference']) < 0


def test_without_the_ends_nothing_is_said_of_the_gap():
  for rows, full in ((ROWS, 5000), (ROWS[:1] + ROWS[2:], 4000)):
    assert all(line.gap is None for line in table_lib.lines(rows, full))


def test_the_gap_is_that_of_the_same_stage_1():
  other = [
    row._replace(
      title=f'other {row.title}',
      over=row.over and f'other {row.over}',
      miou=tuple(x * 2 for x in row.miou),
    )
    for row in ROWS
  ]
  more = table_lib.Row('MinEnt', 'b', 1000, 3600, (24.0, 33.0, 31.0), 'minent')
  minent = table_lib.Row('minent', None, 0, 0, (20.0, 30.0, 25.0))
  lines = table_lib.lines([*ROWS, *other, minent, more], 4000)
  found = {line.row.title: line for line in lines}
  assert found['other k=2'].gap == pytest.approx(found['k=2'].gap)
  assert found['other k=2'].gain.mean == 2 * found['k=2'].gain.mean
  assert found['MinEnt'].gap is None


def test_the_tables_say_the_same():
  table = table_lib.lines(ROWS, 4000)
  text = table_lib.markdown(table, range(3))
  assert len({line.count('|') for line in text.splitlines()}) == 1
  row = next(line for line in text.splitlines() if line.startswith('| k=2'))
  cells = [cell.strip() for cell in row.strip('|').split('|')]
  assert cells[:3] == ['k=2', '1,000', '1.0']
  assert cells[4:7] == ['24.0', '33.0', '31.0']
  numbers = records(table_lib.comma_separated(table, [0, 1, 2]))
  assert float(numbers[2]['miou']) == pytest.approx(88 / 3)
  assert float(numbers[2]['gap_percent']) == pytest.approx(65 / 3)
  assert numbers[0]['gain'] == ''
  named = table[2]._replace(row=SOME._replace(title='a_b'))
  tex = table_lib.latex([table[0], named])
  assert r'a\_b & 1,000 & 1.0 & 29.3 $\pm$' in tex
  assert {line.count('&') for line in tex.splitlines() if '&' in line} == {5}


def panels(rows, monkeypatch):
  """The axes of a study's figure."""
  drawn = []
  monkeypatch.setattr(
    curve.style, 'png', lambda fig: drawn.extend(fig.axes) or b''
  )
  curve.draw(table_lib.lines(rows, 4000), range(3))
  return drawn


def ticks(ax):
  return [x.get_text() for x in ax.get_xticklabels()]


def test_curves_rise_over_points_and_over_hours(monkeypatch):
  more = FULL._replace(title='k=64', points=128_000, seconds=256_000)
  points, hours = panels((*ROWS, more), monkeypatch)
  assert ticks(points) == ['0', '1,000', '4,000', '128,000']
  assert ticks(hours) == ['0', '1', '4', '71.11']
  for ax, at in ((points, 4000), (hours, 4)):
    (line,) = ax.containers
    assert dict(zip(*line[0].get_data(), strict=True))[at] == pytest.approx(
      np.mean(FULL.miou)
    )


def test_without_times_there_are_no_hours(monkeypatch):
  rows = [row._replace(seconds=0) for row in ROWS]
  assert len(panels(rows, monkeypatch)) == 1


def test_whole_images_have_hours_but_no_points(monkeypatch):
  """Nor are they the end of a gap."""
  whole = NONE._replace(title='whole', series='b', seconds=7200, whole=5)
  rows = (*ROWS, whole)
  points, hours = panels(rows, monkeypatch)
  assert '2' in ticks(hours)
  assert [len(x[0].get_xdata()) for x in points.containers] == [3, 0]
  of = {line.row.title: line for line in table_lib.lines(rows, 4000)}
  assert of['k=0'].gap.mean == 0
  assert of['whole'].gap.mean == 0
  worse = whole._replace(miou=(0.0, 0.0, 0.0))
  of = {x.row.title: x for x in table_lib.lines((*ROWS, worse), 4000)}
  assert of['k=0'].gap.mean == 0


def test_the_figure_is_a_picture(tmp_path):
  path = tmp_path / 'curve.png'
  path.write_bytes(curve.draw(table_lib.lines(ROWS, 4000), range(3)))
  image = np.asarray(Image.open(path).convert('RGB')).astype(int)
  assert (np.abs(image - (0x00, 0x72, 0xB2)).sum(-1) < 30).sum() > 500
