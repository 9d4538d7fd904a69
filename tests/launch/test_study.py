import csv
import json

import pytest
import saying
from launching import STREETS, TINY, assert_refused, launch

from configs import streets_active
from pointsup_jax.study import rows as rows_lib
from pointsup_jax.study import runs, settings

CONFIG = streets_active.get_config()


def setting(*fields):
  return settings.setting_of(fields, True, CONFIG)


def run(out, *args):
  return launch(STREETS, *TINY, *args, f'--out={out}', program='study')


def studied(out, *args):
  """Runs a study; returns it and the rows of its table of classes."""
  done = run(out, *args)
  assert done.returncode == 0, done.stderr
  with (out / 'classes.csv').open() as file:
    return done, list(csv.DictReader(file))


def test_a_study_without_evaluation_images_is_refused():
  config = streets_active.get_config()
  settings.require_comparable(config)
  config.data.evaluation.dataset = ''
  text = saying.usage(lambda: settings.require_comparable(config))
  assert 'data.evaluation.dataset' in text


def test_what_is_varied_is_combined_and_also_comes_besides():
  found = settings.chosen(
    ['config.acquire.score=margin,entropy', 'acquire.k=2,5'],
    ['acquire.strategy=full', 'acquire.budget=20 acquire.rounds=2'],
    CONFIG,
  )
  assert [(runs.title(x.fields), x.grid) for x in found] == [
    ('score=margin, k=2', True),
    ('score=margin, k=5', True),
    ('score=entropy, k=2', True),
    ('score=entropy, k=5', True),
    ('strategy=full', False),
    ('budget=20, rounds=2', False),
  ]


def test_runs_share_stage_1_where_their_fields_let_them(tmp_path):
  one, two = (
    setting(('uda.strategy', 'minent'), ('acquire.k', k)) for k in '12'
  )
  assert one.stage_1 == two.stage_1 == (('uda.strategy', 'minent'),)
  bases = {runs.base(tmp_path, one.stage_1, seed) for seed in (0, 1)}
  assert len(bases) == 2
  assert runs.workdir(tmp_path, one, 0) != runs.workdir(tmp_path, two, 0)
  other = setting(('adapt.steps', '7'))
  assert runs.base(tmp_path, other.stage_1, 0) == tmp_path / 'seed_0/stage_1'
  # Stage 1 is scored on the same data, as the baseline of the gains.
  assert setting(('data.evaluation.dataset', 'streets_game')).stage_1


def test_runs_share_the_source_only_phase_where_their_fields_let_them():
  fields = {
    'uda.strategy': 'swd',
    'losses.target_main': '10.0',
    'optim.discriminator_lr': '1.0',
  }
  others = {'losses.aux': '1.0', 'model.prediction': 'mean', 'optim.lr': '1.0'}
  both = setting(*fields.items(), *others.items())
  assert dict(both.stage_1) == fields | others
  assert dict(both.source_only) == others
  without = setting(*fields.items(), ('uda.source_only_steps', '0'))
  assert without.source_only == without.stage_1


def test_a_default_that_is_spelled_out_changes_nothing():
  assert setting(('uda.strategy', 'advent'), ('acquire.k', '2')).stage_1 == ()
  lr = setting(('optim.lr', '1e-3'), ('uda.steps', '7')).stage_1
  assert lr == setting(('uda.steps', '7'), ('optim.lr', '0.001')).stage_1
  assert lr == (('optim.lr', '0.001'), ('uda.steps', '7'))


def test_a_stage_1_is_called_by_the_fields_given_for_it():
  def titles(*found):
    return [rows_lib.level('UDA', x) for x in rows_lib.named_by(found).values()]

  plain = setting(('acquire.k', '2'))
  minent = setting(('uda.strategy', 'minent'), ('adapt.strategy', 'minent'))
  both = setting(('uda.strategy', 'minent'), ('uda.steps', '7'))
  assert titles(plain, minent, both) == [
    'UDA',
    'UDA, uda.strategy=minent',
    'UDA, uda.strategy=minent, uda.steps=7',
  ]
  assert titles(minent) == ['UDA']


def test_fields_of_the_same_name_are_told_apart():
  found = settings.chosen([], ['uda.steps=3', 'adapt.steps=3'], CONFIG)
  slugs = [runs.slug(x.fields) for x in found]
  assert slugs == ['uda.steps_3', 'adapt.steps_3']


def test_only_the_config_is_handed_on():
  words = (
    '--vary=a=1 --config=c.py --config.x=1 --config.y 2 --seeds 3 --out=o '
    '--noconfig.z --compilation_cache d e'
  )
  assert ' '.join(runs.forwarded(words.split())) == (
    '--config=c.py --config.x=1 --config.y 2 --noconfig.z --compilation_cache d'
  )


@pytest.mark.parametrize(
  ('args', 'words'),
  [
    ((), ['--vary=FIELD=VALUE']),
    (('--vary=acquire.k',), ['--vary=acquire.k', 'FIELD=VALUE']),
    (('--vary=acquire.kk=1',), ['acquire.kk', 'acquire.k']),
    (('--vary=acquire.k=1,x',), ['acquire.k=x']),
    (('--vary=acquire.k=1,1000',), ['acquire.k=1000', '128']),
    (('--vary=seed=1,2',), ['--seeds']),
    (('--vary=acquire.grid=8',), ['acquire.grid', 'cannot be varied']),
    (('--vary=adapt.allow_partial=yes',), ['adapt.allow_partial=yes']),
    (('--also=acquire.k=1', '--vary=acquire.k=1'), ['same folder k_1']),
  ],
)
def test_what_cannot_be_run_is_refused_before_anything_is(
  tmp_path, args, words
):
  assert_refused(run(tmp_path / 'out', *args), 2, *words)
  assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_a_study_from_its_start_to_its_end(tmp_path):
  vary = ('--vary=acquire.k=0,2', '--also=acquire.strategy=full')
  args = (*vary, '--seeds=1', '--config.acquire.score=random')
  done, classes = studied(tmp_path, *args)
  with (tmp_path / 'table.csv').open() as file:
    titles = [row['row'] for row in csv.DictReader(file)]
  assert titles == ['no adaptation', 'UDA', 'k=0', 'k=2', 'strategy=full']
  assert 'of 4 runs done; ' in done.stderr
  rows = json.loads((tmp_path / 'study.json').read_text())['rows']
  assert [row['points'] for row in rows] == [0, 0, 0, 40, 2560]
  assert [row['seconds'] for row in rows] == [0, 0, 0, 80, 5120]
  assert [row['method'] for row in classes] == titles
  assert {'road', 'bicycle', 'mIoU', 'mIoU (16)'} < classes[0].keys()
  for row, of_classes in zip(rows, classes, strict=True):
    assert float(of_classes['mIoU']) == pytest.approx(row['miou'][0], abs=0.01)
  assert (tmp_path / 'classes.tex').read_text().count('midrule') == 1
  assert (tmp_path / 'curve.png').stat().st_size > 10_000
  assert (tmp_path / 'table.md').read_text().strip() == done.stdout.strip()
  metrics = tmp_path / 'seed_0/k_2/adapt/metrics.jsonl'
  stamp = metrics.stat().st_mtime_ns
  assert run(tmp_path, *args).stdout == done.stdout
  assert metrics.stat().st_mtime_ns == stamp


@pytest.mark.slow
def test_adaptation_methods_are_compared_without_points(tmp_path):
  vary = '--vary=uda.strategy=source_only,minent'
  flags = ('--uda_only', '--seeds=1', '--first_seed=4')
  flags += ('--config.uda.steps=1',)
  flags += ('--config.uda.source_only_steps=1',)
  assert [row['method'] for row in studied(tmp_path, vary, *flags)[1]] == [
    'no adaptation',
    'UDA, uda.strategy=source_only',
    'UDA, uda.strategy=minent',
  ]
  assert not (tmp_path / 'curve.png').exists()
  folders = {x.name for x in (tmp_path / 'seed_4').iterdir() if x.is_dir()}
  assert folders == {
    f'stage_1-uda.strategy_{name}' for name in ('minent', 'source_only')
  }
  # The second run took over the first one's source-only phase.
  metrics = 'uda/source_only/metrics.jsonl'
  texts = {(tmp_path / 'seed_4' / x / metrics).read_text() for x in folders}
  assert len(texts) == 1  # they contain times
  logs = [x.read_text() for x in (tmp_path / 'seed_4').glob('*.log')]
  assert sorted('source only: first step' in text for text in logs) == [
    False,
    True,
  ]


def test_a_run_that_fails_is_named_with_why(tmp_path):
  weights = '--config.model.weights=nowhere.pth'
  done = run(tmp_path, '--vary=acquire.k=0', '--seeds=1', weights)
  assert_refused(done, 1, 'stage_1', 'nowhere.pth', 'same command again')


def test_a_name_without_value_is_no_field():
  text = saying.usage(lambda: settings.parse('acquire.k=', '--vary'))
  assert 'FIELD=VALUE' in text
