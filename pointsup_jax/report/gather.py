"""Gathers a report's contents from the workdir, without running models."""

import collections
import json
from typing import TypedDict

import numpy as np

from pointsup_jax import command, uda
from pointsup_jax import config as config_lib
from pointsup_jax.annotation import agreement, effort
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import domains
from pointsup_jax.hosts import json_files
from pointsup_jax.report import (
  click_statistics,
  comparison,
  kept_checkpoints,
  loss_curves,
)
from pointsup_jax.report import contents as contents_lib
from pointsup_jax.report import held_back as held_back_lib
from pointsup_jax.run import (
  answers_used,
  config_check,
  held_back,
  history,
  scores_on_disk,
  trained_models,
  waiting,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.training import checkpoint, metrics_log


class _Origin(TypedDict):
  """What the report reads of config.json."""

  git: str | None
  versions: dict[str, str]


def gather(run: run_lib.Run) -> contents_lib.Contents:
  """Gathers the contents of a report on a complete or partial run."""
  found = [x for _, x in scored(run)]
  on_points, outdated = _on_points(run)
  labelling = _labelling(run)
  notes = config_check.notes(run.config)
  missing = [
    f'Scores of {model.column!r}: they are of step {known.step} of the '
    f'{known.network}, and the model has changed since (--stage=evaluate).'
    for model, known in _evaluated(run)
    if _outdated(run, model, known)
  ]
  missing += trained_models.lost(run.workdir, run.config).values()
  if outdated:
    missing.append(
      f'Scores on points of {", ".join(map(repr, outdated))}: there are none '
      'of these answers and this training (--stage=evaluate).'
    )
  has_evaluation = domains.has_evaluation(run.config.data)
  if not found and has_evaluation:
    missing.append('Scores: nothing has been evaluated (--stage=evaluate).')
  elif not found and not on_points:
    why = 'no held-back point was answered and scored (--stage=evaluate)'
    missing += [f'Scores: {note}.' for note in notes or [why]]
  elif len(found) == 1:
    missing.append(f'Differences: only {found[0].column!r} was evaluated.')
  if labelling is None:
    missing.append(
      'Clicks: stage 2 asked for no points.'
      if run.workdir.done('acquire').exists()
      else 'Clicks: no points have been asked for (--stage=acquire).'
    )
  return contents_lib.Contents(
    title=run.workdir.root.resolve().name,
    domains={
      name: f'{run.config.data[name].dataset} {run.config.data[name].split}'
      for name in domains.used(run.config.data)
    },
    classes=run.classes,
    scores=found,
    on_points=on_points,
    checkpoints=_checkpoints(run),
    phases=_phases(run),
    labelling=labelling,
    provenance=_provenance(run),
    missing=missing,
    warning=next(iter(notes), None) if has_evaluation else None,
  )


def scored(
  run: run_lib.Run,
) -> list[tuple[trained_models.Model, comparison.Scores]]:
  """Models with up-to-date scores, in order of training."""
  return [pair for pair in _evaluated(run) if not _outdated(run, *pair)]


def _evaluated(
  run: run_lib.Run,
) -> list[tuple[trained_models.Model, comparison.Scores]]:
  found: list[tuple[trained_models.Model, comparison.Scores]] = []
  if not domains.has_evaluation(run.config.data):
    return found
  parse = scores_on_disk.of_classes(run.classes)
  for model in trained_models.all_of(run.workdir):
    path = run.workdir.evaluation(model.name, run.config.data.evaluation.split)
    known = json_files.read_derived(path, parse)
    if known is not None:
      found.append(
        (model, comparison.from_json(run.title(model), model.column, known))
      )
  return found


def _on_points(
  run: run_lib.Run,
) -> tuple[held_back_lib.PointScores | None, list[str]]:
  """The scores on held-back points, and the models that lack them."""
  points = held_back.points(run)
  if not points:
    return None, []
  made, lacking = {}, []
  for model in trained_models.all_of(run.workdir):
    step = checkpoint.newest_step(model.phase.checkpoints)
    if step is None:
      continue
    known = held_back.known(run, model, step, points)
    if known is None:
      lacking.append(model.column)
    else:
      made[model.column] = known['predictions']
  scores = held_back_lib.compare(run, points, made) if made else None
  return scores, lacking


def _checkpoints(run: run_lib.Run) -> dict[str, kept_checkpoints.Steps]:
  split = run.config.data.evaluation.split
  parse = scores_on_disk.of_classes(run.classes)
  found: dict[str, kept_checkpoints.Steps] = {}
  for model, last in scored(run):
    earlier = []
    for step in checkpoint.steps_in(model.phase.checkpoints):
      path = run.workdir.evaluation(model.name, split, step)
      known = json_files.read_derived(path, parse)
      if (
        known is not None
        and step < last.step
        and known['network'] == last.network
      ):
        earlier.append((step, known['miou']))
    if earlier:
      miou = last.means['mIoU']
      result = (last.step, None if np.isnan(miou) else miou)
      found[last.column] = [*earlier, result]
  return found


def _outdated(
  run: run_lib.Run, model: trained_models.Model, known: comparison.Scores
) -> bool:
  """Whether the model has changed; its step counts if it has checkpoints."""
  step = checkpoint.newest_step(model.phase.checkpoints)
  trained = step is not None and step != known.step
  return trained or known.network != run.network(model.phase)


def _phases(run: run_lib.Run) -> list[loss_curves.Curves]:
  config = run.config
  titles: dict[str, workdir_lib.Phase] = {
    'source only': run.workdir.source_only
  }
  for part in uda.phases(config.uda.strategy):
    title = f'stage 1: {config.uda.strategy} {part.name}'.strip()
    titles[title] = run.workdir.uda_phase(part.name)
  for model in trained_models.with_points(run.workdir):
    titles[f'stage 3: {config.adapt.strategy}, {model.column}'] = model.phase
  logs = {
    title: metrics_log.read(phase.metrics) for title, phase in titles.items()
  }
  return [
    loss_curves.of_phase(title, records)
    for title, records in logs.items()
    if records
  ]


def _labelling(run: run_lib.Run) -> contents_lib.PointLabels | None:
  if not run.workdir.annotations.exists():
    return None
  with store_lib.Store(
    run.workdir.annotations, run.classes.num_classes
  ) as store:
    counts = store.counts()
    if not counts.requests:
      return None
    clicks = click_statistics.count(
      store, run.classes.num_classes, tuple(run.config.acquire.grid)
    )
    efforts = effort.measure(store.database)
    pairs = agreement.measure(store.database).pairs
    pixels = store.pixels()
    held = held_back.requests(run, store)
  return contents_lib.PointLabels(
    clicks=clicks,
    pixels=pixels,
    target_images=counts.images,
    effort=efforts,
    agreement=pairs,
    simulated=not waiting.from_people(run),
    held_back=len(held),
    used={
      model.column: used.answers
      for model in trained_models.with_points(run.workdir)
      if (used := answers_used.of(model.phase)) is not None
    },
  )


def _provenance(run: run_lib.Run) -> contents_lib.Provenance:
  known = json_files.read(run.workdir.config, json_files.shaped(_Origin))
  sessions = [x for x in history.read(run.workdir) if x.stage != 'report']
  seconds: dict[str, list[float]] = collections.defaultdict(list)
  for session in sessions:
    seconds[session.stage].append(session.seconds)
  usual = command.flatten(config_lib.get_config())
  return contents_lib.Provenance(
    commands=list(dict.fromkeys(session.command for session in sessions)),
    revision=known['git'],
    versions=known['versions'],
    times=[
      contents_lib.StageTime(stage, float(np.sum(times)), len(times))
      for stage, times in seconds.items()
    ],
    settings=[
      contents_lib.FieldValue(
        name,
        json.dumps(value, ensure_ascii=False),
        None
        if value == usual.get(name)
        else json.dumps(usual.get(name), ensure_ascii=False),
      )
      for name, value in command.flatten(run.config).items()
    ],
  )
