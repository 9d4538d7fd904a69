"""What every stage is handed: the config, the workdir, the devices."""

import dataclasses
import pathlib
import zlib

import jax
import ml_collections

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import sources
from pointsup_jax.models import deeplab
from pointsup_jax.stages import workdir as workdir_lib
from pointsup_jax.training import checkpoint, sharding
from pointsup_jax.types import Variables


@dataclasses.dataclass(frozen=True)
class Run:
  """One run of the command."""

  config: ml_collections.ConfigDict
  workdir: workdir_lib.Workdir
  classes: classes_lib.ClassSet
  mesh: jax.sharding.Mesh

  def source(
    self,
    domain: ml_collections.ConfigDict,
    *,
    labelled: bool,
    native: bool = False,
  ) -> sources.Source:
    """Opens the images of a domain.

    Args:
      domain: one of config.data.source, .target, .evaluation.
      labelled: whether label files are needed.
      native: images and labels as they are on disk rather than at domain.size,
        where they are on disk at all.
    """
    native = native and not domain.dataset.startswith('streets_')
    return sources.open_source(
      domain.dataset,
      root=str(pathlib.Path(self.config.data.root, domain.root)),
      split=domain.split,
      size=None if native else tuple(domain.size),
      classes=self.classes,
      seed=self.config.seed,
      length=domain.length,
      labelled=labelled,
    )

  def segmenter(self) -> deeplab.DeepLabV2:
    """The network, without its variables."""
    model = self.config.model
    return deeplab.DeepLabV2(
      num_classes=self.classes.num_classes,
      blocks=tuple(model.blocks),
      width=model.width,
      bn=model.bn,
    )

  def trained(self, phase: workdir_lib.Phase) -> tuple[int, Variables]:
    """The last segmenter of a training phase, with its step."""
    segmenter = self.segmenter()
    shapes = jax.eval_shape(
      lambda key: segmenter.init(
        key, jax.numpy.zeros((1, 32, 32, 3)), train=False
      ),
      jax.random.key(0),
    )
    with checkpoint.Checkpoints(phase.checkpoints) as checkpoints:
      return checkpoints.restore_segmenter(
        checkpoint.abstract(shapes, sharding.replicated(self.mesh))
      )

  def seed(self, *purpose: str) -> int:
    """A seed for one purpose, a function of config.seed."""
    return zlib.crc32('/'.join((str(self.config.seed), *purpose)).encode())


def open_run(
  config: ml_collections.ConfigDict, workdir: workdir_lib.Workdir
) -> Run:
  """A run of a checked config in a workdir."""
  return Run(
    config=config,
    workdir=workdir,
    classes=classes_of(config.data),
    mesh=sharding.mesh(),
  )


def classes_of(data: ml_collections.ConfigDict) -> classes_lib.ClassSet:
  """The class set that the config names."""
  if data.classes == 'cityscapes':
    return classes_lib.CITYSCAPES
  return classes_lib.load(pathlib.Path(data.root) / data.classes)
