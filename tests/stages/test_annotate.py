import people
import pytest
import saying

from configs import streets_active
from pointsup_jax import errors
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.run import config_check, data_check, waiting, workdir
from pointsup_jax.run import context as run_lib
from pointsup_jax.stages import annotate

SIZE = (96, 192)


@pytest.fixture
def run(tmp_path):
  """A run after acquisition."""
  config = streets_active.get_config()
  config.annotate.oracle = 'file'
  folder = workdir.Workdir(tmp_path / 'run')
  folder.annotations.parent.mkdir(parents=True)
  with store_lib.Store(folder.annotations) as store:
    people.fill(store, SIZE, ['a', 'b/c'], 5)
  return run_lib.Run(config, folder, classes_lib.CITYSCAPES)


def write(run, path, words):
  with store_lib.Store(run.workdir.annotations) as store:
    requests = store.requests()
  lines = [f'{r.id},{x}' for r, x in zip(requests, words, strict=False)]
  path.write_text('\n'.join(['id,label', *lines]))
  run.config.annotate.answers = str(path)


def test_without_answers_it_says_how_to_get_them(run):
  said = saying.message(lambda: annotate.collect(run), errors.WaitingForLabels)
  assert 'waiting for 10 of 10' in said
  assert f'--workdir={run.workdir.root}' in said
  assert '--config.annotate.answers=' in said


def test_nothing_waits_where_everything_was_imported_before(run, capsys):
  with store_lib.Store(run.workdir.annotations) as store:
    store.answer_many({r.id: 3 for r in store.requests()}, 'ana')
  annotate.collect(run)
  assert 'all points are answered' in capsys.readouterr().err


def test_answers_of_a_file_are_recorded_and_the_rest_is_said(
  run, tmp_path, capsys
):
  write(run, tmp_path / 'a.csv', ['road', 'car', '', 'unsure', 'void'])
  with pytest.raises(errors.WaitingForLabels, match='waiting for 6 of 10'):
    annotate.collect(run)
  assert '4 answers' in capsys.readouterr().err
  with store_lib.Store(run.workdir.annotations) as store:
    assert store.answered('a').labels.tolist() == [0, 13, 255, 255]


def test_a_faulty_file_leaves_everything_open(run, tmp_path):
  write(run, tmp_path / 'a.csv', ['road', 'raod'])
  with pytest.raises(errors.UserError, match='1 faults'):
    annotate.collect(run)
  with store_lib.Store(run.workdir.annotations) as store:
    assert store.counts().answered == 0


@pytest.mark.parametrize('name', ['none.csv', 'answers.txt', 'answers'])
def test_a_file_that_cannot_be_read_is_refused_before_anything(run, name):
  run.config.annotate.answers = name
  config_check.check(run.config)
  with pytest.raises(errors.UsageError, match=name):
    data_check.check(run)


def test_answers_that_nobody_would_read_are_refused(run):
  run.config.annotate.update(oracle='ground_truth', answers='a.csv')
  with pytest.raises(errors.UsageError, match='only read with annotate'):
    config_check.check(run.config)


def test_a_run_that_may_do_without_the_rest_goes_on(run, tmp_path):
  write(run, tmp_path / 'a.csv', ['road', 'car'])
  run.config.adapt.allow_partial = True
  annotate.collect(run)
  assert waiting.missing(run) == 8
