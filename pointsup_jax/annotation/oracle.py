"""Who answers the requests: for now an annotator simulated from labels."""

import collections
from collections.abc import Sequence
from typing import Protocol

from pointsup_jax import errors, progress, stop
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.types import Example


class LabelledImages(Protocol):
  """Images with labels, at the size at which the points were drawn."""

  @property
  def names(self) -> Sequence[str]:
    """The images' names, in the order of their indices."""

  def __getitem__(self, index: int) -> Example:
    """Loads an image and its labels."""


def ground_truth(
  store: store_lib.Store,
  source: LabelledImages,
  annotator: str = 'ground_truth',
) -> int:
  """Answers every unanswered request with the label at its pixel.

  Pixels that the label files leave out are answered with 255. The answers of
  an image are committed together, so that a stopped run goes on where it was.

  Args:
    store: with the requests.
    source: the labelled target images, each of which is loaded at most once.
    annotator: the name under which the answers are recorded.

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
          f'{store.path} asks about image {image!r}, which is not among the '
          f'{len(index)} target images; restore them or use another workdir'
        )
      labels = source[index[image]].labels
      store.answer_many(
        {request.id: labels[request.row, request.col] for request in requests},
        annotator,
      )
      answered += len(requests)
      bar.update(done)
      stop.check()
  return answered
