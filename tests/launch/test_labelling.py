import csv
import http.client
import json
import re
import signal
import urllib.parse

import pytest
from launching import assert_refused, command, launch, start, succeed, tiny
from outcome import query

from pointsup_jax.annotation import store as store_lib

HUMAN = ('--config.annotate.oracle=human', '--config.annotate.port=0')


@pytest.fixture(scope='module')
def asked(tmp_path_factory, stage_1):
  """A workdir after acquisition by --stage=all."""
  workdir = stage_1(tmp_path_factory.mktemp('run') / 'a')
  return workdir, launch(*tiny(workdir, *HUMAN))


def answer_all(workdir, but=0):
  """Labels all points in the store except the last `but`."""
  with store_lib.Store(workdir / 'acquire/annotations.sqlite') as store:
    left = store.unanswered()
    labels = {request.id: 3 for request in left[: len(left) - but]}
    store.answer_many(labels, 'ana')


def exchange(workdir, *args):
  return launch(
    f'--workdir={workdir}', '--format=csv', *args, program='exchange'
  )


def export_answers(workdir, file, count=None):
  """Writes a file that answers the first open points with road; None: all."""
  done = exchange(workdir, f'--export={file}')
  assert done.returncode == 0, done.stderr
  with file.open() as text:
    rows = list(csv.DictReader(text))
  with file.open('w') as text:
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(row | {'label': 'road'} for row in rows[:count])


@pytest.mark.slow
def test_a_run_waits_for_people_and_goes_on_when_they_are_done(asked, tmp_path):
  workdir, first = asked
  assert_refused(first, 3, '200 of 200 labels', '--stage=annotate', 'human')
  args = tiny(workdir, *HUMAN)
  assert_refused(launch(*args), 3, '200 of 200')
  assert_refused(launch(*args, '--stage=adapt'), 3, '200 of 200')

  # The command from the message serves the page.
  process = start(command(*args, '--stage=annotate'))
  link = next(
    found.group()
    for line in process.stderr
    if (found := re.search(r'http://127\.0\.0\.1:\d+/\S+', line))
  )
  parts = urllib.parse.urlsplit(link)
  connection = http.client.HTTPConnection(parts.netloc, timeout=30)
  connection.request('GET', f'/?{parts.query}')
  assert connection.getresponse().status == 200
  connection.close()
  assert_refused(
    launch(*args, '--stage=annotate'), 1, f'{process.pid} on ', 'open its link'
  )
  # While the page runs, others may see the progress but not delete.
  assert_refused(launch(*args), 3, '200 of 200')
  assert_refused(launch(*args, '--overwrite'), 1, f'{process.pid} on ')
  # It takes in what others record.
  file = tmp_path / 'answers.csv'
  export_answers(workdir, file, count=5)
  done = exchange(workdir, f'--import={file}')
  assert '195 of 200 points are still open' in done.stderr
  assert (workdir / 'acquire' / 'annotations.sqlite').exists()
  process.send_signal(signal.SIGTERM)
  _, stderr = process.communicate(timeout=30)
  assert process.returncode == 3
  assert 'waiting for 195 of 200 labels' in stderr

  # The annotator is fixed once people have begun.
  assert_refused(launch(*tiny(workdir)), 2, 'annotate.oracle')

  answer_all(workdir, but=30)
  assert_refused(launch(*args), 3, '30 of 200')
  done = succeed(*args, '--stage=adapt', '--config.adapt.allow_partial')
  assert '30 labels are missing' in done.stderr
  assert not (workdir / 'annotate' / 'DONE').exists()

  answer_all(workdir)
  done = succeed(*args)
  assert 'all points are answered' in done.stderr
  assert 'began with 170 answers; 30 points were answered' in done.stderr
  assert (workdir / 'annotate' / 'DONE').exists()
  answered = 'SELECT count(*), max(label), max(annotator) FROM points'
  assert query(workdir, answered) == [(200, 3, 'csv')]
  config = json.loads((workdir / 'config.json').read_text())['config']
  assert config['annotate.oracle'] == 'human'

  # More points are asked beside the old ones.
  more = (*args, '--config.acquire.k=11')
  done = launch(*more)
  assert_refused(done, 3, '20 of 220 labels')
  assert 'all answers stay' in done.stderr
  assert (workdir / 'earlier/1/adapt/checkpoints').is_dir()
  # The same model asks the same points again.
  done = launch(*more, '--config.adapt.steps=2', '--overwrite')
  assert_refused(done, 3, '20 of 220 labels')
  assert '200 answers of people carried over' in done.stderr
  answer_all(workdir)
  succeed(*more, '--config.adapt.steps=2')
  assert query(workdir, answered) == [(220, 3, 'csv')]


def test_other_machines_are_refused_before_anything_starts(tmp_path):
  args = tiny(tmp_path / 'run', *HUMAN, '--config.annotate.host=0.0.0.0')
  assert_refused(launch(*args), 2, 'ssh -L', 'allow_remote')
