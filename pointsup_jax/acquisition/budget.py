"""Division of an annotation budget over several rounds of questions."""


def share(total: int, round: int, rounds: int) -> int:
  """Part of `total` for one round, 1 to `rounds`; the parts add up to it."""
  return total * round // rounds - total * (round - 1) // rounds
