"""Writes report/: a page, figures and tables of a run."""

import contextlib
import datetime
import math
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pointsup_jax import command, errors
from pointsup_jax.hosts import atomic_files, processes, progress
from pointsup_jax.report import contents as contents_lib
from pointsup_jax.report import gather, paper_tables, predictions, verdict
from pointsup_jax.run import context as run_lib
from pointsup_jax.training import tensorboard

if TYPE_CHECKING:
  from pointsup_jax.report import page


def make(run: run_lib.Run) -> None:
  """Writes the report anew; only --stage=report raises if that fails.

  The results that it shows are there without it.
  """
  if not processes.is_first():
    predictions.help_first_process(run)
    return
  tracebacks = None if run.workdir.mirror else run.workdir.tracebacks
  try:
    with (
      command.explained(tracebacks),
      predictions.on_all_processes(run) as predict,
    ):
      write(run, predict)
  except errors.Stopped:
    raise
  except errors.UserError as error:
    others_wait = isinstance(error.__cause__, predictions.AloneError)
    if run.asked == 'report' or others_wait:
      raise
    progress.say(
      f'note: no report: {error} (--stage=report makes it anew; the results '
      'are complete without it)'
    )


def write(run: run_lib.Run, predict: predictions.Predict) -> None:
  """Gathers everything before writing, so that errors keep the old report."""
  contents = gather.gather(run)
  if not contents.scores and not contents.phases and not contents.labelling:
    raise errors.UsageError(
      f'--stage=report: there is nothing to report in {run.workdir}; run '
      '--stage=all'
    )
  # Slow to import and not needed for training.
  with errors.needs('report', 'the report'):
    from pointsup_jax.report import drawings, page
  pictures, missing = drawings.draw(run, contents, predict)
  told = verdict.sentences(contents)
  text = page.render(
    contents,
    pictures,
    verdict=told,
    notes=[*contents.missing, *missing],
    written=datetime.datetime.now(datetime.UTC),
  )
  folder = run.workdir.report
  folder.mkdir(parents=True, exist_ok=True)
  for picture in pictures.values():
    (folder / picture.file).write_bytes(picture.png)
  for file, table in tables(contents).items():
    (folder / file).write_text(table, encoding='utf-8')
  for_tensorboard(folder / 'tensorboard', contents, pictures)
  index = folder / 'index.html'
  atomic_files.write(index, text.encode())
  if told:
    progress.say(told[0])
  progress.say(f'report: {run.workdir.kept(index)}')


def for_tensorboard(
  folder: pathlib.Path,
  contents: contents_lib.Contents,
  pictures: Mapping[str, 'page.Drawing'],
) -> None:
  """Writes the scores, the figures and the config as events."""
  events = tensorboard.Events(folder)
  with contextlib.closing(events):
    for model in contents.scores:
      last = model.step, model.means['mIoU']
      for step, miou in contents.checkpoints.get(model.column, [last]):
        if miou is not None and not math.isnan(miou):
          events.write(step, {f'mIoU/{model.column}': 100 * miou})
    rows = [
      f'| `{x.name}` | `{x.value}` |' for x in contents.provenance.settings
    ]
    events.show(
      [
        tensorboard.Picture(name, drawing.png, (drawing.height, drawing.width))
        for name, drawing in pictures.items()
      ],
      {'config': '\n'.join(['| field | value |', '| --- | --- |', *rows])},
    )


def tables(contents: contents_lib.Contents) -> dict[str, str]:
  """The available tables, by file name."""
  found = {}
  names = contents.classes.names
  if contents.scores:
    found['iou.csv'] = paper_tables.iou_csv(contents.scores, names)
    found['iou.tex'] = paper_tables.iou_latex(contents.scores, names)
    found['confusion.csv'] = paper_tables.confusion_csv(
      contents.scores[-1].matrix, names
    )
  if contents.labelling:
    found['clicks.csv'] = paper_tables.clicks_csv(
      contents.labelling.clicks, names
    )
  return found
