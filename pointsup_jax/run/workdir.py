"""Every path below a workdir, named once."""

import dataclasses
import os
import pathlib

from etils import epath

from pointsup_jax import errors
from pointsup_jax.hosts import object_store, processes

# The stages that every round of questions repeats.
REPEATED = ('acquire', 'annotate', 'adapt')
# The stage that must have finished before another can start.
_BEFORE = {'acquire': 'uda', 'annotate': 'acquire', 'adapt': 'annotate'}


@dataclasses.dataclass(frozen=True)
class Phase:
  """Where one training phase keeps its things."""

  root: pathlib.Path
  checkpoints: pathlib.Path | epath.Path  # Orbax steps

  @property
  def metrics(self) -> pathlib.Path:
    """One JSON object a line: step, losses, seconds."""
    return self.root / 'metrics.jsonl'

  @property
  def skipped(self) -> pathlib.Path:
    """The steps left out because their batches broke the model."""
    return self.root / 'skipped.json'


@dataclasses.dataclass(frozen=True)
class Workdir:
  """The folder of one run; see the README for what is in it.

  Attributes:
    root: the folder.
    rounds: how often people are asked.
    round: the round, from 1, whose stages 2 and 3 are meant.
    mirror: where the run is in an object store; `root` is its copy here.
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
    """The folder as it is named from anywhere."""
    return str(self) if self.mirror else os.path.abspath(self.root)

  def kept(self, path: pathlib.Path) -> pathlib.Path | epath.Path:
    """Where a file or folder of the run is kept: `path`, or in the store."""
    if self.mirror is None:
      return path
    return self.mirror.remote / path.relative_to(self.root)

  def push(self) -> None:
    """Has the first process bring what it wrote to where it outlives it."""
    if self.mirror and processes.is_first():
      self.mirror.push()

  def share(self, what: str) -> None:
    """Waits until all processes are here and see what the first has written.

    Args:
      what: names the place; see `processes.wait`.
    """
    self.push()
    processes.wait(what)
    if self.mirror and not processes.is_first():
      self.mirror.pull()

  def at(self, round: int) -> 'Workdir':
    """The same folder, seen from another round."""
    return dataclasses.replace(self, round=round)

  def current(self) -> 'Workdir':
    """At the first round that has not finished, or at the last."""
    for round in range(1, self.rounds):
      if not self.at(round).done('adapt').exists():
        return self.at(round)
    return self.at(self.rounds)

  def stage(self, name: str) -> pathlib.Path:
    """The folder of a stage; the last round's is that of the others, too."""
    if name in REPEATED and self.round < self.rounds:
      return self.root / name / f'round_{self.round}'
    return self.root / name

  def done(self, name: str) -> pathlib.Path:
    """Exists when the stage has finished."""
    return self.stage(name) / 'DONE'

  def mark_done(self, name: str) -> None:
    """Says that a stage has finished."""
    self.stage(name).mkdir(parents=True, exist_ok=True)
    self.done(name).touch()

  def started(self, name: str) -> bool:
    """Whether a stage has left anything, in any round."""
    folder = self.root / name
    return folder.exists() and any(folder.iterdir())

  def begun(self, name: str) -> bool:
    """Whether a stage has left anything in this round."""
    folder = self.stage(name)
    return folder.exists() and any(
      not path.name.startswith('round_') for path in folder.iterdir()
    )

  def require_before(self, name: str) -> None:
    """Refuses a stage whose forerunner has not finished."""
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
    """The resolved config and the versions that ran it."""
    return self.root / 'config.json'

  @property
  def history(self) -> pathlib.Path:
    """One JSON object a line: a stage that a command has run."""
    return self.root / 'history.jsonl'

  @property
  def tracebacks(self) -> pathlib.Path:
    """Of errors that nobody expected."""
    return self.root / 'error.txt'

  @property
  def lock(self) -> pathlib.Path:
    """Held by the one command that may change the run."""
    return self.root / 'run.lock'

  @property
  def source_only(self) -> Phase:
    """The source-only phase before stage 1, where there is one."""
    return self.uda_phase('source_only')

  @property
  def uda(self) -> Phase:
    """Stage 1, whose last phase it is."""
    return self.uda_phase('')

  def uda_phase(self, name: str) -> Phase:
    """An earlier phase of stage 1; the last one is called ''."""
    return self._phase(self.root / 'uda' / name)

  @property
  def split(self) -> pathlib.Path:
    """The target's easy and hard images, where stage 1 tells them apart."""
    return self.root / 'uda' / 'split.json'

  def easy_label(self, image: str) -> pathlib.Path:
    """The prediction for an easy image that stage 1 learns from, train ids."""
    return self.root / 'uda' / 'pseudo_labels' / f'{image}.png'

  @property
  def adapt(self) -> Phase:
    """Stage 3."""
    return self._phase(self.stage('adapt'))

  def _phase(self, folder: pathlib.Path) -> Phase:
    return Phase(folder, self.kept(folder / 'checkpoints'))

  def place(self, phase: Phase) -> str:
    """A phase's folder in the run, which its randomness is derived from."""
    return phase.root.relative_to(self.root).as_posix()

  @property
  def newest(self) -> Phase:
    """The phase whose model stage 2 asks: of stage 1, or the round before."""
    return self.uda if self.round == 1 else self.at(self.round - 1).adapt

  def pseudo_label(self, image: str) -> pathlib.Path:
    """Stage 1's argmax for an image, train ids, at the training size."""
    return self.root / 'acquire' / 'pseudo_labels' / f'{image}.png'

  @property
  def annotations(self) -> pathlib.Path:
    """The store of requests and answers."""
    return self.root / 'acquire' / 'annotations.sqlite'

  @property
  def annotate(self) -> pathlib.Path:
    """The lock and the secret of the page that people label on."""
    return self.root / 'annotate'

  def evaluation(
    self, stage: str, split: str, step: int | None = None
  ) -> pathlib.Path:
    """The scores of a stage's last model, or of that at an earlier step."""
    at = '' if step is None else f'-at-{step}'
    return self.root / 'evaluate' / f'{stage}-{split}{at}.json'

  def all_evaluations(self, stage: str) -> list[pathlib.Path]:
    """The scores of a stage's model that are there, and tables with them."""
    folder = self.root / 'evaluate'
    return [*folder.glob(f'{stage}-*.json'), *folder.glob('steps-*.csv')]

  def evaluated_steps(self, split: str) -> pathlib.Path:
    """The scores of all checkpoints that were kept, as a table."""
    return self.root / 'evaluate' / f'steps-{split}.csv'

  def prediction(self, stage: str, split: str, image: str) -> pathlib.Path:
    """What a stage's model says of an evaluation image, ids of label files."""
    return self.root / 'evaluate' / f'{stage}-{split}' / f'{image}.png'

  @property
  def report(self) -> pathlib.Path:
    """What is shown of the run."""
    return self.stage('report')


def named(folder: str | os.PathLike[str], rounds: int = 1) -> Workdir:
  """The workdir in a local folder, or in an object store.

  Raises:
    errors.UsageError: it holds something else, or cannot hold a run.
    errors.UserError: it cannot be read.
  """
  if object_store.is_remote(folder):
    mirror = object_store.Mirror(os.fspath(folder), mark='config.json')
    return Workdir(mirror.local, rounds, mirror=mirror)
  return Workdir(pathlib.Path(folder), rounds)
