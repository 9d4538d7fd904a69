"""Simulates an annotator from label files, with errors on request."""

import collections
import dataclasses
import zlib
from collections.abc import Collection, Sequence

import numpy as np

from pointsup_jax import errors
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import sources
from pointsup_jax.hosts import progress, stopping
from pointsup_jax.types import IGNORE

NAME = 'ground_truth'  # annotator name of simulated answers


@dataclasses.dataclass(frozen=True)
class Annotator:
  """A simulated annotator.

  Which points are answered wrong, and how, depends only on the seed and the
  point's id.

  Attributes:
    error_rate: share of points that get a wrong class, 0 to 1.
    confusable: groups of mutually confused classes; a class in none of them
      is confused with any other.
    seconds: recorded time per answer.
    name: recorded as the annotator.
  """

  num_classes: int
  error_rate: float = 0.0
  confusable: Sequence[Collection[int]] = ()
  seconds: float | None = None
  seed: int = 0
  name: str = NAME

  def says(self, request: str, truth: int) -> int:
    """Returns the answer to a request id; void pixels are never mistaken."""
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
  store: store_lib.Store, source: sources.Source, annotator: Annotator
) -> int:
  """Answers every unanswered request with the label at its pixel.

  Void pixels get 255. Answers are committed per image, so an interrupted run
  resumes. Each image is loaded at most once. Returns the number of answers.

  Raises:
    errors.UserError: a requested image is not in `source`.
  """
  index = {name: i for i, name in enumerate(source.names)}
  by_image = collections.defaultdict(list)
  for request in store.unanswered():
    by_image[request.image].append(request)
  answered = 0
  for image, requests in progress.each(
    by_image.items(), 'annotation', len(by_image)
  ):
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
    stopping.check()
  return answered
