"""Writes a study's page, tables and curve, and prints its table."""

import datetime
from collections.abc import Sequence

from pointsup_jax import errors
from pointsup_jax.data import domains
from pointsup_jax.hosts import atomic_files, json_files, progress
from pointsup_jax.report import comparison, paper_tables
from pointsup_jax.study import rows as rows_lib
from pointsup_jax.study import table as table_lib


def report(study: rows_lib.Study, *, points: bool) -> None:
  """Gathers the scores of all runs and writes the results."""
  found = rows_lib.levels(study)
  full = 0
  if points:
    found += rows_lib.with_points(study)
    full = rows_lib.all_points(study)
  write(study, found, full)


def write(
  study: rows_lib.Study, found: Sequence[rows_lib.Scored], full: int
) -> None:
  """Writes the result files to the study's folder and prints the table."""
  out, seeds = study.out, study.seeds
  names = domains.classes_of(study.config.data).names
  rows = [one.row for one in found]
  table = table_lib.lines(rows, full)
  classes = [comparison.average(one.row.title, one.seeds) for one in found]
  text = table_lib.markdown(table, seeds)
  files = {
    'table.md': text + '\n',
    'table.csv': table_lib.comma_separated(table, seeds),
    'table.tex': table_lib.latex(table),
    'differences.csv': table_lib.differences(rows),
    'classes.csv': paper_tables.iou_csv(classes, names),
    'classes.tex': paper_tables.iou_latex(classes, names),
  }
  for name, content in files.items():
    (out / name).write_text(content)
  json_files.write(
    out / 'study.json',
    {'seeds': list(seeds), 'rows': [row._asdict() for row in rows]},
  )
  with errors.needs('report', "the study's page"):
    from pointsup_jax.report import page as report_page
    from pointsup_jax.study import curve, page
  drawing = None
  if any(row.series for row in rows):
    png = curve.draw(table, seeds)
    drawing = report_page.Drawing(
      'curve.png', png, 'mIoU over points and hours'
    )
    (out / drawing.file).write_bytes(png)
  now = datetime.datetime.now(datetime.UTC)
  html = page.render(
    out.resolve().name, table, classes, names, seeds, drawing, now
  )
  atomic_files.write(out / 'index.html', html.encode())
  progress.show(text)
  progress.say(f'study: {out / "index.html"}; its tables beside it')
