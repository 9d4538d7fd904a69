"""A finished run whose config asks for more."""

import dataclasses

import pytest
import saying

from configs import streets_active
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.run import carrying, config_file, extending, workdir
from pointsup_jax.run import workdir as workdir_lib

CLASSES = classes_lib.CITYSCAPES
STAGES = ('uda', *workdir_lib.REPEATED)


def changed(**fields):
  config = streets_active.get_config()
  config.acquire.update({'k': 4, 'n': 2} | fields)
  return config


@pytest.fixture
def finish(tmp_path):
  """Returns a function that makes a run whose stages are done."""

  def make(rounds=1, stages=STAGES, **fields):
    folder = workdir.Workdir(tmp_path / 'run', rounds)
    config_file.claim(folder, changed(rounds=rounds, **fields), CLASSES)
    for round in range(1, rounds + 1):
      at = folder.at(round)
      for stage in stages:
        at.mark_done(stage)
      if 'adapt' in stages:
        (at.adapt.root / 'checkpoints').mkdir()
        (at.adapt.root / 'checkpoints' / str(round)).touch()
    return folder.at(rounds)

  return make


def grow(folder, **fields):
  config = changed(**fields)
  rounds = config.acquire.rounds
  now = dataclasses.replace(folder, rounds=rounds, round=rounds)
  extending.open_again(now, config, CLASSES)
  config_file.claim(now, config, CLASSES)
  return now


def is_done(folder, *stages):
  return [folder.done(stage).exists() for stage in stages]


@pytest.mark.parametrize(
  ('before', 'after'),
  [({}, {'k': 5}), ({}, {'n': 3}), ({'budget': 20}, {'budget': 30})],
)
def test_more_points_open_stages_2_and_3_again(finish, before, after, capsys):
  folder = finish(**before)
  now = grow(folder, **before | after)
  assert is_done(now, *STAGES) == [True, False, False, False]
  assert not now.begun('adapt')
  # The model stays, with the config that it was trained with.
  kept = workdir.Workdir(folder.earlier / '1')
  assert (kept.adapt.root / 'checkpoints/1').exists()
  assert config_file.reopen(kept).config.acquire.k == 4
  assert not carrying.earlier(folder)  # no answers
  said = capsys.readouterr().err
  assert 'now ' in said
  assert 'all answers stay' in said
  assert str(kept) in said
  grow(now, **before | after)
  assert 'now ' not in capsys.readouterr().err


@pytest.mark.parametrize('rounds', [1, 2])
def test_a_round_more_leaves_the_earlier_ones_as_they_are(finish, rounds):
  folder = finish(rounds, k=4)
  now = grow(folder, k=8, rounds=rounds + 1)
  for round in range(1, rounds + 1):
    at = now.at(round)
    assert is_done(at, *STAGES) == [True] * 4
    assert (at.adapt.root / f'checkpoints/{round}').exists()
  assert is_done(now, *STAGES) == [True, False, False, False]
  assert now.current().round == rounds + 1


def test_a_run_that_has_not_asked_everything_just_goes_on(finish):
  folder = finish(stages=('uda',))
  folder.annotations.parent.mkdir()
  folder.annotations.touch()
  now = grow(folder, k=5)
  assert is_done(now, *STAGES) == [True, False, False, False]
  assert not folder.earlier.exists()


def test_an_unfinished_stage_3_is_not_extended(finish):
  folder = finish()
  folder.done('adapt').unlink()
  said = saying.usage(lambda: grow(folder, k=5))
  assert 'finish it' in said
  assert f'delete {folder.root / "adapt"}' in said
  assert is_done(folder, 'acquire') == [True]


def test_a_round_that_would_ask_nothing_is_refused(finish):
  said = saying.usage(lambda: grow(finish(), rounds=2))
  assert 'raise acquire.k' in said


@pytest.mark.parametrize(
  ('fields', 'says'),
  [
    ({'k': 3}, 'may only grow'),
    ({'k': 5, 'n': 1}, 'may only grow'),
    ({'budget': 100}, 'may only grow'),
    ({'k': 5, 'score': 'margin'}, 'acquire.score'),
  ],
)
def test_other_changes_are_refused_and_nothing_is_opened(finish, fields, says):
  folder = finish()
  assert says in saying.usage(lambda: grow(folder, **fields))
  assert is_done(folder, *STAGES) == [True] * 4


@pytest.mark.parametrize('fields', [{'k': 8}, {'k': 8, 'rounds': 2}])
def test_killed_at_any_moment_it_is_opened_again(finish, fields, monkeypatch):
  folder = finish()
  real = extending.os.replace

  def dying(left):
    def call(*paths):
      if next(left, None) is None:
        raise KeyboardInterrupt
      real(*paths)

    return call

  for last in range(10):
    with monkeypatch.context() as patch:
      patch.setattr(extending.os, 'replace', dying(iter(range(last))))
      try:
        now = grow(folder, **fields)
        break
      except KeyboardInterrupt:
        pass
  assert last
  assert is_done(now, *STAGES) == [True, False, False, False]
  assert len(list(folder.root.rglob('checkpoints/1'))) == 1
