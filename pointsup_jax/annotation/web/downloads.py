"""Downloads of the answers, in formats of `exchange`."""

import dataclasses
import pathlib
from collections.abc import Mapping

from starlette import concurrency, requests, responses

from pointsup_jax.annotation import schema
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange import exporting
from pointsup_jax.annotation.exchange.formats import by_name, words
from pointsup_jax.data import classes as classes_lib

# Name of the file -> format and media type.
FILES = {
  'answers.csv': ('csv', 'text/csv'),
  'answers.json': ('label_studio', 'application/json'),
}


@dataclasses.dataclass(frozen=True)
class Downloads:
  """Answers of a store, as files.

  Attributes:
    path: the store.
    sizes: (height, width) that an image's requests refer to; all the same.
    classes: what can be answered.
  """

  path: pathlib.Path
  sizes: Mapping[str, tuple[int, int]]
  classes: classes_lib.ClassSet

  async def export(self, request: requests.Request) -> responses.Response:
    """Serves one of `FILES`."""
    name = request.path_params['name']
    if name not in FILES:
      return responses.JSONResponse({'error': 'no such file'}, 404)
    format_name, kind = FILES[name]
    # A copy, in another thread: meanwhile answers are taken.
    text = await concurrency.run_in_threadpool(self._text, format_name)
    return responses.Response(
      text,
      media_type=kind,
      headers={'content-disposition': f'attachment; filename="{name}"'},
    )

  def _text(self, format_name: str) -> str | bytes:
    with store_lib.Store(
      self.path, self.classes.num_classes, schema.connect_to_copy
    ) as store:
      export = exporting.prepare(
        store,
        exporting.select(store, 'answered'),
        size=next(iter(self.sizes.values()), (0, 0)),
        words=words.Words(self.classes),
      )
      return next(
        text for _, text in by_name.FORMATS[format_name].write(export)
      )
