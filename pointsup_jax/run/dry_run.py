"""--dry_run: prints what a command would do; uses no device, writes nothing."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import ml_collections

from pointsup_jax import uda
from pointsup_jax.acquisition import budget
from pointsup_jax.annotation import planning, schema
from pointsup_jax.annotation import queue as queue_lib
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import domains, sources
from pointsup_jax.hosts import progress, wording
from pointsup_jax.run import (
  acquire_check,
  augmentations,
  config_check,
  config_file,
  data_check,
  held_back,
  predicted,
  recorded_data,
  scores_on_disk,
  trained_models,
  waiting,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.training import checkpoint

Images = dict[str, sources.Source]  # by domain


def show(
  run: run_lib.Run, steps: Sequence[tuple[str, workdir_lib.Workdir]]
) -> None:
  """Prints what running `steps`, stages with their workdirs, would do.

  Raises errors.UserError if the command would fail before it starts.
  """
  fields = config_file.require_same(run.workdir, run.config, run.classes)
  runs = [(stage, dataclasses.replace(run, workdir=at)) for stage, at in steps]
  waiting.require_before(runs[0][1], runs[0][0])
  todo = [stage for stage, here in runs if not _is_done(here, stage)]
  images = find_images(run, todo)
  for stage in todo:
    recorded_data.look(run, stage)
  progress.show(f'{run.workdir}: a dry run, nothing is written')
  if run.workdir.config.exists():
    known = config_file.recorded(run.workdir)
    for name in config_file.grown(known, fields):
      progress.show(
        f'{name} grows from {known[name]}: more is asked than said below'
      )
  for line in trained_models.lost(run.workdir, run.config).values():
    progress.show(f'note: {line}')
  for note in config_check.notes(run.config):
    progress.show(f'note: {note}')
  for name, found in images.items():
    progress.show(f'{name}: {_of_domain(run.config.data, name, len(found))}')
  describe = {
    'uda': _uda,
    'acquire': _acquire,
    'annotate': _annotate,
    'adapt': _adapt,
    'evaluate': _evaluate,
  }
  for stage, here in runs:
    if stage == 'report':
      progress.show('report: written anew')
      continue
    at, title = here.workdir, stage
    if at.rounds > 1 and stage in workdir_lib.REPEATED:
      title = f'{stage}, round {at.round}'
    if _is_done(here, stage):
      progress.show(f'{title}: done')
    else:
      state = 'goes on' if at.begun(stage) else 'to do'
      reads = ' and '.join(recorded_data.reads(here.config, stage))
      progress.show(f'{title}: {state}, reads {reads}')
    for line in describe[stage](here, images):
      progress.show(f'  {line}')


def find_images(run: run_lib.Run, stages: Sequence[str]) -> Images:
  """Opens the domains that `stages` read; all of them before stage 1."""
  if not run.workdir.method_started:
    return data_check.check(run)
  return {
    name: run.source(name, labelled=False, full_labels=name == 'evaluation')
    for name in domains.NAMES
    if any(name in recorded_data.reads(run.config, stage) for stage in stages)
  }


def points_wanted(
  config: ml_collections.ConfigDict, images: int, round: int = 1
) -> int:
  """Number of points a round of acquisition requests in `images` images."""
  acquire = config.acquire
  rows, cols = acquire.grid
  match acquire.strategy:
    case 'self_training':
      patches = 0
    case 'full':
      patches = images * rows * cols
    case _ if acquire.budget:
      whole = acquire.budget // acquire.n
      patches = budget.share(whole, round, acquire.rounds)
    case _:
      patches = images * budget.share(acquire.k, round, acquire.rounds)
  return patches * acquire_check.per_place(acquire)


def _is_done(run: run_lib.Run, stage: str) -> bool:
  if stage == 'evaluate':
    return all(scored for _, scored in _models(run))
  return run.workdir.done(stage).exists()


def _of_domain(data: ml_collections.ConfigDict, name: str, images: int) -> str:
  domain = data[name]
  height, width = domain.size
  where = ''
  if sources.is_on_disk(domain.dataset):
    build = f', as built in {data.prepared}' if data.prepared else ''
    where = f' in {data.root or "."}{build}'
  return (
    f'{domain.dataset} {domain.split}{where}: {images:,} images, seen at '
    f'{height}x{width}{augmentations.in_words(domain)}'
  )


def _uda(run: run_lib.Run, images: Images) -> Iterator[str]:
  config = run.config.uda
  if config.predictions:
    yield f'predictions of another model in {config.predictions}'
    return
  if config.source_only_steps:
    yield _phase(
      'source only', run.workdir.source_only, config.source_only_steps
    )
  for part in uda.phases(config.strategy):
    title = f'{config.strategy} {part.name}'.strip()
    yield _phase(title, run.workdir.uda_phase(part.name), config.steps)


def _adapt(run: run_lib.Run, images: Images) -> Iterator[str]:
  config = run.config.adapt
  title = f'{config.strategy} with points'
  yield _phase(title, run.workdir.adapt, config.steps)
  if config.holdout:
    yield f'holds back {config.holdout:.3g} of the answers, to score on'


def _phase(title: str, phase: workdir_lib.Phase, steps: int) -> str:
  step = checkpoint.newest_step(phase.checkpoints) or 0
  if step >= steps:
    return f'{title}: {steps:,} steps, done'
  at = f'goes on at step {step:,}' if step else 'to do'
  return f'{title}: {steps:,} steps, {at}'


def _acquire(run: run_lib.Run, images: Images) -> Iterator[str]:
  if run.workdir.done('acquire').exists():
    return
  acquire, count = run.config.acquire, len(images['target'])
  rows, cols = acquire.grid
  points = points_wanted(run.config, count, run.workdir.round)
  if acquire.place == 'patches':
    each = f'{acquire.n} point{"s" if acquire.n > 1 else ""}'
    yield (
      f'{acquire.strategy}, {acquire.score}: {points // acquire.n:,} of the '
      f'{count * rows * cols:,} patches of all images, {each} in each'
    )
  else:
    yield (
      f'{acquire.strategy}, {acquire.score}, {acquire.place}: {points:,} pixels'
    )
  if run.workdir.annotations.exists():
    with _look(run) as store:
      done = len(store.images(run.workdir.round))
    if done:
      yield f'goes on after {done:,} of {count:,} images'


def _annotate(run: run_lib.Run, images: Images) -> Iterator[str]:
  people = waiting.from_people(run)
  overlap = run.config.annotate.overlap if people else 0.0
  if run.workdir.done('acquire').exists():
    with _look(run) as store:
      plan = queue_lib.Queue(store, overlap).plan()
    yield f'{plan.points:,} points; {plan.given:,} of {plan.needed:,} answered'
    if plan.given < plan.needed:
      yield _effort(plan.needed - plan.given, plan.pace, people=people)
    yield from _table(plan)
    return
  count = len(images['target'])
  points = points_wanted(run.config, count, run.workdir.round)
  yield f'{count:,} images, {points:,} points'
  if overlap and points:
    yield f'two people are asked about {overlap:.3g} of them'
  if points:
    answers = round(points * (1 + overlap))
    yield _effort(answers, planning.ASSUMED, people=people)
  annotate = run.config.annotate
  if annotate.whole_images:
    time = wording.duration(annotate.whole_images * annotate.image_seconds)
    yield f'{annotate.whole_images:,} images labelled whole: {time}'


def _effort(answers: int, pace: planning.Pace, *, people: bool) -> str:
  how = (
    f'the median of {pace.answers:,} answers'
    if pace.answers
    else f'assumed until {planning.ENOUGH} were timed'
  )
  seconds = 3600 * planning.hours(answers, pace)
  time = f'{wording.duration(seconds)} at {pace.seconds:.1f} s'
  if people:
    return f'about {time} an answer ({how})'
  return f'from the label files; people would take {time} an answer ({how})'


def _table(plan: planning.Plan) -> Iterator[str]:
  if not plan.rows:
    return
  yield 'budget     points   images  patches  of all scores  time left'
  for i, (kept, left, hours) in enumerate(plan.rows):
    here = '  <- you are here' if i == plan.now else ''
    yield (
      f'{kept.percent:5}% {kept.points:10,} {kept.images:8,} '
      f'{kept.patches:8,} {kept.worth:14.0%}  '
      f'{wording.duration(3600 * hours) if left else "done"}{here}'
    )


def _evaluate(run: run_lib.Run, images: Images) -> Iterator[str]:
  for name, scored in _models(run):
    yield f'{name}: {"scored before" if scored else "to do"}'


def _models(run: run_lib.Run) -> Iterator[tuple[str, bool]]:
  points = held_back.points(run)
  data = recorded_data.evaluation_now(run)
  has_evaluation = domains.has_evaluation(run.config.data)
  for model in trained_models.all_of(run.workdir):
    name, _, phase = model
    if run.network(phase) == run_lib.PREDICTIONS:
      if has_evaluation and not predicted.lacks_evaluation(run):
        split = run.config.data.evaluation.split
        yield name, run.workdir.evaluation(name, split).exists()
      continue
    if not domains.has_source(run.config.data):
      continue
    if name == 'source_only' and not run.config.uda.source_only_steps:
      continue
    steps = checkpoint.steps_in(phase.checkpoints)
    if run.config.adapt.holdout:
      on_points = bool(steps) and held_back.known(run, model, steps[-1], points)
      yield f'{name} on held-back points', bool(on_points)
    if not has_evaluation:
      continue
    scored = functools.partial(scores_on_disk.known, run, model)
    known = scored(steps[-1], data, is_last=True) if steps else None
    yield name, known is not None
    if run.config.evaluate.all_kept:
      for step in steps[:-1]:
        known = scored(step, data, is_last=False)
        yield f'{name} at step {step:,}', known is not None


def _look(run: run_lib.Run) -> store_lib.Store:
  """Opens an in-memory copy of the store, leaving its files untouched."""
  return store_lib.Store(
    run.workdir.annotations,
    run.classes.num_classes,
    schema.connect_to_copy,
  )
