"""Replies that several routes give."""

import re
from collections.abc import Awaitable, Callable, Sequence

from starlette import requests, responses

from pointsup_jax import errors

_NUMBER = re.compile('[0-9]{1,9}')


def refused(code: int, why: str) -> responses.Response:
  """The reply to a request that is not fulfilled, as the page reads it."""
  return responses.JSONResponse({'error': why}, code)


async def picture(
  request: requests.Request,
  names: Sequence[str],
  kind: str,
  draw: Callable[..., Awaitable[bytes]],
) -> responses.Response:
  """Serves what `draw` makes of numbers in the URL, which names no file.

  `names` are their path parameters. `draw` raises LookupError if there is no
  such picture, errors.UserError or OSError if it cannot be read.
  """
  texts = [request.path_params[name] for name in names]
  if not all(map(_NUMBER.fullmatch, texts)):
    return refused(404, 'no such picture')
  try:
    drawn = await draw(*map(int, texts))
  except LookupError:
    return refused(404, 'no such picture')
  except (errors.UserError, OSError) as error:
    return refused(503, str(error))
  return responses.Response(
    drawn,
    media_type=kind,
    headers={'cache-control': 'private, max-age=3600'},
  )
