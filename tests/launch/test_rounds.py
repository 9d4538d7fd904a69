import numpy as np
import pytest
from launching import assert_refused, launch, succeed, tiny
from outcome import pixels, query, scores, truth

pytestmark = pytest.mark.slow

ROUNDS = (
  '--config.acquire.rounds=2',
  '--config.acquire.budget=305',
  # The simulated annotator confuses pairs of classes.
  '--config.annotate.error_rate=0.25',
  "--config.annotate.confusable=('road/sidewalk',)",
  '--config.annotate.seconds=1.5',
)


@pytest.fixture(scope='module')
def finished(tmp_path_factory, stage_1):
  """The workdir and the output of a run of two rounds."""
  workdir = stage_1(tmp_path_factory.mktemp('rounds') / 'run')
  return workdir, succeed(*tiny(workdir, *ROUNDS))


def test_the_rounds_share_the_budget_and_ask_nothing_twice(finished):
  workdir, _ = finished
  rounds = dict(
    query(workdir, 'SELECT round, count(*) FROM requests GROUP BY round')
  )
  assert rounds == {1: 150, 2: 155}  # 30 and 31 of 61 patches
  patches = query(workdir, 'SELECT DISTINCT round, image, patch FROM requests')
  assert len(patches) == 61
  assert len({(image, patch) for _, image, patch in patches}) == 61


def test_each_round_takes_the_highest_scores_that_are_left(finished):
  workdir, _ = finished
  taken = set()
  for round in (1, 2):
    scored = {
      image: np.frombuffer(blob, '<f4')
      for image, blob in query(
        workdir, f'SELECT image, patches FROM scored WHERE round = {round}'
      )
    }
    assert len(scored) == 4
    order = sorted(
      ((image, patch) for image in scored for patch in range(128)),
      key=lambda place: -scored[place[0]][place[1]],
    )
    chosen = query(
      workdir,
      f'SELECT DISTINCT image, patch FROM requests WHERE round = {round}',
    )
    left = [place for place in order if place not in taken]
    assert set(chosen) == set(left[: len(chosen)])
    taken |= set(chosen)


def test_the_second_round_asks_the_model_of_the_first(finished):
  workdir, _ = finished
  scores = query(workdir, 'SELECT patches FROM scored ORDER BY round, image')
  assert scores[:4] != scores[4:]
  for image, row, col, guess in query(
    workdir, 'SELECT image, row, col, pseudo_label FROM requests WHERE round=2'
  ):
    guesses = pixels(workdir / f'acquire/pseudo_labels/{image}.png')
    assert guesses[row, col] == guess


def test_every_round_is_trained_and_scored(finished):
  workdir, done = finished
  for folder in ('adapt/round_1', 'adapt'):
    assert (workdir / folder / 'checkpoints/4').is_dir()
    assert (workdir / folder / 'DONE').exists()
  for name in ('uda', 'adapt_round_1', 'adapt'):
    assert scores(workdir, f'{name}-test')['images'] == 4
  header = done.stdout.splitlines()[0]
  for column in ('UDA', 'round 1', 'points'):
    assert column in header


def test_the_annotator_errs_as_told(finished):
  labels = truth()
  answers = query(
    finished[0], 'SELECT image, row, col, label, seconds FROM state'
  )
  wrong = [
    (true, label)
    for image, row, col, label, _ in answers
    if (true := labels[image][row, col]) != label
  ]
  assert len(answers) == 305
  assert {seconds for *_, seconds in answers} == {1.5}
  assert 305 * 0.1 < len(wrong) < 305 * 0.4
  for true, said in wrong:
    assert said == 1 - true if true in (0, 1) else true != said


def test_again_does_nothing_and_fewer_rounds_are_refused(finished):
  workdir, first = finished
  args = tiny(workdir, *ROUNDS)
  done = succeed(*args)
  assert done.stdout == first.stdout
  assert 'acquire, round 1: done before' in done.stderr
  assert 'adapt, round 2: done before' in done.stderr
  done = launch(*args, '--config.acquire.rounds=1')
  assert_refused(done, 2, 'acquire.rounds was 2, now 1', 'only grow')


def test_more_points_than_there_are_cannot_be_asked(tmp_path):
  done = launch(*tiny(tmp_path, '--config.acquire.budget=2561'))
  assert_refused(done, 2, 'acquire.budget=2561', '2560 points of 4')
