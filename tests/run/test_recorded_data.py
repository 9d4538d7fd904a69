"""What each stage does where the data have changed since the run read them."""

import contextlib
import pathlib
import shutil

import folders
import numpy as np
import pytest
import saying
import trees

from configs import camvid_dusk
from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import building, domains
from pointsup_jax.run import (
  config_file,
  data_check,
  dry_run,
  recorded_data,
  workdir,
)
from pointsup_jax.run import context as run_lib
from pointsup_jax.stages import evaluate, sequence

SIZE = (32, 64)
TRAINING = [
  (stage, name)
  for stage in sequence.STAGES
  for name in recorded_data.reads(camvid_dusk.get_config(), stage)
  if name != 'evaluation'
]
SPLITS = dict(zip(domains.NAMES, folders.SPLITS, strict=True))


def open_run(tmp_path, prepared=''):
  config = camvid_dusk.get_config()
  config.data.root = str(tmp_path / 'data')
  config.data.prepared = str(prepared)
  for name in domains.NAMES:
    config.data[name].size = SIZE
  folder = workdir.Workdir(tmp_path / 'run')
  return run_lib.Run(config, folder, domains.classes_of(config.data))


@pytest.fixture
def run(tmp_path):
  """A run on three images of each domain, before its first checkpoint."""
  folders.three_classes(tmp_path / 'data', 3, SIZE)
  opened = open_run(tmp_path)
  config_file.claim(opened.workdir, opened.config, opened.classes)
  recorded_data.check(opened, 'uda')
  return opened


def learn(run):
  (run.workdir.uda.checkpoints / '2').mkdir(parents=True)


def ask(run, answered):
  """Asks for a point in each target image and answers some."""
  run.workdir.annotations.parent.mkdir(parents=True)
  with store_lib.Store(run.workdir.annotations) as store:
    for name in ('dusk_train/0', 'dusk_train/1', 'dusk_train/2'):
      point = records.Request(
        records.request_id(name, 1, 1), name, 1, 1, 0, 0.5, 1, 1, 2
      )
      store.add_image(name, SIZE, [0.1], [point])
      if name in answered:
        store.answer(point.id, 0, 'ana')


def file_of(run, name, number=0, kind='images'):
  return pathlib.Path(run.config.data.root, kind, SPLITS[name], f'{number}.png')


def paint(run, name, kind='images'):
  path = file_of(run, name, 0, kind)
  shape = (*SIZE, 3) if kind == 'images' else SIZE
  trees.save(path, np.full(shape, 1, np.uint8))


def remove(run, name):
  file_of(run, name, 1).unlink()


def add(run, name):
  for kind in ('images', 'labels'):
    shutil.copy(file_of(run, name, 0, kind), file_of(run, name, 9, kind))


def list_some(run, name):
  """A list takes the place of the folder."""
  path = pathlib.Path(run.config.data.root, f'splits/{SPLITS[name]}.txt')
  path.parent.mkdir()
  path.write_text(f'{SPLITS[name]}/0\n{SPLITS[name]}/1')


EDITS = {
  paint: '1 image changed (SPLIT/0)',
  remove: '1 image removed (SPLIT/1)',
  add: '1 image added (SPLIT/9)',
  list_some: '1 image removed (SPLIT/2)',
}


@pytest.mark.parametrize(('edit', 'words'), EDITS.items())
@pytest.mark.parametrize(('stage', 'name'), TRAINING)
def test_changed_training_data_are_refused_by_each_stage(
  run, stage, name, edit, words
):
  learn(run)
  for before in ('uda', 'acquire', 'annotate'):
    run.workdir.mark_done(before)
  run.workdir.done(stage).unlink(missing_ok=True)
  edit(run, name)

  def start():
    with contextlib.ExitStack() as lock:
      sequence.run_stage(stage, run, lock)

  said = saying.message(start)
  assert words.replace('SPLIT', SPLITS[name]) in said
  assert f'the {name} data have changed' in said
  for way in ('restore', '--workdir', str(run.workdir.data)):
    assert way in said
  assert said == saying.message(lambda: recorded_data.look(run, stage))
  run.workdir.data.unlink()
  recorded_data.check(run, stage)
  recorded_data.check(run, stage)


def test_before_anything_was_learned_data_may_change(run):
  paint(run, 'source')
  add(run, 'target')
  recorded_data.check(run, 'uda')
  learn(run)
  recorded_data.check(run, 'uda')
  paint(run, 'source', 'labels')
  said = saying.message(lambda: recorded_data.check(run, 'uda'))
  assert '1 label changed (day_train/0)' in said


def test_answers_to_images_that_are_gone_are_counted(run):
  learn(run)
  ask(run, answered=['dusk_train/0', 'dusk_train/1'])
  remove(run, 'target')
  said = saying.message(lambda: recorded_data.check(run, 'adapt'))
  assert '1 image removed (dusk_train/1); 1 answers were given' in said
  assert 'data.json' not in said


def test_labels_that_gave_the_answers_are_data_from_then_on(run):
  learn(run)
  paint(run, 'target', 'labels')  # nobody has read them
  for stage in ('acquire', 'annotate', 'adapt'):
    recorded_data.check(run, stage)
  trees.save(file_of(run, 'target', 1, 'labels'), np.zeros(SIZE, np.uint8))
  for stage in ('acquire', 'annotate', 'adapt'):
    said = saying.message(lambda x=stage: recorded_data.check(run, x))
    assert '1 label changed (dusk_train/1)' in said


def test_labels_that_are_read_no_more_may_go(run):
  learn(run)
  recorded_data.check(run, 'annotate')
  shutil.rmtree(file_of(run, 'target', 0, 'labels').parent)
  recorded_data.check(run, 'adapt')


def test_data_may_move(run, tmp_path):
  learn(run)
  shutil.copytree(run.config.data.root, tmp_path / 'moved')
  shutil.rmtree(run.config.data.root)
  run.config.data.root = str(tmp_path / 'moved')
  recorded_data.check(run, 'adapt')


@pytest.mark.parametrize(
  'content', ['{', '[]', '{"source": 3}', '{"target": {}}']
)
def test_a_damaged_record_is_said_so(run, content):
  learn(run)
  run.workdir.data.write_text(content)
  said = saying.message(lambda: recorded_data.check(run, 'adapt'))
  assert f'{run.workdir.data} is damaged' in said


@pytest.fixture
def scoring(run, monkeypatch):
  """Scores a model that took two steps; lists what was scored."""
  scored = []

  def confusion_of(*args):
    scored.append(args[3])
    return np.eye(3, dtype=int), {}

  learn(run)
  monkeypatch.setattr(run_lib.Run, 'trained', lambda *unused: (2, None))
  monkeypatch.setattr(evaluate, 'counter', lambda run: None)
  monkeypatch.setattr(evaluate, 'confusion_of', confusion_of)
  evaluate.score(run)
  evaluate.score(run)
  assert scored == ['uda']
  return scored


@pytest.mark.parametrize(
  ('edit', 'words'),
  [
    *EDITS.items(),
    (
      lambda run, name: paint(run, name, 'labels'),
      '1 label changed (dusk_test/0)',
    ),
  ],
)
def test_changed_evaluation_data_are_scored_anew(
  run, scoring, capsys, edit, words
):
  edit(run, 'evaluation')
  capsys.readouterr()
  dry_run.show(run, [('evaluate', run.workdir)])
  assert 'uda: to do' in capsys.readouterr().out
  evaluate.score(run)
  assert scoring == ['uda', 'uda']
  (line,) = capsys.readouterr().err.splitlines()
  assert words.replace('SPLIT', 'dusk_test') in line
  assert 'scored anew' in line
  evaluate.score(run)
  assert scoring == ['uda', 'uda']


def test_scores_stay_where_the_evaluation_data_are_gone(run, scoring, capsys):
  shutil.rmtree(run.config.data.root)
  evaluate.score(run)
  assert scoring == ['uda']
  assert 'known scores are of what was there' in capsys.readouterr().err


@pytest.fixture
def built(run, tmp_path):
  """The same run on prepared data."""
  opened = open_run(tmp_path, tmp_path / 'built')
  building.build_all(opened.config)
  return opened


def stale(built, name):
  paint(built, name, 'labels')
  return f'1 label changed ({SPLITS[name]}/0)'


@pytest.mark.parametrize('name', domains.NAMES)
def test_a_build_of_other_files_is_refused_before_stage_1(built, name):
  data_check.check(built)
  words = stale(built, name)
  said = saying.message(lambda: data_check.check(built))
  assert words in said
  assert 'launch.prepare' in said
  assert str(built.config.data.prepared) in said


def test_a_run_without_evaluation_data_has_no_build_of_them(built):
  built.config.data.evaluation.dataset = ''
  recorded_data.require_fresh_builds(built)


def test_a_run_that_began_goes_on_with_its_build(built, capsys):
  learn(built)
  recorded_data.check(built, 'uda')
  words = stale(built, 'source')
  recorded_data.check(built, 'adapt')
  assert words in capsys.readouterr().err
  shutil.rmtree(built.config.data.root)
  recorded_data.check(built, 'adapt')
  assert capsys.readouterr().err == ''


def test_a_run_notices_that_its_build_is_another(built):
  learn(built)
  words = stale(built, 'source')
  shutil.rmtree(built.config.data.prepared)
  building.build_all(built.config)
  said = saying.message(lambda: recorded_data.check(built, 'adapt'))
  assert words in said


def test_a_run_may_change_between_files_and_their_build(built):
  learn(built)
  built.config.data.prepared = ''
  recorded_data.check(built, 'adapt')


@pytest.mark.parametrize('field', ['weights', 'vgg'])
def test_a_missing_weight_file_is_refused_before_stage_1(run, field, tmp_path):
  file = tmp_path / 'network.npz'
  run.config.model[field] = str(file)
  said = saying.message(lambda: data_check.check(run))
  assert f'model.{field}' in said
  assert str(file) in said
  file.touch()
  data_check.check(run)
