"""Leases of points to annotators, kept in the annotation store."""

from collections.abc import Callable, Sequence

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


class Hands:
  """Who is asked about which point, as the table of leases says."""

  def __init__(
    self, table: Leases, has_answered: Callable[[str, str], bool]
  ) -> None:
    """Reads the leases, but for those of who has answered the point since."""
    self._table = table
    self._expires: dict[str, dict[str, float]] = {}  # by point and annotator
    for lease in table.all():
      if not has_answered(lease.request, lease.annotator):
        held = self._expires.setdefault(lease.request, {})
        held[lease.annotator] = lease.expires

  def others(self, request: str, annotator: str, now: float) -> int:
    """Counts those who are asked about a point, without an annotator."""
    return sum(
      # A lease that ends later was given before the clock was set back.
      now < expires <= now + SECONDS
      for who, expires in self._expires.get(request, {}).items()
      if who != annotator
    )

  def lease(self, requests: Sequence[str], annotator: str, now: float) -> None:
    """Leases points, unless their lease still lasts long enough."""
    soon, expires = now + SECONDS / 2, now + SECONDS
    new = [
      records.Lease(request, annotator, expires, since=now)
      for request in requests
      if not soon
      <= self._expires.get(request, {}).get(annotator, 0.0)
      <= expires
    ]
    if new:
      self._table.keep(new)
    for one in new:
      self._expires.setdefault(one.request, {})[annotator] = expires

  def release(
    self, requests: Sequence[str], annotator: str, free: bool = True
  ) -> None:
    """Ends an annotator's leases; `free`: others may be asked now."""
    held = [
      records.Lease(request, annotator, 0.0)
      for request in requests
      if self._expires.get(request, {}).pop(annotator, None) is not None
    ]
    if held and free:
      self._table.keep(held)
