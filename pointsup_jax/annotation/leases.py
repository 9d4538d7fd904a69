"""Leases of points to annotators, kept in the annotation store."""

from collections.abc import Sequence

from pointsup_jax.annotation import database, records

SECONDS = 600.0  # that a lease lasts


class Leases:
  """The table of leases; whoever holds one is asked about its point."""

  def __init__(self, open_database: database.Database) -> None:
    self._database = open_database

  def all(self) -> list[records.Lease]:
    """Returns all leases, expired or not."""
    rows = self._database.query(
      'SELECT request_id, annotator, expires, since FROM leases'
    )
    return [records.Lease(*row) for row in rows]

  def keep(self, leases: Sequence[records.Lease]) -> None:
    """Adds or extends leases; the first `since` of each stays.

    Unlike answers, does not wait for the disk: if a power cut loses a lease,
    the point is just handed out again.
    """
    self._database.query('PRAGMA synchronous = NORMAL')
    try:
      with self._database.transaction() as connection:
        connection.executemany(
          'INSERT INTO leases (request_id, annotator, expires, since)'
          ' VALUES (?, ?, ?, ?) ON CONFLICT (request_id, annotator)'
          ' DO UPDATE SET expires = excluded.expires',
          leases,
        )
    finally:
      self._database.query('PRAGMA synchronous = FULL')

  def since(self, request: str, annotator: str) -> float | None:
    """Returns when a point was first handed out; None: never."""
    rows = self._database.query(
      'SELECT since FROM leases WHERE request_id = ? AND annotator = ?',
      request,
      annotator,
    )
    return rows[0][0] if rows else None

  def release(self, requests: Sequence[str], annotator: str) -> None:
    """Ends leases that an annotator was given: others may be asked now."""
    if requests:
      self.keep([records.Lease(x, annotator, 0.0) for x in requests])
