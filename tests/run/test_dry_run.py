import sqlite3

import numpy as np
import people
import pytest
import saying
import scored

from configs import gta_active, streets_active
from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.hosts import json_files
from pointsup_jax.run import (
  config_file,
  dry_run,
  scores_on_disk,
  trained_models,
  workdir,
)
from pointsup_jax.run import context as run_lib

SIZE = (96, 192)
STAGES = ('uda', 'acquire', 'annotate', 'adapt', 'evaluate')


def run_of(config, root):
  folder = workdir.Workdir(root / 'run')
  return run_lib.Run(config, folder, classes_lib.CITYSCAPES)


@pytest.fixture
def run(tmp_path):
  config = streets_active.get_config()
  config.annotate.oracle = 'human'
  return run_of(config, tmp_path)


@pytest.fixture
def several():
  config = streets_active.get_config()
  config.acquire.k, config.acquire.n = 10, 5
  return config


def reach(phase: workdir.Phase, step: int):
  (phase.checkpoints / str(step)).mkdir(parents=True)
  (phase.checkpoints / f'{step + 9}.orbax-checkpoint-tmp').mkdir()


def acquired(run, images=40, points=5, finished=True):
  """A workdir after stage 1, with `points` asked in each of `images`."""
  config_file.claim(run.workdir, run.config, run.classes)
  reach(run.workdir.source_only, 600)
  reach(run.workdir.uda, 500)
  run.workdir.mark_done('uda')
  run.workdir.annotations.parent.mkdir()
  with store_lib.Store(run.workdir.annotations) as store:
    people.fill(store, SIZE, [f'{i:03}' for i in range(images)], points)
  # Opening the store as the stages do would now change a byte of it.
  other = sqlite3.connect(run.workdir.annotations)
  other.execute('PRAGMA journal_mode = DELETE')
  other.close()
  if finished:
    run.workdir.mark_done('acquire')


def show(run, stages=STAGES):
  dry_run.show(run, [(stage, run.workdir) for stage in stages])


def said(run, capsys, stages=STAGES):
  """The lines of the plan; checks that it touches no file."""

  def state():
    return {
      path: path.stat().st_mtime_ns if path.is_file() else None
      for path in run.workdir.root.rglob('*')
    }

  before = state()
  show(run, stages)
  assert state() == before
  return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
  ('strategy', 'points'),
  [
    ('active', 7 * 10 * 5),
    ('random', 7 * 10 * 5),
    ('self_training', 0),
    ('full', 7 * 128 * 5),
  ],
)
def test_the_points_wanted_are_those_that_selection_gives(
  several, strategy, points
):
  several.acquire.strategy = strategy
  assert dry_run.points_wanted(several, 7) == points
  several.acquire.place = 'pixels'
  if strategy != 'full':
    assert dry_run.points_wanted(several, 7) == points // 5


@pytest.mark.parametrize(
  ('budget', 'shares'),
  [
    (0, [7 * 3 * 5, 7 * 3 * 5, 7 * 4 * 5]),
    (104, [30, 35, 35]),  # 20 patches, and 4 points left over
  ],
)
def test_a_budget_is_divided_among_the_rounds(several, budget, shares):
  several.acquire.update(rounds=3, budget=budget)
  assert [dry_run.points_wanted(several, 7, r) for r in (1, 2, 3)] == shares


def test_random_changes_of_images_are_said(run, capsys):
  run.config.data.target.update(mirror=0.5, crop=(64, 128))
  source, target, *_ = said(run, capsys)[1:]
  assert source.endswith('seen at 96x192')
  assert target.endswith('seen at 96x192, random mirror=0.5, crop=(64, 128)')


def test_every_round_is_planned(run, capsys):
  run.config.acquire.rounds = 2
  last = workdir.Workdir(run.workdir.root, rounds=2, round=2)
  rounds = [(s, last.at(r)) for r in (1, 2) for s in STAGES[1:4]]
  dry_run.show(run, [('uda', last.at(1)), *rounds, ('evaluate', last)])
  lines = capsys.readouterr().out.splitlines()
  for round in (1, 2):
    assert f'acquire, round {round}: to do, reads target' in lines
  assert lines.count('  200 images, 5,000 points') == 2
  assert '  adapt_round_1: to do' in lines


def test_the_papers_budget_is_83_hours(run, capsys):
  run.config.data.target.length = 2975
  lines = said(run, capsys)
  assert '  2,975 images, 148,750 points' in lines
  hours = '  about 83 h at 2.0 s an answer (assumed until 20 were timed)'
  assert hours in lines
  assert not run.workdir.root.exists()


def test_kept_checkpoints_are_to_be_scored_on_request(run, capsys):
  acquired(run)
  reach(run.workdir.uda, 400)
  assert not any('at step 400' in line for line in said(run, capsys))
  run.config.evaluate.all_kept = True
  assert '  uda at step 400: to do' in said(run, capsys)
  path = run.workdir.evaluation('uda', 'test', 400)
  subsets = dict.fromkeys(run.classes.subsets)
  known = scored.scores(
    np.eye(run.classes.num_classes, dtype=int),
    image_miou={},
    miou_subsets=subsets,
  )
  _, uda, _ = trained_models.all_of(run.workdir)
  json_files.write(path, known | scores_on_disk.about(run, uda, 400, ''))
  assert '  uda at step 400: scored before' in said(run, capsys)
  assert '  uda: to do' in said(run, capsys)


def test_before_anything_all_is_to_do(run, capsys):
  lines = said(run, capsys)
  assert 'source: streets_game train: 400 images, seen at 96x192' in lines
  assert 'evaluation: streets_camera test: 200 images, seen at 96x192' in lines
  assert [line for line in lines if line.startswith(STAGES)][:2] == [
    'uda: to do, reads source and target',
    'acquire: to do, reads target',
  ]
  assert '  source only: 600 steps, to do' in lines
  assert '  200 images, 10,000 points' in lines


def test_points_asked_twice_count_twice_before_they_are_asked(run, capsys):
  run.config.annotate.overlap = 0.5
  lines = said(run, capsys)
  assert '  two people are asked about 0.5 of them' in lines
  assert '8 h 20 min' in '\n'.join(lines)  # 15,000 * 2 s


def test_without_points_nobody_is_asked(run, capsys):
  run.config.acquire.strategy = 'self_training'
  text = '\n'.join(said(run, capsys))
  assert '200 images, 0 points' in text
  assert 'an answer' not in text


def test_a_stopped_phase_goes_on_at_its_last_finished_checkpoint(run, capsys):
  config_file.claim(run.workdir, run.config, run.classes)
  reach(run.workdir.source_only, 600)
  reach(run.workdir.uda, 200)
  lines = said(run, capsys)
  assert 'uda: goes on, reads source and target' in lines
  assert '  source only: 600 steps, done' in lines
  assert '  advent: 500 steps, goes on at step 200' in lines


def test_stopped_acquisition_goes_on_after_the_images_it_has(run, capsys):
  acquired(run, images=30, finished=False)
  lines = said(run, capsys)
  assert 'uda: done' in lines
  assert '  goes on after 30 of 200 images' in lines
  assert '  200 images, 10,000 points' in lines


def test_after_acquisition_the_store_says_what_smaller_budgets_keep(
  run, capsys
):
  acquired(run)
  with store_lib.Store(run.workdir.annotations) as store:
    for request in store.ordered()[:30]:
      store.answer(request.id, 1, 'ana', 5.0, records.How(3.6, 'blind'))
  lines = said(run, capsys)
  assert '  200 points; 30 of 200 answered' in lines
  assert '  about 10 min at 3.6 s an answer (the median of 30 answers)' in lines
  table = lines[lines.index('adapt: to do, reads source and target') - 5 :][:5]
  assert [' '.join(line.split()) for line in table] == [
    '10% 20 4 20 10% done',
    '25% 50 10 50 25% 1 min <- you are here',
    '50% 100 20 100 50% 4 min',
    '75% 150 30 150 75% 7 min',
    '100% 200 40 200 100% 10 min',
  ]


def test_the_simulated_annotator_answers_once_whatever_the_overlap(run, capsys):
  run.config.annotate.update(oracle='ground_truth', overlap=1.0)
  acquired(run)
  text = '\n'.join(said(run, capsys))
  assert '200 points; 0 of 200 answered' in text
  assert 'from the label files; people would take 7 min' in text


def test_only_the_data_of_what_is_left_are_read(run, capsys):
  acquired(run)
  lines = said(run, capsys, ('annotate',))
  assert [line.split(':')[0] for line in lines[1:3]] == ['target', 'annotate']
  run.workdir.mark_done('annotate')
  assert said(run, capsys, ('annotate',))[1] == 'annotate: done'


def test_another_config_is_refused_as_a_run_would(run):
  acquired(run)
  run.config.acquire.k = 3
  assert 'acquire.k was 50, now 3' in saying.message(lambda: show(run))


def test_a_stage_whose_forerunner_is_missing_is_refused(run):
  for stage, before in (('acquire', 'uda'), ('adapt', 'acquire')):
    text = saying.message(lambda stage=stage: show(run, (stage,)))
    assert f'the stage {before}' in text


def test_missing_data_are_named_as_a_run_would(tmp_path):
  config = gta_active.get_config('active')
  config.data.root = str(tmp_path)
  text = saying.message(lambda: show(run_of(config, tmp_path)))
  assert str(tmp_path / 'GTA5/images') in text
