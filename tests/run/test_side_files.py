"""Damaged files of a workdir: one line each, or computed anew with a note."""

import json
import types

import numpy as np
import pytest
import saying
import scored

from configs import camvid_dusk
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import palettes
from pointsup_jax.hosts import json_files
from pointsup_jax.prediction import folder as folder_lib
from pointsup_jax.prediction import standalone
from pointsup_jax.run import config_file, history, scores_on_disk, workdir
from pointsup_jax.stages import easy_hard, rollback
from pointsup_jax.training import metrics_log

ROAD_AND_CAR = classes_lib.ClassSet(('road', 'car'), ((1, 2, 3), (4, 5, 6)))
SESSION = {
  'stage': 'uda', 'began': '2026', 'seconds': 1.0, 'outcome': 'done',
  'command': 'main',
}  # fmt: skip
SCORES = scored.scores(np.eye(2, dtype=int), image_miou={'a': 0.5, 'b': None})
FINISHED = {'name': 'a', 'image': 'a.png', 'state': '1 2', 'digest': 'ab'}


def predictions(path):
  return folder_lib.Folder(path.parent, {'ids': [0, 1]}, ROAD_AND_CAR)


def scores(path):
  return json_files.read(path, scores_on_disk.of_classes(ROAD_AND_CAR))


# File -> its reader, a whole object, and changes that no program makes.
FILES = {
  'history.jsonl': (
    lambda path: history.read(workdir.Workdir(path.parent)),
    SESSION,
    [{'seconds': 'x'}, {'seconds': 1e999}, {'stage': 3}, {'command': None}],
  ),
  'metrics.jsonl': (
    metrics_log.read,
    {'step': 1, 'seconds': 2.0, 'source_main': 0.5},
    [{'step': 'x'}, {'step': 1.5}, {'step': 10**400}, {'source_main': [1]}],
  ),
  'scores.json': (
    scores,
    SCORES,
    [
      {'step': '2'}, {'confusion': [[1]]}, {'confusion': [[1, 2], [3]]},
      {'confusion': [[1, 2], [3, -4]]}, {'iou': [0.5]}, {'miou': 'x'},
      {'confusion': [[1, 2], [3, 10**30]]}, {'image_miou': ['a']},
      {'image_counts': {'a': [[1, 2], [3, 4]]}},
      {'image_counts': {'a': [[1], [2], [3]]}},
      {'miou_subsets': {'16': 0.5}}, {'iou': None},
    ],
  ),
  'skipped.json': (
    lambda path: rollback.Rollback(path, path),
    {'steps': [1, 2]},
    [{'steps': '12'}, {'steps': 3}, {'steps': [1.5]}, {'steps': ['x']}],
  ),
  'images.jsonl': (
    predictions,
    FINISHED,
    [{'name': 1}, {'state': [1, 2]}, {'image': None}],
  ),
  'split.json': (
    lambda path: json_files.read(path, easy_hard.checked),
    {'easy': ['a'], 'hard': ['b']},
    [{'easy': 'a'}, {'hard': [1]}, {'easy': ['b']}, {'hard': None}],
  ),
}  # fmt: skip


def write(path, name, content):
  content = content if isinstance(content, bytes) else json.dumps(content)
  content = content.encode() if isinstance(content, str) else content
  if name == 'images.jsonl':
    json_files.write(path.parent / 'model.json', {'ids': [0, 1]})
  path.write_bytes(content + b'\n')


@pytest.mark.parametrize('name', FILES)
def test_what_programs_write_is_read(tmp_path, name):
  reader, whole, _ = FILES[name]
  write(tmp_path / name, name, whole)
  assert reader(tmp_path / name) is not None


@pytest.mark.parametrize(
  ('name', 'content'),
  [
    *(
      (name, content)
      for name in FILES
      for content in (b'{}', b'[]', b'{"a', b'{"\xff": 1}', b'[' * 100_000)
    ),
    *(
      (name, whole | change)
      for name, (_, whole, changes) in FILES.items()
      for change in changes
    ),
  ],
)
def test_damage_is_one_line_that_names_the_file(tmp_path, name, content):
  path = tmp_path / name
  write(path, name, content)
  text = saying.message(lambda: FILES[name][0](path))
  assert str(path) in text
  assert 'is damaged' in text


@pytest.mark.parametrize(
  'content', [b'[]', b'{"a', b'{"\xff": 1}', b'[' * 100_000]
)
def test_a_damaged_description_of_predictions_is_named(tmp_path, content):
  path = tmp_path / 'model.json'
  path.write_bytes(content)
  text = saying.message(lambda: predictions(path))
  assert f'{path} is damaged; choose another --out, or --overwrite' in text
  folder_lib.clear(tmp_path)
  predictions(path)


def test_an_export_names_damaged_scores(tmp_path):
  run = types.SimpleNamespace(workdir=workdir.Workdir(tmp_path))
  model = types.SimpleNamespace(
    run=run, phase='uda', network='segmenter', step=2, classes=ROAD_AND_CAR
  )
  path = run.workdir.evaluation('uda', 'test')
  json_files.write(path, SCORES)
  assert [x['miou'] for x in standalone.scores(model)] == [SCORES['miou']]
  path.write_bytes(path.read_bytes()[:40])
  text = saying.message(lambda: standalone.scores(model))
  assert f'{path} is damaged' in text


def test_damaged_scores_are_made_anew(tmp_path, capsys):
  path = tmp_path / 'scores.json'
  write(path, 'scores.json', SCORES | {'iou': [0.5]})
  parse = scores_on_disk.of_classes(ROAD_AND_CAR)
  assert json_files.read_derived(path, parse) is None
  assert f'note: {path} is damaged' in capsys.readouterr().err


@pytest.mark.parametrize(
  'change',
  [
    {'model.width': 'x'}, {'model.width': True}, {'model.width': 0},
    {'model.blocks': 7}, {'model.blocks': [1, 1]}, {'model.blocks': None},
    {'data.evaluation.size': 'big'}, {'data.evaluation.size': [64, 'x']},
    {'acquire.rounds': 'two'}, {'model.bn': 'none'}, {'seed': None},
    {'classes': 'road'}, {'classes': ['a', '\x1b[2J']}, {'classes': [1, 2]},
    {'palette': [[1, 2]] * 11}, {'palette': None, 'classes': {}},
    {'ignore_id': 'x'}, {'uda.rare_classes': ['zebra']},
  ],
)  # fmt: skip
def test_a_recorded_config_is_checked_like_a_fresh_one(tmp_path, change):
  here = workdir.Workdir(tmp_path)
  names = tuple(f'c{i}' for i in range(11))
  classes = classes_lib.ClassSet(names, palettes.distinct(11))
  config_file.claim(here, camvid_dusk.get_config(), classes)
  assert config_file.reopen(here).classes == classes
  known = json.loads(here.config.read_text())
  known['config'] |= change
  here.config.write_text(json.dumps(known))
  assert str(here.config) in saying.usage(lambda: config_file.reopen(here))


@pytest.mark.parametrize('content', [b'[' * 100_000, b'{"version": 1, "\xff"'])
def test_a_config_that_is_no_json_is_named(tmp_path, content):
  here = workdir.Workdir(tmp_path)
  here.config.write_bytes(content)
  assert str(here.config) in saying.usage(lambda: config_file.reopen(here))
