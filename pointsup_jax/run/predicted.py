"""Another model's predictions in place of stage 1 (config.uda.predictions)."""

import functools
import pathlib
from collections.abc import Callable, Sequence

import ml_collections

from pointsup_jax import errors
from pointsup_jax.acquisition import scores
from pointsup_jax.data import domains, image_files, predictions, sources
from pointsup_jax.data.paired_files import Files
from pointsup_jax.hosts import object_store, progress, stopping
from pointsup_jax.run import context as run_lib

# Without networks, that a stage 1 of ours would have.
_UNFIT = {
  'uda.source_only_steps': (0, 'trains a network before stage 1'),
  'evaluate.model': ('segmenter', "may be of stage 1's network"),
  'acquire.rounds': (1, 'asks a network of ours from the second round on'),
}
# The same of stage 3, which is left out without source images.
_UNFIT_IN_STAGE_3 = {'adapt.initial': ('start', "is of stage 1's network")}


def check(config: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError for fields that predictions do not go with."""
  folder = config.uda.predictions
  if not folder:
    if not domains.has_source(config.data):
      raise errors.UsageError(
        "data.source.dataset='' does without source images, but stage 1 learns "
        'from them; set uda.predictions=DIR (docs/ANY_MODEL.md)'
      )
    return
  object_store.require_local(folder, '--config.uda.predictions')
  in_stage_3 = _UNFIT_IN_STAGE_3 if domains.has_source(config.data) else {}
  for field, (value, why) in (_UNFIT | in_stage_3).items():
    group, name = field.split('.')
    if config[group][name] != value:
      raise errors.UsageError(
        f'{field}={config[group][name]!r} {why}, but with uda.predictions '
        f'stage 1 is not trained here; set --config.{field}={value}'
      )


def require_source(data: ml_collections.ConfigDict) -> None:
  """Raises errors.UsageError if stage 3 has no source images (config.data)."""
  if not domains.has_source(data):
    raise errors.UsageError(
      '--stage=adapt learns from source images, but there are none: '
      'data.source.dataset is empty; name some, or train elsewhere with the '
      'answers (docs/ANY_MODEL.md)'
    )


def open_folder(run: run_lib.Run) -> predictions.Folder:
  """The folder of predictions; errors.UserError if it does not fit the run."""
  root = pathlib.Path(run.config.uda.predictions)
  folder = predictions.open_folder(root, run.classes)
  score = run.config.acquire.score
  if folder.of_labels and not scores.of_entropy(score):
    raise errors.UsageError(
      f'acquire.score={score!r} needs logits or probabilities, but {root} has '
      'labels with uncertainty maps; set acquire.score=entropy, which takes '
      'the map itself, ripu, region_impurity or random'
    )
  return folder


def require(run: run_lib.Run) -> None:
  """Raises errors.UserError unless every target image has its files."""
  open_folder(run).require(names_of(run, 'target'))


def read_all(run: run_lib.Run) -> None:
  """Reads and checks every target image's prediction, one after another."""
  folder, names = open_folder(run), names_of(run, 'target')
  shapes = shapes_of(run, 'target')
  read = folder.read_labels if folder.of_labels else folder.read
  for name in progress.each(names, 'checking predictions', len(names)):
    read(name, shapes(name))
    stopping.check()


def target(run: run_lib.Run) -> sources.Source:
  """The predictions in place of the target images, at their size."""
  size = tuple(run.config.data.target.size)
  return predictions.Predicted(
    open_folder(run), names_of(run, 'target'), shapes_of(run, 'target'), size
  )


def files(run: run_lib.Run, domain: str) -> dict[str, Files]:
  """The files of a domain's images below the folder, and predictions.json.

  Raises errors.UserError if one is missing.
  """
  folder = open_folder(run)
  names = names_of(run, domain)
  folder.require(names)
  about = Files(predictions.ABOUT, predictions.ABOUT)
  return {name: folder.files(name) for name in names} | {
    predictions.ABOUT: about
  }


def lacks_evaluation(run: run_lib.Run) -> str:
  """Why the predictions are not scored on evaluation images; '' if they are."""
  try:
    folder = open_folder(run)
  except errors.UserError as error:  # stages 1 and 2 need it, but are done
    return str(error)
  names, where = names_of(run, 'evaluation'), folder.root
  missing = folder.missing(names)
  if missing:
    return (
      f'{where} lacks predictions of {len(missing)} of the {len(names)} '
      'evaluation images'
    )
  same = set(names) & set(names_of(run, 'target'))
  if same:
    return (
      f'evaluation images have names of target images, such as {min(same)}, '
      f'so it is not known which of them the files in {where} are of'
    )
  return ''


def names_of(run: run_lib.Run, domain: str) -> Sequence[str]:
  """The names of a domain's images."""
  full = domain == 'evaluation'
  return run.source(domain, labelled=False, full_labels=full).names


def shapes_of(
  run: run_lib.Run, domain: str
) -> Callable[[str], Sequence[predictions.Size]]:
  """Returns a function that gives the shapes of an image, by its name.

  Those are the network's, and that of its file, if there is one.
  """
  size = tuple(run.config.data[domain].size)
  if not sources.is_on_disk(run.config.data[domain].dataset):
    return lambda name: [size]
  try:
    root, pairs = domains.find_files(run.config.data, domain)
  except errors.UserError:  # only their build is left
    return lambda name: [size]

  @functools.cache
  def shapes(name: str) -> list[predictions.Size]:
    if name not in pairs:
      return [size]
    return [image_files.header(root, pairs[name].image).size, size]

  return shapes
