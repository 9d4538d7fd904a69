"""A run whose user has no labelled image of the target."""

import json
import pathlib

import pytest
from launching import STREETS, launch, succeed, tiny

from pointsup_jax.prediction import loaded_model, standalone

pytestmark = pytest.mark.slow

OFF = '--config.data.evaluation.dataset='
HOLDOUT = '--config.adapt.holdout=0.2'


@pytest.fixture(scope='module')
def finished(tmp_path_factory, stage_1) -> tuple[pathlib.Path, str, str]:
  """The workdir, stdout and stderr of a run from stage 2 on."""
  workdir = stage_1(tmp_path_factory.mktemp('run') / 'a')
  done = succeed(*tiny(workdir, OFF, HOLDOUT))
  return workdir, done.stdout, done.stderr


def test_its_models_are_scored_on_the_answers_held_back(finished):
  workdir, out, err = finished
  assert [line.split()[0] for line in out.splitlines()[2:5]] == [
    'no', 'UDA', 'points',
  ]  # fmt: skip
  assert 'adapt.holdout: 40 of 200 answers are held back' in err
  assert 'nothing will be scored' not in err
  found = [
    json.loads((workdir / f'evaluate/held_back/{model}.json').read_text())
    for model in ('source_only', 'uda', 'adapt')
  ]
  assert [known['images'] for known in found] == [4, 4, 4]
  assert found[0]['points'] == found[1]['points'] == found[2]['points']
  assert len(list((workdir / 'evaluate').iterdir())) == 1
  page = (workdir / 'report/index.html').read_text()
  assert 'Not in this report' not in page
  assert 'Scores on held-back points' in page


def test_its_model_is_used_at_the_size_of_the_target(finished):
  model = loaded_model.load(finished[0])
  assert model.size == (96, 192)
  (score,) = standalone.scores(model)
  assert 0 <= score['accuracy'] <= 1
  assert 0 < score['held_back_points'] <= 40
  assert score['split'] == 'train'


def test_the_check_reads_what_there_is(tmp_path):
  done = launch(
    STREETS, *tiny(tmp_path)[1:-1], OFF, f'--sheet={tmp_path / "sheet.png"}',
    program='check',
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  assert 'note: nothing will be scored' in done.stdout
  assert 'target: 4 examples' in done.stdout
  assert 'evaluation: ' not in done.stdout
