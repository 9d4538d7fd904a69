"""Who may use a workdir, and what --overwrite may delete."""

import dataclasses
import json
import os
import pathlib
import shutil

import people
import pytest
import saying

from configs import streets_active
from pointsup_jax import errors
from pointsup_jax.annotation import comments, database, oracle, records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.hosts import atomic_files
from pointsup_jax.run import carrying, config_file, overwriting, workdir


def claim(folder, config, classes=classes_lib.CITYSCAPES):
  config_file.claim(folder, config, classes)


def refusal(folder, **fields):
  return saying.refusal(lambda: claim(folder, changed(**fields)))


def refused_clear(folder):
  return saying.message(lambda: overwriting.clear(folder))


@pytest.fixture
def claimed(tmp_path) -> workdir.Workdir:
  folder = workdir.Workdir(tmp_path / 'run')
  claim(folder, changed())
  return folder


def changed(**fields):
  config = streets_active.get_config()
  config.update_from_flattened_dict(
    {name.replace('__', '.'): value for name, value in fields.items()}
  )
  return config


def start(folder: workdir.Workdir, stage: str) -> None:
  folder.stage(stage).mkdir(parents=True)
  (folder.stage(stage) / 'something').touch()


def test_the_same_config_may_come_back(claimed):
  start(claimed, 'uda')
  assert not refusal(claimed)


def test_nothing_has_started_anything_may_change(claimed):
  assert not refusal(claimed, seed=1, optim__lr=0.5)


@pytest.mark.parametrize(
  ('field', 'value', 'stage'),
  [
    ('seed', 1, 'uda'),
    ('optim__lr', 0.5, 'uda'),
    ('data__target__split', 'val', 'uda'),
    ('data__target__mirror', 0.5, 'uda'),
    ('acquire__k', 3, 'acquire'),
    ('evaluate__model', 'teacher', 'acquire'),
    ('adapt__answer_weight', 2.0, 'adapt'),
  ],
)
def test_a_field_is_fixed_once_its_stage_has_started(
  claimed, field, value, stage
):
  start(claimed, stage)
  before = claimed.config.read_text()
  text = saying.usage(lambda: claim(claimed, changed(**{field: value})))
  assert field.replace('__', '.') in text
  assert repr(value) in text
  assert claimed.config.read_text() == before


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('acquire__k', 3),
    ('adapt__steps', 5),
    ('data__evaluation__split', 'val'),
    ('train__log_every', 1),
    ('train__keep_every', 200),
    ('train__on_nan', 'rollback'),
    ('data__root', 'elsewhere'),
    ('acquire__batch_size', 1),
    ('annotate__port', 80),
    ('annotate__overlap', 0.5),
    ('adapt__allow_partial', True),
  ],
)
def test_other_fields_may_still_change_after_stage_1(claimed, field, value):
  start(claimed, 'uda')
  assert not refusal(claimed, **{field: value})


def test_the_method_may_change_until_its_source_only_phase_is_over(claimed):
  (claimed.root / 'uda' / 'source_only').mkdir(parents=True)
  claimed.source_classes.touch()  # counted for any method
  new = {
    'uda__strategy': 'minent',
    'losses__target_main': 0.5,
    'optim__translator_lr': 0.5,
    'model__discriminator_width': 8,
  }
  assert not refusal(claimed, **new)
  for field, value in {'losses__aux': 0.5, 'uda__source_only_steps': 7}.items():
    assert field.replace('__', '.') in refusal(claimed, **{field: value})
  (claimed.root / 'uda' / 'metrics.jsonl').touch()
  for field in new:
    assert field.replace('__', '.') in refusal(claimed)


def test_how_people_are_asked_may_change_while_they_answer(claimed):
  start(claimed, 'annotate')
  claim(claimed, changed(annotate__port=80, annotate__overlap=0.5))
  with pytest.raises(errors.UsageError, match=r'annotate\.oracle'):
    claim(claimed, changed(annotate__oracle='human'))


@pytest.mark.parametrize('version', [None, 'x', config_file.VERSION + 1])
def test_a_run_of_another_version_is_refused(claimed, version):
  known = json.loads(claimed.config.read_text())
  claimed.config.write_text(json.dumps(known | {'version': version}))
  text = refusal(claimed)
  for words in (str(claimed.config), repr(version), 'program that wrote it'):
    assert words in text


def test_a_damaged_config_file_is_said_so(claimed):
  claimed.config.write_text('{"conf')
  with pytest.raises(errors.UsageError, match=r'config\.json'):
    claim(claimed, changed())


def test_clear_deletes_a_run_and_nothing_else(claimed, tmp_path, capsys):
  start(claimed, 'uda')
  overwriting.clear(claimed)
  assert not any(claimed.root.iterdir())
  assert 'uda' in capsys.readouterr().err
  thesis = tmp_path / 'thesis.tex'
  thesis.write_text('years of work')
  with pytest.raises(errors.UsageError):
    overwriting.clear(workdir.Workdir(tmp_path))
  assert thesis.exists()


def test_classes_of_the_same_file_but_of_other_content_are_refused(claimed):
  start(claimed, 'uda')
  names = classes_lib.CITYSCAPES.names[::-1]
  other = dataclasses.replace(classes_lib.CITYSCAPES, names=names)
  with pytest.raises(errors.UsageError, match='classes was'):
    claim(claimed, changed(), other)


def test_a_start_or_a_deletion_that_was_killed_is_no_obstacle(tmp_path):
  folder = workdir.Workdir(tmp_path)
  atomic_files.part_of(folder.config).write_text('{')
  claim(folder, changed())
  start(folder, 'uda')
  overwriting.clear(folder)
  assert not refusal(folder)


def enter(context):
  with context:
    pass


def test_a_second_command_is_refused_and_a_dead_one_is_not_in_the_way(claimed):
  with config_file.locked(claimed):
    text = saying.message(lambda: enter(config_file.locked(claimed)))
    for words in (f'process {os.getpid()}', 'is at work', '--workdir'):
      assert words in text
  enter(config_file.locked(claimed))


def test_nothing_is_left_in_a_folder_that_is_no_run(tmp_path):
  (tmp_path / 'thesis.tex').touch()
  with pytest.raises(errors.UsageError, match='holds no run'):
    enter(config_file.locked(workdir.Workdir(tmp_path)))
  assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_a_lock_alone_does_not_make_a_folder_somebody_elses(tmp_path):
  folder = workdir.Workdir(tmp_path / 'run')
  enter(config_file.locked(folder))
  with config_file.locked(folder):
    overwriting.clear(folder)
    claim(folder, changed())
    overwriting.clear(folder)
    assert [path.name for path in folder.root.iterdir()] == ['run.lock']


def test_a_run_whose_points_are_being_labelled_is_not_deleted(claimed):
  start(claimed, 'annotate')
  ask(claimed)
  with database.taking_answers(claimed.annotations):
    assert 'stop it first' in refused_clear(claimed)
  assert claimed.started('annotate')
  overwriting.clear(claimed)
  assert not claimed.started('annotate')


def ask(run: workdir.Workdir, annotator: str = oracle.NAME) -> None:
  """Six requests, four of them answered."""
  run.annotations.parent.mkdir()
  with store_lib.Store(run.annotations) as store:
    people.fill(store, (96, 192), ['a'], 6)
    store.answer_many({x.id: 1 for x in store.unanswered()[:4]}, annotator)


def test_answers_of_people_are_kept_unless_they_are_discarded(claimed, capsys):
  ask(claimed, 'ana')
  with store_lib.Store(claimed.annotations) as store:
    before = store.answers_by_person()
  overwriting.clear(claimed)
  assert '4 answers that people gave are kept' in capsys.readouterr().err
  assert [path.name for path in claimed.root.iterdir()] == ['earlier']
  kept = workdir.Workdir(claimed.earlier / '1')
  with store_lib.Store(kept.annotations) as store:
    assert store.answers_by_person() == before
  claim(claimed, changed(seed=1))  # the folder is free
  ask(claimed, 'ben')
  overwriting.clear(claimed, discard_answers=True)
  assert not any(claimed.root.iterdir())
  said = capsys.readouterr().err
  assert said.count('4 answers of people in') == 2


def test_comments_are_kept_even_where_nobody_answered(claimed, capsys):
  ask(claimed)
  with store_lib.Store(claimed.annotations) as store:
    (point, *_) = store.requests()
    comments.Comments(store.database).add(
      records.Comment(point.id, 'ben', 'no class fits here')
    )
  overwriting.clear(claimed)
  assert '1 comment that people gave' in capsys.readouterr().err
  (kept,) = carrying.earlier(claimed)
  with store_lib.Store(kept.annotations) as store:
    (said,) = comments.Comments(store.database).all()
  assert said.text == 'no class fits here'


def test_a_deletion_killed_at_any_moment_has_the_answers_whole(
  claimed, monkeypatch
):
  """Each operation on the file system is the last one in turn."""
  operations = ('mkdir', 'rename', 'unlink')
  ask(claimed, 'ana')
  start(claimed, 'uda')
  for last in range(20):
    left = iter(range(last))

    def dying(real, left=left):
      def call(*args, **options):
        if next(left, None) is None:
          raise KeyboardInterrupt
        return real(*args, **options)

      return call

    with monkeypatch.context() as patch:
      for name in operations:
        real = getattr(pathlib.Path, name)
        patch.setattr(pathlib.Path, name, dying(real))
      patch.setattr(shutil, 'rmtree', dying(shutil.rmtree))
      try:
        overwriting.clear(claimed)
        done = True
      except KeyboardInterrupt:
        done = False
    stores = [claimed, *carrying.earlier(claimed)]
    assert any(config_file.given_by_people(x) == '4 answers' for x in stores)
    if done:
      break
  assert last > 4
  assert not claimed.config.exists()


def test_simulated_answers_may_be_deleted_but_not_those_of_a_namesake(claimed):
  ask(claimed)
  overwriting.clear(claimed)
  claim(claimed, changed())
  ask(claimed)
  with store_lib.Store(claimed.annotations) as store:
    how = records.How(mode='blind')
    store.answer(store.unanswered()[0].id, 2, oracle.NAME, how=how)
  overwriting.clear(claimed)
  (kept,) = carrying.earlier(claimed)
  assert config_file.given_by_people(kept) == '1 answer'


def test_a_store_that_cannot_be_read_is_not_deleted_unasked(claimed, capsys):
  claimed.annotations.parent.mkdir()
  claimed.annotations.write_text('no database')
  assert 'annotations.sqlite' in refused_clear(claimed)
  overwriting.clear(claimed, discard_answers=True)
  assert 'cannot be read' in capsys.readouterr().err
  assert not claimed.annotations.exists()


def test_a_changed_field_of_stage_3_alone_keeps_the_answers(claimed):
  ask(claimed, 'ana')
  start(claimed, 'uda')
  start(claimed, 'adapt')
  text = refusal(claimed, adapt__steps=7)
  assert f'Delete {claimed.root / "adapt"} to train stage 3 anew' in text
  assert '--overwrite' not in text
  shutil.rmtree(claimed.root / 'adapt')
  claim(claimed, changed(adapt__steps=7))
  text = refusal(claimed, adapt__steps=7, seed=1)
  assert '--overwrite, which starts anew and keeps the 4 answers' in text
