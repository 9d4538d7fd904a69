"""Answers that are held back from training, and the scores on them."""

import jax.numpy as jnp
import numpy as np
import people
import pytest
import saying

from configs import streets_active
from pointsup_jax import errors
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import image_files
from pointsup_jax.hosts import json_files
from pointsup_jax.report import drawings, gather
from pointsup_jax.run import config_file, context, held_back, trained_models
from pointsup_jax.run import dry_run as dry_run_lib
from pointsup_jax.run import workdir as workdir_lib
from pointsup_jax.stages import adapt, evaluate, point_scores
from pointsup_jax.stages import report as report_stage
from pointsup_jax.types import IGNORE

SIZE = (96, 192)  # of patches of 12 x 12 pixels
MODELS = ('source_only', 'uda', 'adapt')


def open_run(folder, **fields):
  config = streets_active.get_config()
  config.data.target.length = 6
  config.acquire.update(k=10, n=2)
  config.data.evaluation.dataset = ''
  config.adapt.holdout = 0.2
  config.update_from_flattened_dict(fields)
  workdir = workdir_lib.Workdir(
    folder / 'run', rounds=config.acquire.rounds, round=config.acquire.rounds
  )
  return context.open_run(config, workdir)


def names(run):
  return run.source('target', labelled=False).names


def ask(run, patches, round=1):
  """Requests two points in each of `patches` of every image."""
  run.workdir.annotations.parent.mkdir(parents=True, exist_ok=True)
  with store_lib.Store(run.workdir.annotations) as store:
    for name in names(run):
      requests = [
        people.request(
          name, 12 * (x // 16) + i, 12 * (x % 16), x, pseudo_label=1,
          round=round,
        )
        for x in patches for i in range(2)
      ]  # fmt: skip
      store.add_image(name, SIZE, np.zeros(128), requests, round)
      path = run.workdir.pseudo_label(name)
      path.parent.mkdir(parents=True, exist_ok=True)
      image_files.write_labels(path, np.full(SIZE, 3, np.uint8))


def answer(run, label=lambda request: request.col // 12):
  with store_lib.Store(run.workdir.annotations) as store:
    for request in store.unanswered():
      store.answer(request.id, label(request), 'ana', 2.0)


@pytest.fixture
def run(tmp_path):
  opened = open_run(tmp_path)
  config_file.claim(opened.workdir, opened.config, opened.classes)
  ask(opened, (3, 20, 40, 41, 60))
  answer(opened)
  return opened


def held_places(run):
  with store_lib.Store(run.workdir.annotations) as store:
    return {(x.image, x.row, x.col) for x in held_back.requests(run, store)}


def learned(run):
  """(image, row, column) of every answer that stage 3 learns from."""
  _, answers = adapt.read_answers(run, names(run))
  return {(names(run)[i], row, col) for i, row, col, _ in answers.tolist()}


def test_held_back_answers_are_in_no_label_of_stage_3(run, capsys):
  held = held_places(run)
  assert len(held) == 6 * 2  # a patch of two points of each image
  assert not learned(run) & held
  assert len(learned(run)) == 6 * 8
  assert '12 of 60 answers are held back' in capsys.readouterr().err
  for mode in ('points', 'dense', 'none', 'segments'):
    run.config.adapt.pseudo_labels = mode
    source = adapt.point_labelled(run, run.source('target', labelled=False))
    for i, name in enumerate(source.names):
      example = source[i]
      of_patch = [
        (slice(row // 12 * 12, row // 12 * 12 + 12), slice(col, col + 12))
        for image, row, col in held
        if image == name
      ]
      for rows, cols in of_patch:
        assert (example.labels[rows, cols] == IGNORE).all()
        assert not example.answered[rows, cols].any()
      assert example.answered.sum() == 8


def test_answers_go_for_their_segments(run):
  run.config.adapt.pseudo_labels = 'segments'
  run.config.adapt.holdout = 0.0
  source = adapt.point_labelled(run, run.source('target', labelled=False))
  example = source[0]
  around = (example.labels != IGNORE) & ~example.answered
  assert around.sum() > 5 * example.answered.sum()
  given = set(example.labels[example.answered].tolist())
  assert set(example.labels[around].tolist()) <= given
  assert adapt.supervision(run.config).guesses == 1.0


def test_whole_images_are_labelled_by_the_simulated_annotator(run):
  run.config.annotate.whole_images = 2
  run.config.acquire.strategy = 'self_training'
  run.config.adapt.holdout = 0.0
  assert adapt.supervision(run.config).answers == 1.0
  images = run.source('target', labelled=False)
  source = adapt.point_labelled(run, images)
  truth = run.source('target', labelled=True)
  whole = adapt.whole_images(run, len(images))
  assert len(whole) == 2
  for i in range(len(source)):
    if i in whole:
      np.testing.assert_array_equal(source[i].labels, truth[i].labels)
      assert (source[i].answered == (truth[i].labels != IGNORE)).all()
    else:
      assert source[i].answered.sum() == 10
  run.config.annotate.whole_images = 7
  assert 'more than the 6' in saying.usage(
    lambda: adapt.point_labelled(run, images)
  )


def test_no_segment_reaches_into_held_back_patches_that_no_round_asked(run):
  """Points answered in another run have round 0."""
  with (
    store_lib.Store(run.workdir.annotations) as store,
    store.database.transaction() as connection,
  ):
    connection.execute('UPDATE requests SET round = 0 WHERE patch >= 40')
  run.config.adapt.pseudo_labels = 'segments'
  held = held_places(run)
  assert any(row >= 24 for _, row, _ in held)
  source = adapt.point_labelled(run, run.source('target', labelled=False))
  for i, name in enumerate(source.names):
    for image, row, col in held:
      if image == name:
        rows, cols = (
          slice(x // 12 * 12, x // 12 * 12 + 12) for x in (row, col)
        )
        assert (source[i].labels[rows, cols] == IGNORE).all()


def test_a_share_of_0_learns_from_every_answer(run, capsys):
  run.config.adapt.holdout = 0.0
  with store_lib.Store(run.workdir.annotations) as store:
    every = {(x.image, x.row, x.col) for x in store.requests()}
  assert learned(run) == every
  assert held_back.points(run) == []
  assert 'held back' not in capsys.readouterr().err


def test_what_is_held_back_stays_so_with_more_answers_and_rounds(tmp_path):
  run = open_run(tmp_path, **{'acquire.rounds': 2})
  ask(run, (3, 20, 40, 41, 60))
  first = held_places(run)
  assert held_back.points(run) == []  # nothing is answered yet
  answer(run)
  assert held_places(run) == first
  ask(run, (1, 2, 77), round=2)
  answer(run)
  assert first < held_places(run)
  assert not learned(run) & held_places(run)


def train(run, monkeypatch, models=MODELS):
  """Has models at step 4 that see class 0, class 1 and the truth."""
  phases = {x.name: x.phase for x in trained_models.all_of(run.workdir)}
  sees = {phases[name].root: number for number, name in enumerate(models)}
  for name in models:
    (phases[name].checkpoints / '4').mkdir(parents=True)
  monkeypatch.setattr(
    context.Run, 'trained', lambda _, phase, step=None: (4, sees[phase.root])
  )

  def predict(variables, images, *, segmenter):
    """The class `variables`; for 2, the number of the patch's column."""
    truth = jnp.broadcast_to(jnp.arange(SIZE[1]) // 12, images.shape[:3])
    return jnp.where(variables == 2, truth, variables).astype(jnp.uint8)

  monkeypatch.setattr(point_scores, 'predict_batch', predict)


def test_every_model_is_scored_on_the_same_points(run, monkeypatch, capsys):
  train(run, monkeypatch)
  evaluate.score(run)
  out = capsys.readouterr().out
  points = held_back.points(run)
  assert len(points) == 12
  for number, model in enumerate(MODELS):
    found = json_files.read(run.workdir.held_back(model))
    right = sum(number == 2 or point.answer == number for point in points)
    assert found['accuracy'] == right / 12
    assert found['images'] == 6
    assert found['points'] == [[x.id, x.answer] for x in points]
  assert '12 answered points in 6 images' in out
  assert 'after, at 12: +' in out
  assert 'not the accuracy over all pixels' in out
  assert all(len(line) <= 80 for line in out.splitlines()[:5])
  files = [run.workdir.held_back(model) for model in MODELS]
  written = [path.stat().st_mtime_ns for path in files]
  evaluate.score(run)
  assert capsys.readouterr().out == out
  assert [path.stat().st_mtime_ns for path in files] == written
  whole = files[1].read_text()
  for damaged in ('', '{}', whole.replace('"predictions"', '"lost"')):
    files[1].write_text(damaged)
    evaluate.score(run)
    assert files[1].read_text() == whole


@pytest.mark.parametrize(
  ('strategy', 'words'),
  [('active', 'where the model was least sure'), ('random', 'at random')],
)
def test_the_report_has_the_table_and_what_it_means(
  run, monkeypatch, strategy, words
):
  train(run, monkeypatch)
  evaluate.score(run)
  run.config.acquire.strategy = strategy
  monkeypatch.setattr(drawings, 'draw', lambda *_: ({}, []))
  report_stage.make(run)
  page = (run.workdir.report / 'index.html').read_text()
  for text in (
    'id="points"', words, 'scored on answers held back', '>100.0</b>',
    'of them held back from training', '95% intervals',
  ):  # fmt: skip
    assert text in page, text
  assert 'id="warning"' not in page
  assert 'id="scores"' not in page
  assert 'Scores' not in page.split('id="notes"')[-1].split('</header>')[0]


def test_a_changed_answer_or_model_is_scored_anew(run, monkeypatch):
  train(run, monkeypatch)
  evaluate.score(run)
  point = held_back.points(run)[0]
  with store_lib.Store(run.workdir.annotations) as store:
    store.answer(point.id, 18, 'ana')
  assert gather.gather(run).on_points is None
  (note,) = [x for x in gather.gather(run).missing if 'on points' in x]
  assert "'UDA'" in note
  evaluate.score(run)
  assert gather.gather(run).on_points.models['points'].right == 11
  trained_models.forget_scores(run.workdir, run.workdir.adapt)
  assert not run.workdir.held_back('adapt').exists()
  assert run.workdir.held_back('uda').exists()


def test_unsure_and_void_answers_are_not_scored(run, monkeypatch):
  one, two, *rest = held_back.points(run)
  with store_lib.Store(run.workdir.annotations) as store:
    store.mark(one.id, 'unsure', 'ana')
    store.answer(two.id, IGNORE, 'ana')
  assert held_back.points(run) == rest


def test_nothing_to_score_on_is_said(tmp_path, monkeypatch, capsys):
  run = open_run(tmp_path)
  config_file.claim(run.workdir, run.config, run.classes)
  train(run, monkeypatch, ('uda',))
  evaluate.score(run)
  assert 'has been answered with a class' in capsys.readouterr().err
  assert any('no held-back point' in x for x in gather.gather(run).missing)
  run.config.adapt.holdout = 0.0
  evaluate.score(run)
  assert any('adapt.holdout=0.2' in x for x in gather.gather(run).missing)


def test_an_image_that_is_gone_is_named(run, monkeypatch):
  train(run, monkeypatch)
  gone = names(run)[-1]
  run.config.data.target.length = 5
  text = saying.message(lambda: evaluate.score(run), errors.UserError)
  assert repr(gone) in text


def test_a_dry_run_says_what_is_held_back_and_scored(run, monkeypatch, capsys):
  train(run, monkeypatch)
  evaluate.score(run)
  run.workdir.held_back('adapt').unlink()
  for stage in ('uda', 'acquire', 'annotate'):
    run.workdir.mark_done(stage)
  capsys.readouterr()
  steps = [(stage, run.workdir) for stage in ('adapt', 'evaluate')]
  dry_run_lib.show(run, steps)
  lines = capsys.readouterr().out.splitlines()
  assert '  holds back 0.2 of the answers, to score on' in lines
  assert 'evaluate: goes on, reads target' in lines
  assert '  uda on held-back points: scored before' in lines
  assert '  adapt on held-back points: to do' in lines
