"""Pictures of the class guide: of files, and of points that were answered."""

import asyncio
import functools
from collections.abc import Callable, Mapping

from starlette import concurrency, requests, responses

from pointsup_jax.annotation.web import crops, pictures, replies
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import image_files

_KEPT = 512  # small pictures


class Guide:
  """The routes of the guide's pictures, which are named by numbers alone.

  Draws one at a time, so that whoever labels meanwhile waits for nothing.
  """

  def __init__(
    self,
    images: pictures.Pictures,
    sizes: Mapping[str, tuple[int, int]],
    classes: classes_lib.ClassSet,
  ) -> None:
    """`sizes` are (height, width) that an image's requests refer to."""
    self._images, self._sizes = images, sizes
    self._examples = [classes.examples.get(x, ()) for x in classes.names]
    self._turn = asyncio.Lock()
    self._kept = functools.lru_cache(_KEPT)(
      lambda draw, *numbers: draw(*numbers)
    )

  async def example(self, request: requests.Request) -> responses.Response:
    """Serves an example of a class: /example/CLASS/NUMBER."""
    return await self._reply(self._example, request, 'label', 'number')

  async def crop(self, request: requests.Request) -> responses.Response:
    """Serves the surroundings of a point: /crop/IMAGE/ROW/COL."""
    return await self._reply(self._crop, request, 'image', 'row', 'col')

  async def _reply(
    self, draw: Callable[..., bytes], request: requests.Request, *names: str
  ) -> responses.Response:
    async def in_turn(*numbers: int) -> bytes:
      async with self._turn:
        return await concurrency.run_in_threadpool(self._kept, draw, *numbers)

    return await replies.picture(request, names, crops.KIND, in_turn)

  def _example(self, label: int, number: int) -> bytes:
    path = self._examples[label][number]
    return crops.small(image_files.read_image(path.parent, path.name))

  def _crop(self, number: int, row: int, col: int) -> bytes:
    image = self._images.pixels(number)
    size = self._sizes[self._images.name(number)]
    if row >= size[0] or col >= size[1]:
      raise LookupError
    return crops.around(image, size, row, col)
