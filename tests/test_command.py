"""What all commands do with their command line."""

import os

import pytest

from configs import gta_active
from pointsup_jax import command


@pytest.mark.parametrize(
  ('arg', 'expanded'),
  [
    ('--workdir=~/runs/x', '--workdir=/home/ana/runs/x'),
    ('--out=~', '--out=/home/ana'),
    ('--out=a/~/b', '--out=a/~/b'),
    ('~/x', '~/x'),
  ],
)
def test_a_tilde_in_a_flag_is_the_home_folder(arg, expanded, monkeypatch):
  monkeypatch.setitem(os.environ, 'HOME', '/home/ana')
  assert command.without_tilde(arg) == expanded


def test_a_tilde_in_a_config_is_the_home_folder(monkeypatch):
  monkeypatch.setitem(os.environ, 'HOME', '/home/ana')
  config = gta_active.get_config()
  config.data.root = '~/data'
  config.data.target.root = '~/Cityscapes'
  command.without_tildes(config)
  assert config.data.root == '/home/ana/data'
  assert config.data.target.root == '/home/ana/Cityscapes'
  assert config.data.evaluation.root == '/home/ana/Cityscapes'
