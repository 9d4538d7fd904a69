import csv
import json
import re
import shutil
import signal
import time

import numpy as np
import pytest
from launching import assert_refused, command, launch, start, succeed, tiny
from outcome import pixels, query, scores, truth

from pointsup_jax.training import metrics_log


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """The workdir and the output of a whole run."""
  workdir = tmp_path_factory.mktemp('run') / 'a'
  return workdir, succeed(*tiny(workdir))


@pytest.fixture
def workdir(finished, tmp_path):
  return shutil.copytree(finished[0], tmp_path / 'run')


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
    assert all(
      ('lr_opponent' in r) == (phase != 'uda/source_only') for r in records
    )
    assert records[3]['lr'] < records[0]['lr']
    assert (workdir / phase / 'checkpoints' / '4').is_dir()
  for name in ('source_only', 'uda', 'adapt'):
    found = scores(workdir, f'{name}-test')
    assert found['step'] == found['images'] == 4
    assert np.shape(found['confusion']) == (19, 19)
    assert 0 <= found['miou'] <= 1


def test_every_asked_point_is_in_its_patch_with_the_true_label(finished):
  workdir, _ = finished
  labels = truth()
  rows = query(
    workdir, 'SELECT image, row, col, patch, pseudo_label, label FROM points'
  )
  assert len(rows) == 4 * 10 * 5
  assert len({(image, row, col) for image, row, col, *_ in rows}) == len(rows)
  for image, row, col, patch, pseudo, label in rows:
    assert patch == (row // 12) * 16 + col // 12
    assert label == labels[image][row, col]
    guesses = pixels(workdir / f'acquire/pseudo_labels/{image}.png')
    assert guesses[row, col] == pseudo


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
    found = scores(workdir, f'{name}-test')
    assert f'{100 * found["miou"]:.1f}' in text
    assert len(found['image_miou']) == found['images'] == 4


@pytest.mark.slow
def test_every_checkpoint_that_was_kept_is_scored_on_request(finished):
  workdir, first = finished
  args = tiny(workdir, '--stage=evaluate', '--config.evaluate.all_kept')
  done = succeed(*args)
  assert done.stdout.startswith(first.stdout)
  last_word = done.stdout.splitlines()[-1]
  assert last_word == 'best: chosen by the labels that it is scored on'
  found = {
    (name, step): scores(workdir, f'{name}-test{at}')
    for name in ('source_only', 'uda', 'adapt')
    for step, at in ((2, '-at-2'), (4, ''))
  }
  assert all(known['step'] == step for (_, step), known in found.items())
  assert found['adapt', 2]['confusion'] != found['adapt', 4]['confusion']
  with (workdir / 'evaluate/steps-test.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert [(row['model'], row['step']) for row in rows] == [
    (name, step) for name in ('no adaptation', 'UDA', 'points') for step in '24'
  ]
  assert float(rows[5]['mIoU']) == pytest.approx(
    100 * found['adapt', 4]['miou'], abs=1e-3
  )
  succeed(*tiny(workdir, '--stage=report'))
  page = (workdir / 'report/index.html').read_text()
  assert 'At the checkpoints that were kept' in page
  assert len(re.findall('>last(, best)?</td>', page)) == 3
  done, again = launch(*args), launch(*args)
  assert again.stdout == done.stdout
  assert 'evaluation of' not in again.stderr


@pytest.mark.slow
def test_a_model_that_is_trained_anew_is_scored_anew(workdir):
  old = scores(workdir, 'adapt-test')
  before = (workdir / 'evaluate/uda-test.json').stat().st_mtime_ns
  shutil.rmtree(workdir / 'adapt')
  succeed(*tiny(workdir, '--config.adapt.answer_weight=0.01'))
  new = scores(workdir, 'adapt-test')
  assert new['step'] == old['step']
  assert new['confusion'] != old['confusion']
  assert (workdir / 'evaluate/uda-test.json').stat().st_mtime_ns == before


@pytest.mark.slow
def test_scores_that_a_power_cut_has_left_are_found_again(workdir):
  path = workdir / 'evaluate/uda-test.json'
  whole = path.read_text()
  path.write_text('')
  # Like a phase killed before its first checkpoint.
  shutil.rmtree(workdir / 'adapt')
  (workdir / 'adapt/checkpoints').mkdir(parents=True)
  succeed(*tiny(workdir, '--stage=report'))
  page = (workdir / 'report/index.html').read_text()
  assert 'Images with points' not in page.split('<section')[0]
  done = succeed(*tiny(workdir, '--stage=evaluate'))
  assert path.read_text() == whole
  assert 'points' not in done.stdout


def test_running_again_skips_everything(finished):
  workdir, first = finished
  metrics = workdir / 'adapt/metrics.jsonl'
  stamp = metrics.stat().st_mtime_ns
  assert succeed(*tiny(workdir)).stdout == first.stdout
  assert metrics.stat().st_mtime_ns == stamp


@pytest.mark.slow
def test_another_config_is_refused_with_the_fields_that_differ(finished):
  args = tiny(finished[0])
  done = launch(*args, '--config.acquire.k=3', '--config.seed=1')
  assert_refused(done, 2, 'acquire.k was 10, now 3', 'seed was 0, now 1')
  succeed(*args)


@pytest.mark.slow
def test_later_unstarted_stages_may_still_change(stage_1, tmp_path):
  args = tiny(stage_1(tmp_path / 'run'))
  succeed(*args, '--config.acquire.k=11')
  assert_refused(launch(*args), 2, 'acquire.k was 11, now 10', 'only grow')


@pytest.mark.slow
def test_overwrite_starts_anew_and_says_so(stage_1, tmp_path):
  args = tiny(stage_1(tmp_path / 'run'), '--stage=uda')
  short = ('--config.uda.source_only_steps=0', '--config.uda.steps=1')
  done = succeed(*args, *short, '--overwrite')
  assert 'deletes' in done.stderr
  assert 'config.json' in done.stderr


@pytest.mark.parametrize(
  'sign', ['uda/source_only/checkpoints/2', 'adapt/checkpoints/2']
)
@pytest.mark.slow
def test_a_stopped_run_ends_as_if_nothing_had_happened(
  finished, tmp_path, sign
):
  """Ctrl-C when the file `sign` appears; tests/faults/test_kill.py kills."""
  workdir = tmp_path / 'run'
  process = start(command(*tiny(workdir)))
  deadline = time.monotonic() + 300
  while not (workdir / sign).exists() and process.poll() is None:
    assert time.monotonic() < deadline
    time.sleep(0.01)
  process.send_signal(signal.SIGINT)
  _, stderr = process.communicate(timeout=120)
  assert 'Traceback' not in stderr, stderr
  assert process.returncode in (0, 130)
  assert succeed(*tiny(workdir)).stdout == finished[1].stdout
  # The last step is bitwise equal, so all steps were.
  for phase in ('uda', 'uda/source_only', 'adapt'):
    one, two = (
      metrics_log.read(root / phase / 'metrics.jsonl')
      for root in (finished[0], workdir)
    )
    for record in (*one, *two):
      del record['seconds']
    assert one == two
