"""Stage 3: trains G2 on the source and the target's point labels."""

from pointsup_jax.acquisition import targets
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files, sources
from pointsup_jax.stages import phase, points
from pointsup_jax.stages import run as run_lib
from pointsup_jax.types import Example


def run(run: run_lib.Run) -> None:
  """Trains from where stage 1 started, with fresh opponents (Eq. 9)."""
  config, workdir = run.config, run.workdir
  title = 'stage 3, points'
  if workdir.round < workdir.rounds:
    title += f', round {workdir.round}'
  warm = config.uda.source_only_steps > 0
  phase.train(
    run,
    workdir.adapt,
    title=title,
    strategy=config.adapt.strategy,
    steps=config.adapt.steps,
    source=run.source('source', labelled=True),
    target=PointLabelled(run, run.source('target', labelled=False)),
    target_weight=config.adapt.target_weight,
    initial=workdir.source_only if warm else None,
  )


class PointLabelled:
  """The target's images with the labels of stage 3 in place of their own."""

  def __init__(self, run: run_lib.Run, images: sources.Source) -> None:
    self._run, self._images = run, images
    self.names = images.names
    self._points = points.draw_all(run, images.names)
    with store_lib.Store(run.workdir.annotations) as store:
      self._asked = {name: store.asked_patches(name) for name in images.names}
      self._answers = {name: store.answered(name) for name in images.names}

  def __len__(self) -> int:
    return len(self._images)

  def __getitem__(self, index: int) -> Example:
    example = self._images[index]
    pseudo = image_files.read_labels(
      self._run.workdir.pseudo_label(example.name)
    )
    labels = targets.target_labels(
      pseudo,
      points=self._points[index],
      asked=self._asked[example.name],
      answers=self._answers[example.name],
      mode=self._run.config.adapt.pseudo_labels,
      grid=tuple(self._run.config.acquire.grid),
    )
    return example._replace(labels=labels)
