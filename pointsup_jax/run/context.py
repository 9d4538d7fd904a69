"""The context passed to every stage: config, workdir, devices."""

import dataclasses
import functools
import zlib
from collections.abc import Callable
from typing import Any

import jax
import ml_collections

from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import domains, sources
from pointsup_jax.models import deeplab
from pointsup_jax.run import methods, trained_models
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.training import checkpoint, sharding
from pointsup_jax.types import Variables

SEGMENTER = 'segmenter'
PREDICTIONS = 'predictions'  # of another model


@dataclasses.dataclass(frozen=True)
class Run:
  """One run of the command."""

  config: ml_collections.ConfigDict
  workdir: workdir_lib.Workdir
  classes: classes_lib.ClassSet
  asked: str = 'all'  # the requested stage

  @functools.cached_property
  def mesh(self) -> jax.sharding.Mesh:
    """A mesh of all devices; the first access initialises them."""
    return sharding.mesh()

  def source(
    self,
    domain: str,
    *,
    labelled: bool,
    full_labels: bool = False,
    depth: bool = False,
  ) -> sources.Source:
    """Opens the images of a domain; see `data.domains.open_domain`."""
    return domains.open_domain(
      self.config.data,
      domain,
      classes=self.classes,
      seed=self.config.seed,
      labelled=labelled,
      full_labels=full_labels,
      depth=depth,
    )

  def viewed(self) -> sources.Source:
    """Opens the target's images for display to annotators."""
    return domains.open_for_viewing(
      self.config.data, 'target', classes=self.classes, seed=self.config.seed
    )

  def segmenter(self) -> deeplab.DeepLabV2:
    """The segmentation network, a Flax module without variables."""
    model = self.config.model
    return deeplab.DeepLabV2(
      num_classes=self.classes.num_classes,
      blocks=tuple(model.blocks),
      width=model.width,
      bn=model.bn,
      dtype=model.dtype,
      remat=model.remat,
      aux_reads=model.aux_reads,
      depth=model.depth,
      prediction=model.prediction,
      backbone=model.backbone,
      block=model.block,
      output_stride=model.output_stride or 16,
    )

  def trained(
    self, phase: workdir_lib.Phase, step: int | None = None, network: str = ''
  ) -> tuple[int, Variables]:
    """Restores a phase's (step, variables); by default those of the newest.

    They are of `network`, by default that which is the phase's model.
    """
    shapes = self.replicated(_variables(self.segmenter()))
    network = network or self.network(phase)
    player = '' if network == SEGMENTER else network
    with checkpoint.Checkpoints(phase.checkpoints) as checkpoints:
      return checkpoints.restore_segmenter(shapes, step, player)

  def network(self, phase: workdir_lib.Phase) -> str:
    """Which network of a phase is its model: 'segmenter', or a player's name.

    That is the teacher if config.evaluate.model says so and there is one; or
    'predictions', if they take the place of stage 1's.
    """
    if self.config.uda.predictions and phase == self.workdir.uda:
      return PREDICTIONS
    if self.config.evaluate.model == SEGMENTER:
      return SEGMENTER
    name = trained_models.strategy_of(self.workdir, self.config, phase)
    return methods.teacher(self.config, name) or SEGMENTER

  def title(self, model: trained_models.Model) -> str:
    """A model's title in tables; it names the network if not a segmenter."""
    network = self.network(model.phase)
    if network == SEGMENTER:
      return model.column
    return f'{model.column} ({network})'

  def shapes(self, init: Callable[[jax.Array], Any]) -> Any:
    """Abstract arrays, replicated on the mesh, of the result of `init(key)`."""
    return self.replicated(jax.eval_shape(init, jax.random.key(0)))

  def replicated(self, shapes: Any) -> Any:
    """Abstract arrays of these shapes, replicated on the mesh."""
    return checkpoint.abstract(shapes, sharding.replicated(self.mesh))

  def seed(self, *purpose: str) -> int:
    """A seed for one purpose, derived from config.seed."""
    return zlib.crc32('/'.join((str(self.config.seed), *purpose)).encode())


@functools.cache  # tracing a ResNet-101 takes seconds
def _variables(segmenter: deeplab.DeepLabV2) -> Any:
  """The shapes of a network's variables."""
  return jax.eval_shape(
    functools.partial(deeplab.init, segmenter), jax.random.key(0)
  )


def open_run(
  config: ml_collections.ConfigDict,
  workdir: workdir_lib.Workdir,
  asked: str = 'all',
) -> Run:
  """Creates the `Run` of a checked config, for one stage or 'all'."""
  return Run(
    config=config,
    workdir=workdir,
    classes=domains.classes_of(config.data),
    asked=asked,
  )
