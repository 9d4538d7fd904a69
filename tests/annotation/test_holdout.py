import collections
import math

import people
import pytest

from pointsup_jax.annotation import holdout

IMAGES = [f'{i:03}' for i in range(60)]


def asked(patches, points=1, round=1, images=IMAGES):
  """Requests of `patches` (numbers) in every image, best first."""
  return [
    people.request(image, 10 * patch + i, patch, patch, round=round)
    for image in images
    for patch in patches
    for i in range(points)
  ]


def places(held):
  return [(point.image, point.patch) for point in held]


@pytest.mark.parametrize(
  ('share', 'patches'), [(0.2, 5), (0.2, 4), (0.25, 10), (0.9, 3), (0.05, 40)]
)
def test_every_image_gives_its_share_of_whole_patches(share, patches):
  requests = asked(range(patches), points=3)
  held = holdout.held_back(requests, share, 7)
  of_image = collections.Counter(image for image, _ in places(held))
  for image in IMAGES:
    few, many = math.floor(share * patches), math.ceil(share * patches)
    assert 3 * few <= of_image[image] <= 3 * many
  assert set(collections.Counter(places(held)).values()) == {3}
  assert len(held) / len(requests) == pytest.approx(share, rel=0.25)


def test_every_place_in_the_order_is_as_likely():
  held = holdout.held_back(asked(range(4)), 0.25, 0)
  by_place = collections.Counter(patch for _, patch in places(held))
  assert min(by_place.values()) > 5  # of 15 expected


def test_a_later_round_changes_no_earlier_choice():
  first = asked((7, 2, 5))
  held = holdout.held_back(first, 0.3, 0)
  more = holdout.held_back([*first, *asked((0, 9, 3), round=2)], 0.3, 0)
  assert [point for point in more if point.round == 1] == held
  assert {point.round for point in more} == {1, 2}


def test_other_images_and_their_order_do_not_matter():
  held = holdout.held_back(asked(range(5)), 0.3, 0)
  some = holdout.held_back(asked(range(5), images=IMAGES[40:2:-3]), 0.3, 0)
  assert set(some) == {x for x in held if x.image in IMAGES[40:2:-3]}


def test_the_seed_chooses_and_a_share_of_0_holds_nothing_back():
  one, two = (holdout.held_back(asked(range(5)), 0.2, seed) for seed in (0, 1))
  assert one != two
  assert holdout.held_back(asked(range(5)), 0.0, 0) == []
