"""Positions drawn in every patch, kept in the annotation store."""

from collections.abc import Mapping

import numpy as np

from pointsup_jax.annotation import database


class Drawn:
  """The table of drawn positions, from which questions and guesses come."""

  def __init__(self, open_database: database.Database) -> None:
    self._database = open_database

  def all(self) -> dict[str, np.ndarray]:
    """Returns the positions of each image: [X, 2] int16, patch by patch."""
    rows = self._database.query('SELECT image, points FROM drawn')
    return {
      image: np.frombuffer(blob, '<i2').reshape(-1, 2) for image, blob in rows
    }

  def keep(self, points: Mapping[str, np.ndarray]) -> None:
    """Records positions [P, N, 2] of images, in place of earlier ones."""
    with self._database.transaction() as connection:
      connection.executemany(
        'INSERT OR REPLACE INTO drawn VALUES (?, ?)',
        [(name, x.astype('<i2').tobytes()) for name, x in points.items()],
      )
