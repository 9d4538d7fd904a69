import itertools

from pointsup_jax.acquisition import budget


def test_shares_add_up_and_are_as_even_as_they_can_be():
  for total, rounds in itertools.product((*range(30), 20_000), range(1, 8)):
    shares = [budget.share(total, r, rounds) for r in range(1, rounds + 1)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1
