"""How many patches each of several rounds of questions asks about.

A budget is for all rounds together: more rounds ask the same number of
questions, later ones of a model that has learned from the earlier.
"""


def share(total: int, round: int, rounds: int) -> int:
  """One round's part of a total, 1 to `rounds`; the parts add up to it."""
  return total * round // rounds - total * (round - 1) // rounds
