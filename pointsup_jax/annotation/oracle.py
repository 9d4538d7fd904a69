"""An annotator simulated from the label files, with flaws on request."""

import collections
import dataclasses
import zlib
from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from pointsup_jax import errors
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.hosts import progress, stopping
from pointsup_jax.types import IGNORE, Example

NAME = 'ground_truth'  # under which answers that nobody gave are recorded


class LabelledImages(Protocol):
  """Images with labels, at the size at which the points were drawn."""

  @property
  def names(self) -> Sequence[str]:
    """The images' names, in the order of their indices."""

  def __getitem__(self, index: int) -> Example:
    """Loads an image and its labels."""


@dataclasses.dataclass(frozen=True)
class Annotator:
  """How the simulated annotator answers.

  Which points are answered wrong, and how, is a function of the seed and the
  point's id alone.

  Attributes:
    num_classes: C.
    error_rate: the share of points that get a wrong class.
    confusable: groups of classes that are taken for each other; a class in
      none of them is taken for any class.
    seconds: that an answer takes.
    seed: of the errors.
    name: under which the answers are recorded.
  """

  num_classes: int
  error_rate: float = 0.0
  confusable: Sequence[Collection[int]] = ()
  seconds: float | None = None
  seed: int = 0
  name: str = NAME

  def says(self, request: str, truth: int) -> int:
    """The answer to a request, by its id; void pixels are always seen."""
    if truth == IGNORE or not self.error_rate:
      return truth
    random = np.random.default_rng((self.seed, zlib.crc32(request.encode())))
    if random.random() >= self.error_rate:
      return truth
    wrong = sorted(self._taken_for(truth) - {truth})
    return int(random.choice(wrong)) if wrong else truth

  def _taken_for(self, truth: int) -> set[int]:
    groups = [set(group) for group in self.confusable if truth in group]
    return set.union(*groups) if groups else set(range(self.num_classes))


def answer(
  store: store_lib.Store, source: LabelledImages, annotator: Annotator
) -> int:
  """Answers every unanswered request with the label at its pixel.

  Pixels that the label files leave out are answered with 255. The answers of
  an image are committed together, so that a stopped run goes on where it was.

  Args:
    store: with the requests.
    source: the labelled target images, each of which is loaded at most once.
    annotator: who answers.

  Returns:
    The number of answers.
  """
  index = {name: i for i, name in enumerate(source.names)}
  by_image = collections.defaultdict(list)
  for request in store.unanswered():
    by_image[request.image].append(request)
  answered = 0
  with progress.Progress(
    'annotation', len(by_image), start=0, unit='image'
  ) as bar:
    for done, (image, requests) in enumerate(by_image.items(), start=1):
      if image not in index:
        raise errors.UserError(
          f'there are points to be labelled in image {image!r}, which is not '
          f'among the {len(index)} target images; restore them or use another '
          'workdir'
        )
      labels = source[index[image]].labels
      store.answer_many(
        {
          request.id: annotator.says(
            request.id, int(labels[request.row, request.col])
          )
          for request in requests
        },
        annotator.name,
        annotator.seconds,
      )
      answered += len(requests)
      bar.update(done)
      stopping.check()
  return answered
