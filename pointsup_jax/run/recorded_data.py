"""data.json: what a run's image and label files were when it first read them.

Every stage compares them with what they are now. Rendered data need none of it.
Only the first process reads; all must call what says so.
"""

import pathlib

import ml_collections

from pointsup_jax import errors, uda
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import (
  domains,
  identity,
  prepared,
  sources,
)
from pointsup_jax.hosts import json_files, processes, progress
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import methods, predicted, trained_models

# Beside the domains: another model's predictions for their images.
PREDICTED = {'target': 'predictions', 'evaluation': 'scored predictions'}
_OF = {name: domain for domain, name in PREDICTED.items()}

# The domains that each stage reads.
_READS = {
  'uda': ('source', 'target'),
  'acquire': ('target',),
  'annotate': ('target',),
  'adapt': ('source', 'target'),
  'evaluate': ('evaluation', 'target'),
  'report': (),  # a few images, if they are there
}


def reads(config: ml_collections.ConfigDict, stage: str) -> list[str]:
  """The domains that a stage reads, and 'predictions'."""
  if config.uda.predictions and stage in ('uda', 'acquire'):
    return ['target', 'predictions']
  leaves_out = set()
  if stage == 'evaluate':
    if not domains.has_evaluation(config.data):
      leaves_out.add('evaluation')
    if not config.adapt.holdout:
      leaves_out.add('target')
  return [name for name in _READS[stage] if name not in leaves_out]


def check(run: run_lib.Run, stage: str) -> None:
  """Records the training data that a stage reads, or compares them.

  All processes must call this. Raises errors.UserError if they have changed
  since something was derived from them.
  """

  def record() -> None:
    for name in _training(run, stage):
      known = _recorded(run, name)
      now = _compare(run, name, stage)
      _write(run, name, known, known | now)

  processes.by_first(record, f'the data of {stage}')


def check_evaluation(run: run_lib.Run) -> str:
  """Records the evaluation data; says so if they have changed.

  All processes must call this. Returns their fingerprint; '' if rendered.
  """

  def record() -> str:
    if not _is_on_disk(run, 'evaluation'):
      return ''
    known = _recorded(run, 'evaluation')
    try:
      now = _now(run, 'evaluation', 'evaluate', known, strict=not known)
    except errors.UserError as error:
      if not known:
        raise
      progress.say(f'note: {error}; known scores are of what was there before')
      now = known
    if known and (changed := identity.changes(known, now)):
      progress.say(f'{_since_scored(changed)}; all models are scored anew')
    _write(run, 'evaluation', known, now)
    return identity.fingerprint(now)

  return processes.by_first(record, 'the evaluation data')


def check_predictions(run: run_lib.Run) -> str:
  """Records another model's predictions for the evaluation images.

  All processes must call this. Returns their fingerprint.
  """
  name = PREDICTED['evaluation']

  def record() -> str:
    known = _recorded(run, name)
    now = _now(run, name, 'evaluate', known)
    if known and (changed := identity.changes(known, now)):
      what = identity.in_words(changed)
      progress.say(f'the {name} have changed, and are scored anew: {what}')
    _write(run, name, known, now)
    return identity.fingerprint(now)

  return processes.by_first(record, name)


def look(run: run_lib.Run, stage: str) -> None:
  """Raises errors.UserError if `check` would; records nothing."""
  for name in _training(run, stage):
    require_same(run, name, stage)


def require_same(run: run_lib.Run, name: str, stage: str) -> None:
  """Raises errors.UserError if a domain's data are not what was recorded."""
  if _is_on_disk(run, name) and _recorded(run, name):
    _compare(run, name, stage)


def evaluation_now(run: run_lib.Run) -> str:
  """What `check_evaluation` would return; '' if nothing was recorded."""
  known = _recorded(run, 'evaluation')
  if not known:
    return ''
  return identity.fingerprint(_now(run, 'evaluation', 'evaluate', known))


def _compare(run: run_lib.Run, name: str, stage: str) -> identity.Identity:
  """Returns what a domain's data are now.

  Raises errors.UserError if they are not what was recorded, unless nothing has
  been derived from them.
  """
  known = _recorded(run, name)
  derived = known if name == 'evaluation' or _has_learned(run) else {}
  now = _now(run, name, stage, known, strict=not derived)
  if derived and (changed := identity.changes(derived, now)):
    raise errors.UserError(_refusal(run, name, changed))
  return now


def require_fresh_builds(run: run_lib.Run) -> None:
  """Raises errors.UserError if the originals of a build have changed.

  All processes must call this.
  """

  def require() -> None:
    for name in domains.NAMES:
      if run.config.data.prepared and _is_on_disk(run, name):
        _built(run, name, {}, strict=True)

  processes.by_first(require, 'the builds')


def _training(run: run_lib.Run, stage: str) -> list[str]:
  if stage == 'annotate' and run.config.annotate.oracle == 'file':
    return []  # no image is read
  return [
    name
    for name in reads(run.config, stage)
    if name != 'evaluation' and _is_on_disk(run, name)
  ]


def _is_on_disk(run: run_lib.Run, name: str) -> bool:
  if name in _OF:
    return True
  dataset = run.config.data[name].dataset  # '' for no evaluation
  return bool(dataset) and sources.is_on_disk(dataset)


def _has_learned(run: run_lib.Run) -> bool:
  """Whether a model was saved, or was there when stage 2 began."""
  workdir = run.workdir
  parts = uda.phases(run.config.uda.strategy)
  phases = [workdir.source_only, *(workdir.uda_phase(x.name) for x in parts)]
  learned = any(map(trained_models.is_trained, phases))
  return learned or workdir.started('acquire')


def _now(
  run: run_lib.Run,
  name: str,
  stage: str,
  known: identity.Identity,
  *,
  strict: bool = False,
) -> identity.Identity:
  """Identifies a domain's files, or those that its build was made of.

  Labels of the target are compared once they have been read.
  """
  config = run.config
  if name in _OF:
    folder = predicted.open_folder(run)
    pairs = predicted.files(run, _OF[name])
    labelled = folder.of_labels
    return identity.read(folder.root, pairs, known, labelled=labelled)
  reads_labels = name != 'target' or (
    stage == 'annotate' and domains.needs_labels(config, name)
  )
  labelled = reads_labels or 'labels' in known
  depth = name == 'source' and methods.need(config, 'depth', (stage,))
  if config.data.prepared:
    shown = stage == 'annotate' and config.annotate.oracle == 'human'
    now = _built(run, name, known, strict=strict or shown)
    for kind, is_read in (('labels', labelled), ('depths', depth)):
      if not is_read:
        now.pop(kind, None)
  else:
    root, pairs = domains.find_files(config.data, name)
    now = identity.read(root, pairs, known, labelled=labelled, depth=depth)
  if not reads_labels and labelled:  # may be gone
    now['labels'] = known['labels'] | now.get('labels', {})
  return now


def _built(
  run: run_lib.Run, name: str, known: identity.Identity, *, strict: bool
) -> identity.Identity:
  """Identifies what a build was made of; compares it with what is left of that.

  If `strict`, raises errors.UserError if they differ; otherwise says so.
  """
  data = run.config.data
  folder = prepared.folder(
    data.prepared, data[name], run.classes, name == 'evaluation'
  )
  build = prepared.open_build(folder, labelled=False)
  try:
    root, pairs = domains.find_files(data, name)
  except errors.UserError as error:  # they are not needed any more
    if pathlib.Path(data.root, data[name].root).exists():
      progress.say(f'note: {folder} is not compared with its files: {error}')
    return build.files
  now, changed = prepared.originals(build, root, pairs, known or build.files)
  if strict:
    prepared.refuse(folder, root, changed)
  if changed:
    progress.say(
      f'note: {root} has changed since {folder} was built: '
      f'{identity.in_words(changed)}; the run goes on with what was built'
    )
  # Keep the states of files that were seen, so that they are not read again.
  return {
    kind: {
      image: seen if seen and seen.digest == entry.digest else entry
      for image, entry in table.items()
      for seen in [now.get(kind, {}).get(image)]
    }
    for kind, table in build.files.items()
  }


def _refusal(
  run: run_lib.Run, name: str, changed: list[identity.Change]
) -> str:
  if name == 'evaluation':
    return f'{_since_scored(changed)}; --stage=evaluate scores all models anew'
  what, way = identity.in_words(changed), ''
  if name in _OF:
    return (
      f'the predictions in {run.config.uda.predictions} have changed since '
      f'{run.workdir} first read them: {what}; restore them, or begin another '
      'round in another --workdir (docs/ANY_MODEL.md)'
    )
  if name == 'source' or not run.workdir.annotations.exists():
    data = run.workdir.kept(run.workdir.data)
    way = f', or delete {data} to go on with them as they are'
  elif answers := _answers(run, changed):
    what += f'; {answers} answers were given to these images'
  return (
    f'the {name} data have changed since {run.workdir} first read them: '
    f'{what}; restore them, start anew in another --workdir{way}'
  )


def _since_scored(changed: list[identity.Change]) -> str:
  what = identity.in_words(changed)
  return f'the evaluation data have changed since they were scored: {what}'


def _answers(run: run_lib.Run, changed: list[identity.Change]) -> int:
  names = {name for change in changed for name in change.names}
  with store_lib.Store(run.workdir.annotations) as store:
    return sum(len(store.answered(name).labels) for name in names)


def _recorded(run: run_lib.Run, name: str) -> identity.Identity:
  """What was recorded of a domain, {} if nothing."""
  path = run.workdir.data
  if not path.exists():
    return {}
  return json_files.read(
    path,
    lambda known: identity.from_json(known[name]) if name in known else {},
  )


def _write(
  run: run_lib.Run,
  name: str,
  known: identity.Identity,
  now: identity.Identity,
) -> None:
  path = run.workdir.data
  if now != known:
    others = json_files.read(path) if path.exists() else {}
    json_files.write(path, others | {name: identity.to_json(now)})
