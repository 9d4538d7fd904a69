import numpy as np
import pytest

from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.report import click_statistics


@pytest.fixture
def found(tmp_path):
  patches, guesses = (0, 3, 3, 0, 0, 0), (0, 0, 1, 1, 1, 2)
  points = zip('aaabbb', patches, guesses, (1, 1, 1, 1, 2, 2), strict=True)
  requests = [
    records.Request(str(i), image, i, 0, patch, 0.5, guess, round_, 1)
    for i, (image, patch, guess, round_) in enumerate(points)
  ]
  with store_lib.Store(tmp_path / 'annotations.sqlite', 3) as store:
    for image in 'ab':
      store.add_image(image, (8, 8), 0.5, [])
    store.ask(requests)
    # Confirmed, corrected, none of the classes, corrected; 5 is open.
    store.answer_many({'0': 0, '1': 1, '2': 255, '4': 0}, 'ana')
    store.mark('3', 'unsure', 'ana')
    store.mark('5', 'skip', 'ana')
    return click_statistics.count(store, num_classes=3, grid=(2, 2))


def test_every_point_is_counted_once(found):
  assert found.total == 6
  assert (found.labelled, found.unsure, found.open) == (4, 1, 1)
  assert found.none_of_them == 1
  assert found.images == 2


def test_shares_by_guess_and_by_answer(found):
  assert found.asked.tolist() == [2, 3, 1]
  assert found.answered.tolist() == [2, 1, 0]


def test_disagreement_leaves_out_what_is_none_of_the_classes(found):
  assert click_statistics.disagreement(found.answers) == (2, 3)
  by_guess = click_statistics.disagreement_by_guess(found.answers)
  np.testing.assert_array_equal(by_guess, [0.5, 1.0, np.nan])


def test_corrections_are_pairs_of_classes_the_most_frequent_first():
  answers = np.zeros((3, 4), int)
  answers[0, 1], answers[2, 0], answers[1, 1], answers[1, 3] = 2, 5, 9, 7
  assert click_statistics.corrections(answers) == [
    click_statistics.Correction(2, 0, 5),
    click_statistics.Correction(0, 1, 2),
  ]
  assert len(click_statistics.corrections(answers, most=1)) == 1


def test_the_heat_map_counts_images_and_not_points(found):
  assert found.patches.tolist() == [[2, 0], [0, 1]]


def test_rounds_are_told_apart(found):
  assert {n: int(x.sum()) for n, x in found.rounds.items()} == {1: 3, 2: 1}
  np.testing.assert_array_equal(sum(found.rounds.values()), found.answers)
