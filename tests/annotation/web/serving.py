"""Serves the points of `pages`: FOLDER PORT IMAGES FILES [CLASSES].

FILES is how many it may open, 0: as many as usual; CLASSES how many there are.
"""

import pathlib
import resource
import sys

import pages
from PIL import Image

from pointsup_jax.annotation.web import server
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import palettes
from pointsup_jax.hosts import stopping


def main() -> None:
  folder, port, images, files, *classes = sys.argv[1:]
  count = int(classes[0]) if classes else len(pages.NAMES)
  names = pages.names(count)
  if int(files):
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
  example = pathlib.Path(folder, 'example.png')
  Image.new('RGB', (300, 200), 'gray').save(example)
  stopping.install()
  server._GRACE_SECONDS = 1.0
  server.serve(
    path=pathlib.Path(folder, 'annotations.sqlite'),
    folder=pathlib.Path(folder, 'annotate'),
    images=pages.Images(int(images)),
    classes=classes_lib.ClassSet(
      names,
      palettes.distinct(count),
      guide={'road': 'what cars drive on'},
      examples={'road': (example,)},
    ),
    grid=pages.GRID,
    options=server.Options('127.0.0.1', int(port), False, 0.0),
  )


if __name__ == '__main__':
  main()
