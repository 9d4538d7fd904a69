"""Division of an annotation budget over several rounds of questions."""


def share(total: int, round: int, rounds: int, spent: int | None = None) -> int:
  """Part of `total` for one round, 1 to `rounds`; the parts add up to it.

  `spent` is what the rounds before it took; None: their own parts.
  """
  if spent is None:
    return total // rounds + (round > rounds - total % rounds)
  return max(0, total - spent) // (rounds - round + 1)
