import contextlib
import json
import pathlib
import sqlite3
from typing import Any

import numpy as np
from PIL import Image

from pointsup_jax.data.streets import source


def query(workdir: pathlib.Path, sql: str) -> list[tuple]:
  path = workdir / 'acquire/annotations.sqlite'
  with contextlib.closing(sqlite3.connect(path)) as database:
    return database.execute(sql).fetchall()


def scores(workdir: pathlib.Path, name: str) -> dict[str, Any]:
  """The scores of a model; `name` is that of the file, as 'adapt-test'."""
  return json.loads((workdir / f'evaluate/{name}.json').read_text())


def pixels(path: pathlib.Path) -> np.ndarray:
  return np.asarray(Image.open(path))


def truth() -> dict[str, np.ndarray]:
  """Labels of the four target images of a tiny run, by name."""
  scenes = source.Streets('camera', 'train', 4, (96, 192), 0)
  return {name: scenes[i].labels for i, name in enumerate(scenes.names)}
