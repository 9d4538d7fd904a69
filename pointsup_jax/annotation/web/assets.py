"""The files of the page: what browsers may have of this folder."""

import pathlib

_STATIC = pathlib.Path(__file__).parent / 'static'
_TYPES = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
}

PAGE = _STATIC / 'index.html'
# Name -> path and media type.
FILES = {
  path.name: (path, _TYPES[path.suffix])
  for path in sorted(_STATIC.iterdir())
  if path.suffix in _TYPES
}
# Reloads without the token. Not a redirect: browsers withhold strict cookies
# from redirects that a click on another site began.
WELCOME = (
  '<!doctype html><meta charset="utf-8"><title>Points</title>'
  '<meta http-equiv="refresh" content="0;url=/"><a href="/">Continue</a>'
)
