"""The main job with its numbers shrunk, stopped in every way, and again."""

import csv
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import numpy as np
import pytest
from launching import (
  REPOSITORY,
  STREETS,
  TINY,
  assert_refused,
  command,
  launch,
  succeed,
)
from PIL import Image

from pointsup_jax.training import metrics_log


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """The workdir of a whole run, and what the run printed."""
  workdir = tmp_path_factory.mktemp('run') / 'a'
  done = succeed(STREETS, *TINY, f'--workdir={workdir}')
  return workdir, done


def test_the_table_has_the_three_models_and_all_classes(finished):
  _, done = finished
  for word in ('no adaptation', 'UDA', 'points', 'road', 'bicycle', 'mIoU'):
    assert word in done.stdout
  assert len(done.stdout.strip().splitlines()) < 40


def test_the_workdir_is_as_the_contract_says(finished):
  workdir, _ = finished
  config = json.loads((workdir / 'config.json').read_text())
  assert config['config']['acquire.k'] == 10
  assert config['versions']['jax']
  for phase in ('uda', 'uda/source_only', 'adapt'):
    records = metrics_log.read(workdir / phase / 'metrics.jsonl')
    assert [r['step'] for r in records] == [1, 2, 3, 4]
    assert (workdir / phase / 'checkpoints' / '4').is_dir()
  for name in ('source_only', 'uda', 'adapt'):
    path = workdir / 'evaluate' / f'{name}-test.json'
    scores = json.loads(path.read_text())
    assert scores['step'] == 4
    assert scores['images'] == 4
    assert np.shape(scores['confusion']) == (19, 19)
    assert 0 <= scores['miou'] <= 1


def test_every_asked_point_is_in_its_patch_with_the_true_label(finished):
  from pointsup_jax.data.streets import source

  workdir, _ = finished
  scenes = source.Streets('camera', 'train', 4, (96, 192), 0)
  truth = {name: scenes[i].labels for i, name in enumerate(scenes.names)}
  database = sqlite3.connect(workdir / 'acquire' / 'annotations.sqlite')
  rows = database.execute(
    'SELECT image, row, col, patch, pseudo_label, label FROM points'
  ).fetchall()
  assert len(rows) == 4 * 10 * 5
  assert len({(image, row, col) for image, row, col, *_ in rows}) == len(rows)
  for image, row, col, patch, pseudo, label in rows:
    assert patch == (row // 12) * 16 + col // 12
    assert label == truth[image][row, col]
    path = workdir / 'acquire' / 'pseudo_labels' / f'{image}.png'
    assert np.asarray(Image.open(path))[row, col] == pseudo


def test_the_report_tells_of_the_whole_run(finished):
  workdir, done = finished
  folder = workdir / 'report'
  assert str(folder / 'index.html') in done.stderr
  text = (folder / 'index.html').read_text()
  assert 'Not in this report' not in text
  for place in ('evaluated', 'asked', 'curves', 'iou'):
    assert (folder / f'{place}.png').exists()
  for stage in ('uda', 'acquire', 'annotate', 'adapt', 'evaluate'):
    assert f'<tr><td>{stage}</td>' in text
  sessions = [
    json.loads(line)
    for line in (workdir / 'history.jsonl').read_text().splitlines()
  ]
  assert {session['outcome'] for session in sessions} == {'done'}
  for name in ('source_only', 'uda', 'adapt'):
    scores = json.loads(
      (workdir / 'evaluate' / f'{name}-test.json').read_text()
    )
    assert f'{100 * scores["miou"]:.1f}' in text
    assert len(scores['image_miou']) == scores['images'] == 4


def test_every_checkpoint_that_was_kept_is_scored_on_request(finished):
  workdir, first = finished
  args = (STREETS, *TINY, f'--workdir={workdir}', '--stage=evaluate')
  done = succeed(*args, '--config.evaluate.all_kept')
  assert done.stdout.startswith(first.stdout)
  last_word = done.stdout.splitlines()[-1]
  assert last_word == 'best: chosen by the labels that it is scored on'
  scores = {
    (name, step): json.loads(
      (workdir / 'evaluate' / f'{name}-test{at}.json').read_text()
    )
    for name in ('source_only', 'uda', 'adapt')
    for step, at in ((2, '-at-2'), (4, ''))
  }
  assert all(known['step'] == step for (_, step), known in scores.items())
  assert scores['adapt', 2]['confusion'] != scores['adapt', 4]['confusion']
  with (workdir / 'evaluate/steps-test.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert [(row['model'], row['step']) for row in rows] == [
    (name, step) for name in ('no adaptation', 'UDA', 'points') for step in '24'
  ]
  assert float(rows[5]['mIoU']) == pytest.approx(
    100 * scores['adapt', 4]['miou'], abs=1e-3
  )
  done = succeed(STREETS, *TINY, f'--workdir={workdir}', '--stage=report')
  page = (workdir / 'report/index.html').read_text()
  assert 'At the checkpoints that were kept' in page
  assert len(re.findall('>last(, best)?</td>', page)) == 3
  done = launch(*args, '--config.evaluate.all_kept')
  again = launch(*args, '--config.evaluate.all_kept')
  assert again.stdout == done.stdout
  assert 'evaluation of' not in again.stderr


def test_a_model_that_is_trained_anew_is_scored_anew(finished, tmp_path):
  workdir = tmp_path / 'run'
  shutil.copytree(finished[0], workdir)
  old = (workdir / 'evaluate/adapt-test.json').read_text()
  before = (workdir / 'evaluate/uda-test.json').stat().st_mtime_ns
  shutil.rmtree(workdir / 'adapt')
  args = (STREETS, *TINY, f'--workdir={workdir}')
  succeed(*args, '--config.adapt.answer_weight=0.01')
  new = json.loads((workdir / 'evaluate/adapt-test.json').read_text())
  assert new['step'] == json.loads(old)['step']
  assert new['confusion'] != json.loads(old)['confusion']
  assert (workdir / 'evaluate/uda-test.json').stat().st_mtime_ns == before


def test_scores_that_a_power_cut_has_left_are_found_again(finished, tmp_path):
  workdir = tmp_path / 'run'
  shutil.copytree(finished[0], workdir)
  path = workdir / 'evaluate/uda-test.json'
  whole = path.read_text()
  path.write_text('')
  # As a phase that was killed before its first checkpoint leaves it.
  shutil.rmtree(workdir / 'adapt')
  (workdir / 'adapt/checkpoints').mkdir(parents=True)
  args = (STREETS, *TINY, f'--workdir={workdir}')
  done = succeed(*args, '--stage=report')
  assert (
    'Images with points'
    not in ((workdir / 'report/index.html').read_text().split('<section')[0])
  )
  done = succeed(*args, '--stage=evaluate')
  assert path.read_text() == whole
  assert 'points' not in done.stdout


def test_running_again_skips_everything(finished):
  workdir, first = finished
  stamp = (workdir / 'adapt' / 'metrics.jsonl').stat().st_mtime_ns
  done = launch(STREETS, *TINY, f'--workdir={workdir}')
  assert done.returncode == 0
  assert done.stdout == first.stdout
  assert (workdir / 'adapt' / 'metrics.jsonl').stat().st_mtime_ns == stamp


def test_another_config_is_refused_with_the_fields_that_differ(finished):
  workdir, _ = finished
  args = (STREETS, *TINY, f'--workdir={workdir}')
  done = launch(*args, '--config.acquire.k=3', '--config.seed=1')
  assert_refused(done, 2, 'acquire.k was 10, now 3', 'seed was 0, now 1')
  assert launch(*args).returncode == 0


def test_later_unstarted_stages_may_still_change(tmp_path):
  args = (STREETS, *TINY, f'--workdir={tmp_path / "run"}')
  assert launch(*args, '--stage=uda').returncode == 0
  assert launch(*args, '--config.acquire.k=3').returncode == 0
  assert_refused(launch(*args), 2, 'acquire.k was 3, now 10')


def test_overwrite_starts_anew_and_says_so(finished, tmp_path):
  workdir = tmp_path / 'run'
  args = (STREETS, *TINY, f'--workdir={workdir}', '--stage=uda')
  assert launch(*args).returncode == 0
  done = launch(*args, '--config.seed=1', '--overwrite')
  assert done.returncode == 0
  assert 'deletes' in done.stderr
  assert 'config.json' in done.stderr


@pytest.mark.parametrize(
  ('sign', 'number'),
  [
    ('uda/source_only/checkpoints/2', signal.SIGINT),
    ('uda/checkpoints/2', signal.SIGKILL),
    ('acquire/annotations.sqlite', signal.SIGKILL),
    ('adapt/checkpoints/2', signal.SIGINT),
    ('evaluate/source_only-test.json', signal.SIGKILL),
  ],
)
def test_a_stopped_run_ends_as_if_nothing_had_happened(
  finished, tmp_path, sign, number
):
  """`sign` is the file at whose appearance the run is stopped."""
  workdir = tmp_path / 'run'
  args = (STREETS, *TINY, f'--workdir={workdir}')
  process = subprocess.Popen(
    command(*args),
    cwd=REPOSITORY,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  deadline = time.monotonic() + 300
  while not (workdir / sign).exists() and process.poll() is None:
    assert time.monotonic() < deadline
    time.sleep(0.01)
  process.send_signal(number)
  _, stderr = process.communicate(timeout=120)
  assert 'Traceback' not in stderr, stderr
  if number == signal.SIGINT:
    assert process.returncode in (0, 130)
  done = succeed(*args)
  assert done.stdout == finished[1].stdout
  # The last step is bitwise the same, so every step before it was.
  for phase in ('uda', 'uda/source_only', 'adapt'):
    one, two = (
      metrics_log.read(root / phase / 'metrics.jsonl')
      for root in (finished[0], workdir)
    )
    for record in (*one, *two):
      del record['seconds']
    assert one == two
