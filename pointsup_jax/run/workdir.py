"""All paths below a workdir."""

import dataclasses
import os
import pathlib

from etils import epath

from pointsup_jax import errors
from pointsup_jax.hosts import object_store, paths, processes

# The stages repeated in every round of acquisition.
REPEATED = ('acquire', 'annotate', 'adapt')
# The stage that must finish before each.
_BEFORE = {'acquire': 'uda', 'annotate': 'acquire', 'adapt': 'annotate'}


@dataclasses.dataclass(frozen=True)
class Phase:
  """The files of one training phase."""

  root: pathlib.Path
  checkpoints: pathlib.Path | epath.Path  # written by Orbax

  @property
  def answers(self) -> pathlib.Path:
    """How many answers stage 3 is trained with, and the last one's seq."""
    return self.root / 'answers.json'

  @property
  def metrics(self) -> pathlib.Path:
    """JSON lines with step, losses, learning rates and seconds."""
    return self.root / 'metrics.jsonl'

  @property
  def skipped(self) -> pathlib.Path:
    """The steps skipped because their batches broke the model."""
    return self.root / 'skipped.json'


@dataclasses.dataclass(frozen=True)
class Workdir:
  """The folder of one run; the README lists its contents.

  Attributes:
    root: the folder; for a run in an object store, its local copy.
    rounds: number of rounds of acquisition.
    round: the round, from 1, whose stages 2 and 3 the paths refer to.
    mirror: for a run in an object store.
  """

  root: pathlib.Path
  rounds: int = 1
  round: int = 1
  mirror: object_store.Mirror | None = None

  def __str__(self) -> str:
    """The folder as the user named it."""
    return str(self.mirror.remote if self.mirror else self.root)

  @property
  def address(self) -> str:
    """The folder's absolute path or its URL in the store."""
    return str(self) if self.mirror else os.path.abspath(self.root)

  def kept(self, path: pathlib.Path) -> pathlib.Path | epath.Path:
    """The permanent location of a path below `root`: itself or in the store."""
    if self.mirror is None:
      return path
    return self.mirror.remote / path.relative_to(self.root)

  def push(self) -> None:
    """Uploads the first process's changes to the object store, if any."""
    if self.mirror and processes.is_first():
      self.mirror.push()

  def share(self, what: str) -> None:
    """Pushes, waits for all processes at `what`, then pulls on the others."""
    self.push()
    processes.wait(what)
    if self.mirror and not processes.is_first():
      self.mirror.pull()

  def at(self, round: int) -> 'Workdir':
    """The same workdir at another round."""
    return dataclasses.replace(self, round=round)

  def current(self) -> 'Workdir':
    """The workdir at the first unfinished round, or else the last."""
    for round in range(1, self.rounds):
      if not self.at(round).done('adapt').exists():
        return self.at(round)
    return self.at(self.rounds)

  def stage(self, name: str) -> pathlib.Path:
    """A stage's folder; that of the last round holds those of earlier ones."""
    if name in REPEATED and self.round < self.rounds:
      return self.root / name / f'round_{self.round}'
    return self.root / name

  def done(self, name: str) -> pathlib.Path:
    """The marker file of a finished stage."""
    return self.stage(name) / 'DONE'

  def mark_done(self, name: str) -> None:
    """Marks a stage as finished."""
    self.stage(name).mkdir(parents=True, exist_ok=True)
    self.done(name).touch()

  def started(self, name: str) -> bool:
    """Whether a stage has written anything in any round."""
    folder = self.root / name
    return folder.exists() and any(folder.iterdir())

  @property
  def method_started(self) -> bool:
    """Whether stage 1 has written anything but for its source-only phase."""
    folder = self.root / 'uda'
    before = (self.source_only.root, self.source_classes)
    return folder.exists() and any(x not in before for x in folder.iterdir())

  def begun(self, name: str) -> bool:
    """Whether a stage has written anything in this round."""
    folder = self.stage(name)
    return folder.exists() and any(
      not path.name.startswith('round_') for path in folder.iterdir()
    )

  def require_before(self, name: str) -> None:
    """Raises errors.UsageError if the stage before `name` is unfinished."""
    before = _BEFORE.get(name)
    earlier = self
    if name == 'acquire' and self.round > 1:
      before, earlier = 'adapt', self.at(self.round - 1)
    if before and not earlier.done(before).exists():
      raise errors.UsageError(
        f'--stage={name} needs the stage {before}, which has not finished in '
        f'{self}; run --stage={before} or --stage=all'
      )

  @property
  def config(self) -> pathlib.Path:
    """The resolved config and package versions."""
    return self.root / 'config.json'

  @property
  def data(self) -> pathlib.Path:
    """What the image and label files were when the run first read them."""
    return self.root / 'data.json'

  @property
  def history(self) -> pathlib.Path:
    """JSON lines, one per stage that a command has run."""
    return self.root / 'history.jsonl'

  @property
  def tracebacks(self) -> pathlib.Path:
    """Tracebacks of unexpected errors."""
    return self.root / 'error.txt'

  @property
  def lock(self) -> pathlib.Path:
    """Locked by the command that changes the run."""
    return self.root / 'run.lock'

  @property
  def source_only(self) -> Phase:
    """The optional source-only phase before stage 1."""
    return self.uda_phase('source_only')

  @property
  def uda(self) -> Phase:
    """The last phase of stage 1."""
    return self.uda_phase('')

  def uda_phase(self, name: str) -> Phase:
    """A phase of stage 1 by name; '' is the last one."""
    return self._phase(self.root / 'uda' / name)

  @property
  def split(self) -> pathlib.Path:
    """The easy/hard split of the target, for methods that use one."""
    return self.root / 'uda' / 'split.json'

  @property
  def patch_clusters(self) -> pathlib.Path:
    """Centres of the source's patches, for methods that use them."""
    return self.root / 'uda' / 'patch_clusters.npz'

  @property
  def source_classes(self) -> pathlib.Path:
    """Pixels of each class in the source's images, to draw rare ones more."""
    return self.root / 'uda' / 'source_classes.json'

  def easy_label(self, image: str) -> pathlib.Path:
    """The pseudo label of an easy image for stage 1, train ids."""
    return paths.inside(self.root / 'uda' / 'pseudo_labels', f'{image}.png')

  @property
  def adapt(self) -> Phase:
    """Stage 3 in this round."""
    return self._phase(self.stage('adapt'))

  def _phase(self, folder: pathlib.Path) -> Phase:
    return Phase(folder, self.kept(folder / 'checkpoints'))

  def place(self, phase: Phase) -> str:
    """A phase's folder relative to the run; its seeds derive from it."""
    return phase.root.relative_to(self.root).as_posix()

  @property
  def newest(self) -> Phase:
    """The phase whose model stage 2 uses: stage 1 or the previous round."""
    return self.uda if self.round == 1 else self.at(self.round - 1).adapt

  def pseudo_label(self, image: str) -> pathlib.Path:
    """Stage 1's prediction for an image, train ids, at the training size."""
    folder = self.root / 'acquire' / 'pseudo_labels'
    return paths.inside(folder, f'{image}.png')

  @property
  def annotations(self) -> pathlib.Path:
    """The SQLite store of requests and answers."""
    return self.root / 'acquire' / 'annotations.sqlite'

  @property
  def earlier(self) -> pathlib.Path:
    """What earlier runs here left: folders 1, 2, ..., each like a workdir."""
    return self.root / 'earlier'

  @property
  def annotate(self) -> pathlib.Path:
    """The folder with the labelling page's lock and secret."""
    return self.root / 'annotate'

  def evaluation(
    self, stage: str, split: str, step: int | None = None
  ) -> pathlib.Path:
    """The scores of a stage's last model, or of its model at `step`."""
    at = '' if step is None else f'-at-{step}'
    return self.root / 'evaluate' / f'{stage}-{split}{at}.json'

  def all_evaluations(self, stage: str) -> list[pathlib.Path]:
    """The existing scores of a stage's model and tables containing them."""
    folder = self.root / 'evaluate'
    held_back = self.held_back(stage)
    return [
      *folder.glob(f'{stage}-*.json'),
      *folder.glob('steps-*.csv'),
      *([held_back] if held_back.exists() else []),
    ]

  def held_back(self, stage: str) -> pathlib.Path:
    """The scores of a stage's last model on points held back from training."""
    return self.root / 'evaluate' / 'held_back' / f'{stage}.json'

  def evaluated_steps(self, split: str) -> pathlib.Path:
    """A table with the scores of all kept checkpoints."""
    return self.root / 'evaluate' / f'steps-{split}.csv'

  def prediction(self, stage: str, split: str, image: str) -> pathlib.Path:
    """The prediction for an evaluation image, in the label files' ids."""
    folder = self.root / 'evaluate' / f'{stage}-{split}'
    return paths.inside(folder, f'{image}.png')

  @property
  def report(self) -> pathlib.Path:
    """The folder of the report."""
    return self.stage('report')


def named(folder: str | os.PathLike[str], rounds: int = 1) -> Workdir:
  """The workdir in a local folder or an object store.

  A store is copied here, with the errors of `object_store.Mirror`.
  """
  if object_store.is_remote(folder):
    mirror = object_store.Mirror(os.fspath(folder), mark='config.json')
    return Workdir(mirror.local, rounds, mirror=mirror)
  return Workdir(pathlib.Path(folder), rounds)
