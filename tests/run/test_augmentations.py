import contextlib

import numpy as np
import pytest
import saying

from configs import streets_active
from pointsup_jax import errors
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.run import augmentations, config_check, workdir
from pointsup_jax.run import context as run_lib
from pointsup_jax.stages import phase
from pointsup_jax.training.augmentation import Augmentation


@pytest.fixture
def config():
  return streets_active.get_config()  # its images are 96x192


def run_of(config):
  return run_lib.Run(config, workdir.Workdir('run'), classes_lib.CITYSCAPES)


@pytest.mark.parametrize(
  ('field', 'value', 'words'),
  [
    ('source.mirror', 1.5, '0 to 1'),
    ('source.mirror', float('nan'), '0 to 1'),
    ('target.jitter', -0.1, '0 to 1'),
    ('target.scale', (1.2, 0.8), '(0.8, 1.2)'),
    ('target.scale', (1.0,), 'the least and the largest'),
    ('target.scale', (0.0, 1.0), '0.1 to 10.0'),
    ('target.scale', (1.0, 11.0), '0.1 to 10.0'),
    ('target.scale', ('a', 'b'), 'the least and the largest'),
    ('source.crop', (64,), 'a height and a width'),
    ('source.crop', (64.5, 64), 'integers'),
    ('source.crop', (16, 64), 'at least 32'),
    # Nothing is padded.
    ('source.crop', (97, 64), 'larger than (96, 192)'),
    ('source.scale', (0.5, 1.0), 'crop=(96, 192) is larger than (48, 96)'),
    ('evaluation.mirror', 0.5, 'evaluated as they are'),
    ('evaluation.crop', (64, 64), 'evaluation.crop=(64, 64)'),
  ],
)
def test_what_cannot_be_is_refused_in_one_line(config, field, value, words):
  config.update_from_flattened_dict({f'data.{field}': value})
  message = saying.refusal(
    lambda: config_check.check(config), errors.UsageError
  )
  assert words in message
  assert f'data.{field.split(".")[0]}' in message
  assert '\n' not in message


def test_a_crop_fits_at_the_least_scale(config):
  config.data.source.update(scale=(0.5, 1.0), crop=(48, 96))
  config_check.check(config)
  config.data.source.crop = (49, 96)
  with pytest.raises(errors.UsageError, match='nothing is padded'):
    config_check.check(config)


def test_nothing_changes_unless_it_is_asked_for(config):
  run = run_of(config)
  assert augmentations.of_phase(run, 'uda') == {}
  config.data.target.update(mirror=0.5, crop=(64, 128))
  found = augmentations.of_phase(run, 'uda')
  assert found.keys() == {'target'}
  assert found['target'] == Augmentation(
    mirror=0.5, crop=(64, 128), seed=found['target'].seed
  )


def test_every_phase_and_domain_has_its_own_seed(config):
  for name in ('source', 'target'):
    config.data[name].mirror = 0.5
  seeds = set()
  for seed in (0, 1):
    config.seed = seed
    for place in ('uda', 'adapt'):
      found = augmentations.of_phase(run_of(config), place)
      seeds |= {how.seed for how in found.values()}
  assert len(seeds) == 2 * 2 * 2


def test_the_words_are_those_of_the_config(config):
  config.data.source.update(mirror=0.5, scale=(1.0, 1.5))
  said = augmentations.in_words(config.data.source)
  assert said == ', random mirror=0.5, scale=(1.0, 1.5)'
  assert augmentations.in_words(config.data.target) == ''


@pytest.mark.parametrize('start', [0, 3])
def test_batches_of_changed_domains_know_their_images(config, start):
  config.data.target.mirror = 0.5
  for name in ('source', 'target'):
    config.data[name].length = 2
  run = run_of(config)
  source, target = (
    run.source(name, labelled=True) for name in ('source', 'target')
  )
  with contextlib.closing(
    phase.pair_batches(run, source, target, start, 'uda')
  ) as batches:
    pair = next(batches)
  assert pair.source.ids is None
  assert np.shape(pair.target.ids) == (2,)
