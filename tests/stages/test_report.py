"""The report of complete and partial workdirs, and of hostile names."""

import csv
import json
import shutil
import subprocess
import sys
from unittest import mock

import browsers
import launching
import numpy as np
import pytest
import saying
import scored
from PIL import Image

from configs import camvid_dusk
from pointsup_jax import errors
from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.evaluation import confusion
from pointsup_jax.hosts import json_files
from pointsup_jax.report import gather, predictions
from pointsup_jax.run import (
  answers_used,
  config_file,
  context,
  recorded_data,
  workdir,
)
from pointsup_jax.stages import report

CLASSES = ('<script>alert(1)</script>', '$\\frac{&amp;', "a'b", 'Straße 道')
IMAGE = '"><img src=x onerror=alert(2)>'
NAMES = [f'{IMAGE}{i}' for i in range(4)]
SIZE = (32, 64)
DOMAINS = ('source', 'target', 'evaluation')
PHONE = {'width': 390, 'height': 844, 'deviceScaleFactor': 1, 'mobile': False}


@pytest.fixture
def data(tmp_path):
  """Four images of four classes, with hostile names."""
  root = tmp_path / 'data'
  rng = np.random.default_rng(0)
  for folder in ('images', 'labels', 'splits'):
    (root / folder).mkdir(parents=True)
  for name in NAMES:
    image = rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    Image.fromarray(image).save(root / f'images/{name}.png')
    labels = rng.integers(0, 3, SIZE).astype(np.uint8)
    Image.fromarray(labels).save(root / f'labels/{name}.png')
  for split in ('day_train', 'dusk_train', 'dusk_test'):
    (root / f'splits/{split}.txt').write_text('\n'.join(NAMES))
  (root / 'classes.json').write_text(json.dumps({'classes': CLASSES}))
  return root


def open_run(tmp_path, data, asked='report', **fields):
  config = camvid_dusk.get_config()
  config.data.root = str(data)
  for domain in DOMAINS:
    config.data[domain].update(size=SIZE, crop=(), scale=(1.0, 1.0))
  config.acquire.update(grid=(2, 4), k=2)
  config.update_from_flattened_dict(fields)
  folder = workdir.Workdir(tmp_path / 'a & <b>', rounds=config.acquire.rounds)
  opened = context.open_run(config, folder, asked=asked)
  config_file.claim(opened.workdir, config, opened.classes)
  return opened


def log(phase, *names):
  phase.metrics.parent.mkdir(parents=True, exist_ok=True)
  losses = dict.fromkeys(names, 0.5)
  lines = [{'step': step, 'seconds': step} | losses for step in (1, 2)]
  json_files.write_lines(phase.metrics, lines)


def score(opened, model, scale=1):
  """Writes the scores of a model; the truth has no pixel of the last class."""
  matrix = [[9, 1, 0, 0], [2, 7 * scale, 0, 1], [0, 3, 5, 0], [0, 0, 0, 0]]
  of_images = {name: 0.1 * i for i, name in enumerate(NAMES)}
  counts = confusion.counts(matrix).tolist()
  json_files.write(
    opened.workdir.evaluation(model, 'dusk_test'),
    scored.scores(
      matrix,
      image_miou=of_images,
      image_counts=dict.fromkeys(NAMES, counts),
    ),
  )


def ask(opened, answers=('label', 'unsure'), points=1):
  """Records `points` in each image and answers some."""
  path = opened.workdir.annotations
  path.parent.mkdir(parents=True, exist_ok=True)
  with store_lib.Store(path) as store:
    for i, name in enumerate(NAMES):
      point = records.Request(
        records.request_id(name, i, i), name, i, i, 0, 0.5, 1, 1, 2
      )
      store.add_image(name, SIZE, 0.1 * i, [point] * points)
      if not points:
        continue
      if i < len(answers) and answers[i] == 'label':
        store.answer(point.id, 0, '<b>ana</b>', 2.0, records.How(1.5))
      elif i < len(answers):
        store.mark(point.id, answers[i], '<b>ana</b>', 3.0)


def whole(opened):
  for phase in ('source_only', 'uda', 'adapt'):
    log(getattr(opened.workdir, phase), 'source_main', 'fool_main')
  for scale, model in enumerate(('source_only', 'uda', 'adapt'), start=1):
    score(opened, model, scale)
  ask(opened)


def made(opened):
  report.make(opened)
  return (opened.workdir.report / 'index.html').read_text()


def test_a_browser_shows_it_from_disk_and_names_stay_text(tmp_path, data):
  opened = open_run(tmp_path, data, **{'annotate.oracle': 'human'})
  whole(opened)
  report.make(opened)
  browser = browsers.open_offline(tmp_path)
  try:
    browser.get((opened.workdir.report / 'index.html').as_uri())
    console = browser.get_log('browser')
    shown = browser.execute_script("""
      const all = (what) => [...document.querySelectorAll(what)];
      return {
        title: document.querySelector('h1').textContent,
        headings: all('h2').map((x) => x.textContent),
        images: all('img').map((x) => [x.alt, x.complete, x.naturalWidth]),
        outside: all('[src], [href]')
          .map((x) => x.src || x.href).filter((x) => !x.startsWith('data:')),
        loaded: performance.getEntriesByType('resource')
          .map((x) => x.name).filter((x) => !x.startsWith('data:')),
        active: all('script, iframe, [onerror]').length,
        rows: all('#scores table tr').map((x) =>
          [...x.children].map((cell) => cell.textContent.trim())),
        wide: document.documentElement.scrollWidth,
        appendix: document.querySelector('#details').offsetTop,
        body: document.body.textContent,
      };
    """)
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', PHONE)
    phone = browser.execute_script(
      'return document.documentElement.scrollWidth'
    )
  finally:
    browser.quit()
  assert console == []
  assert phone <= PHONE['width']
  assert shown['appendix'] < 4000
  assert shown['title'] == 'a & <b>'
  assert shown['headings'] == [
    'Scores',
    'What the clicks bought',
    'Annotation and its cost',
    'Appendix: scores and points in detail',
    'Appendix: training',
    'Appendix: the run',
  ]
  assert len(shown['images']) == 7
  for alt, complete, width in shown['images']:
    assert alt
    assert complete
    assert width > 500
  assert shown['outside'] == shown['loaded'] == []
  assert shown['active'] == 0
  assert shown['wide'] <= 1280
  assert 'The answers raised mIoU by' in shown['body']
  assert [row[0] for row in shown['rows'][1:-1]] == list(CLASSES)
  known = json_files.read(opened.workdir.evaluation('adapt', 'dusk_test'))
  assert shown['rows'][-1][0] == 'mIoU'
  assert shown['rows'][-1][-2] == f'{100 * known["miou"]:.1f}'
  assert shown['rows'][-2][1:] == ['–'] * 5  # absent from the labels
  assert f'{CLASSES[3]}: predicted all the same' in shown['body']
  assert '<b>ana</b>' in shown['body']


def test_the_files_beside_it_are_there_and_it_fits_a_mail(tmp_path, data):
  opened = open_run(tmp_path, data)
  whole(opened)
  report.make(opened)
  folder = opened.workdir.report
  pictures = {path.name: path.read_bytes() for path in folder.glob('*.png')}
  names = 'asked clicks_by_class clicks_by_patch confusion curves evaluated iou'
  assert sorted(pictures) == [f'{name}.png' for name in names.split()]
  for name in pictures:
    with Image.open(folder / name) as image:
      image.verify()
  assert {path.name for path in folder.iterdir()} - pictures.keys() == {
    'index.html', 'iou.csv', 'iou.tex', 'confusion.csv', 'clicks.csv',
    'tensorboard',
  }  # fmt: skip
  assert (folder / 'index.html').stat().st_size < 5e6
  report.make(opened)  # equal but for the time
  assert pictures == {name: (folder / name).read_bytes() for name in pictures}


def test_tensorboard_reads_the_scores_the_figures_and_the_config(
  tmp_path, data
):
  accumulator = pytest.importorskip(
    'tensorboard.backend.event_processing.event_accumulator'
  )
  opened = open_run(tmp_path, data)
  whole(opened)
  report.make(opened)
  found = accumulator.EventAccumulator(
    str(opened.workdir.report / 'tensorboard')
  ).Reload()
  known = json_files.read(opened.workdir.evaluation('adapt', 'dusk_test'))
  (point,) = found.Scalars('mIoU/points')
  assert point.step == 2
  assert point.value == pytest.approx(100 * known['miou'])
  (figure,) = found.Images('confusion')
  png = (opened.workdir.report / 'confusion.png').read_bytes()
  assert figure.encoded_image_string == png
  (config,) = found.Tensors('config/text_summary')
  assert b'| `acquire.k` | `2` |' in config.tensor_proto.string_val[0]


def test_of_stage_1_alone(tmp_path, data):
  opened = open_run(tmp_path, data)
  log(opened.workdir.uda, 'source_main', 'entropy_main')
  text = made(opened)
  assert 'nothing has been evaluated' in text
  assert 'no points have been asked' in text
  assert 'id="curves"' in text
  assert 'id="scores"' not in text
  assert 'id="clicks"' not in text
  assert not opened.workdir.annotations.exists()


def test_self_training_asked_nobody(tmp_path, data):
  opened = open_run(tmp_path, data)
  score(opened, 'uda')
  ask(opened, points=0)
  opened.workdir.mark_done('acquire')
  text = made(opened)
  assert 'stage 2 asked for no points' in text
  assert "only 'UDA' was evaluated" in text.replace('&#39;', "'")
  assert not (opened.workdir.report / 'asked.png').exists()


@pytest.mark.parametrize(
  ('answers', 'missing', 'words'),
  [
    ((), 'nothing', 'No point has been labelled'),
    (('label', 'unsure'), 'labels', 'they have no label files'),
  ],
)
def test_without_answers_or_truth_it_shows_what_was_asked(
  tmp_path, data, answers, missing, words
):
  opened = open_run(tmp_path, data, **{'annotate.oracle': 'human'})
  ask(opened, answers)
  shutil.rmtree(data / missing, ignore_errors=True)
  assert words in made(opened)
  assert (opened.workdir.report / 'asked.png').exists()


def test_pictures_of_data_that_changed_are_left_out(tmp_path, data, capsys):
  opened = open_run(tmp_path, data)
  whole(opened)
  (opened.workdir.uda.checkpoints / '2').mkdir(parents=True)
  recorded_data.check(opened, 'acquire')
  recorded_data.check_evaluation(opened)
  blank = Image.new('RGB', SIZE[::-1])
  blank.save(data / f'images/{NAMES[2]}.png')
  text = made(opened)
  assert 'Evaluated images: the evaluation data have changed' in text
  assert 'Images with points: the target data have changed' in text
  assert 'id="scores"' in text
  said = capsys.readouterr().err.splitlines()
  assert len([line for line in said if '1 image changed' in line]) == 2


def test_where_the_images_are_gone_the_rest_is_told(tmp_path, data):
  opened = open_run(tmp_path, data)
  whole(opened)
  shutil.rmtree(data / 'images')
  text = made(opened)
  assert 'Evaluated images: ' in text
  assert 'Images with points: ' in text
  assert 'id="clicks"' in text


def test_rounds_stand_beside_each_other_in_their_order(tmp_path, data):
  opened = open_run(tmp_path, data, **{'acquire.rounds': 3})
  whole(opened)
  for number in (2, 1):
    score(opened, f'adapt_round_{number}')
  report.make(opened)
  with (opened.workdir.report / 'iou.csv').open() as file:
    _, *names = [row[0] for row in csv.reader(file)]
  assert names == ['no adaptation', 'UDA', 'round 1', 'round 2', 'points']


def test_scores_of_an_earlier_step_are_left_out_and_named(tmp_path, data):
  opened = open_run(tmp_path, data)
  for model in ('source_only', 'uda', 'adapt'):
    score(opened, model)  # at step 2
  (opened.workdir.uda.checkpoints / '3').mkdir(parents=True)
  (opened.workdir.source_only.checkpoints / '2').mkdir(parents=True)
  found = gather.gather(opened)
  assert [x.column for x in found.scores] == ['no adaptation', 'points']
  assert any("'UDA'" in line and 'step 2' in line for line in found.missing)


def test_an_empty_workdir_is_refused(tmp_path, data):
  opened = open_run(tmp_path, data)
  with pytest.raises(errors.UsageError, match='--stage=all'):
    report.make(opened)
  assert not opened.workdir.report.exists()


@pytest.mark.parametrize('library', ['matplotlib', 'jinja2'])
def test_a_missing_library_is_named(tmp_path, data, library):
  opened = open_run(tmp_path, data)
  whole(opened)
  arguments = [
    'main.py',
    '--config=configs/camvid_dusk.py',
    f'--workdir={opened.workdir.root}',
    '--stage=report',
    f'--config.data.root={data}',
    *(f'--config.data.{domain}.size={SIZE}' for domain in DOMAINS),
    *(f'--config.data.{domain}.crop=()' for domain in DOMAINS),
    *(f'--config.data.{domain}.scale=(1.0, 1.0)' for domain in DOMAINS),
    '--config.acquire.grid=(2, 4)',
    '--config.acquire.k=2',
  ]
  program = (
    f'import runpy, sys; sys.modules[{library!r}] = None; '
    f'sys.argv = {arguments}; '
    "runpy.run_module('launch.main', run_name='__main__', alter_sys=True)"
  )
  words = [sys.executable, '-c', program]
  done = subprocess.run(
    words, cwd=launching.REPOSITORY, capture_output=True, text=True, timeout=120
  )
  launching.assert_refused(done, 1, library, 'pip install')
  assert not opened.workdir.report.exists()


@pytest.mark.parametrize(
  ('error', 'traced'),
  [
    (errors.UserError('no matplotlib'), False), (OSError('disk full'), True),
    (KeyError('confusion'), True), (RecursionError('too deep'), True),
  ],
)  # fmt: skip
def test_a_run_that_ends_well_is_not_failed_by_its_report(
  tmp_path, data, capsys, error, traced
):
  with mock.patch.object(report, 'write', side_effect=error):
    opened = open_run(tmp_path, data, asked='all')
    report.make(opened)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('note: no report: ')
    assert '--stage=report makes it anew' in line
    assert opened.workdir.tracebacks.exists() == traced
    again = open_run(tmp_path, data)
    assert str(error) in saying.message(lambda: report.make(again))


def test_a_failure_that_leaves_others_waiting_is_passed_on(tmp_path, data):
  alone = mock.patch.object(
    report, 'write', side_effect=predictions.AloneError('no disk')
  )
  with alone, pytest.raises(errors.UserError, match='no disk'):
    report.make(open_run(tmp_path, data, asked='all'))


@pytest.mark.parametrize(
  ('file', 'content'),
  [
    ('history.jsonl', '{"stage": "uda", "seconds": "x"}\n'),
    ('uda/metrics.jsonl', '{"loss": 1}\n'),
    ('config.json', '{"version": 1}'),
  ],
)
def test_a_damaged_file_of_the_run_is_named(tmp_path, data, file, content):
  opened = open_run(tmp_path, data)
  whole(opened)
  (opened.workdir.root / file).write_text(content)
  assert file in saying.message(lambda: report.make(opened))


def test_damaged_scores_are_told_as_missing(tmp_path, data, capsys):
  opened = open_run(tmp_path, data)
  whole(opened)
  for model in ('source_only', 'uda', 'adapt'):
    path = opened.workdir.evaluation(model, 'dusk_test')
    json_files.write(path, {'step': 2})
  assert 'nothing has been evaluated' in made(opened)
  assert capsys.readouterr().err.count('is damaged') >= 3


def test_a_stop_during_the_report_is_a_stop(tmp_path, data):
  opened = open_run(tmp_path, data, asked='all')
  stopped = mock.patch.object(report, 'write', side_effect=errors.Stopped)
  with stopped, pytest.raises(errors.Stopped):
    report.make(opened)


def test_a_yellow_bar_says_that_evaluation_is_of_the_sources_kind(
  tmp_path, data
):
  opened = open_run(tmp_path, data)
  whole(opened)
  assert 'id="warning"' not in made(opened)
  opened.config.data.evaluation.split = opened.config.data.source.split
  bar = made(opened).split('id="warning"')[1].split('</div>')[0]
  assert 'of the source&#39;s kind' in bar
  assert '--config.adapt.holdout=0.2' in bar


def test_it_says_which_answers_were_used_and_which_come_from_elsewhere(
  tmp_path, data
):
  opened = open_run(tmp_path, data)
  whole(opened)
  answers_used.remember(opened.workdir.adapt, answers_used.Used(9, 1234))
  id_ = records.request_id(NAMES[0], 9, 9)
  with store_lib.Store(opened.workdir.annotations) as store:
    store.ask([records.Request(id_, NAMES[0], 9, 9, 5, 0.5, 1, 0, 0)])
    store.answer(id_, 0, 'ana')
  text = ' '.join(made(opened).split())
  assert 'model points was trained with</td> <td>1,234<' in text
  assert 'points asked</td><td>4<' in text
  assert 'points added from elsewhere</td><td>1<' in text
  assert '<td>added</td><td>1<' in text


@pytest.mark.parametrize('content', ['', '{}', '{"last": "x", "answers": 1}'])
def test_damaged_counts_of_answers_end_in_one_line(tmp_path, data, content):
  opened = open_run(tmp_path, data)
  whole(opened)
  opened.workdir.adapt.answers.write_text(content)
  with pytest.raises(errors.UserError, match=r'answers\.json'):
    report.make(opened)
