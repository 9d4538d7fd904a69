import json
import shutil
import subprocess

import pytest

from configs import streets_active
from pointsup_jax.data import classes
from pointsup_jax.run import config_file, provenance, workdir


def test_the_devices_of_all_commands_are_kept_and_a_change_is_told(
  tmp_path, capsys
):
  folder = workdir.Workdir(tmp_path / 'run')
  config = streets_active.get_config()
  said = []
  for devices in ('8 x TPU v4', '8 x TPU v4', '1 x cpu'):
    config_file.claim(folder, config, classes.CITYSCAPES, devices)
    said.append(capsys.readouterr().err)
  assert said[:2] == ['', '']
  assert 'was on 8 x TPU v4 before and goes on with 1 x cpu' in said[2]
  known = json.loads(folder.config.read_text())
  assert known['devices'] == ['8 x TPU v4', '1 x cpu']


@pytest.mark.skipif(not shutil.which('git'), reason='needs git')
def test_a_package_inside_another_repository_is_not_of_its_commit(tmp_path):
  def git(*words):
    identity = ('-c', 'user.name=a', '-c', 'user.email=a@b')
    subprocess.run(['git', *identity, *words], cwd=tmp_path, check=True)

  git('init', '-q')
  (tmp_path / '.gitignore').write_text('.venv')
  (tmp_path / 'tracked.py').touch()
  (tmp_path / '.venv').mkdir()
  (tmp_path / '.venv/installed.py').touch()
  git('add', '.')
  git('commit', '-qm', 'theirs')
  assert provenance.revision(tmp_path / '.venv/installed.py') is None
  assert len(provenance.revision(tmp_path / 'tracked.py')) == 40
