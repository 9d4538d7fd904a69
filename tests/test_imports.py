"""Allowed imports between the packages (docs/ARCHITECTURE.md)."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / 'pointsup_jax'
# Modules directly in the package; all but `config` are for everyone.
SHARED = {'types', 'errors', 'config', 'command'}
SCIENCE = {
  'models', 'losses', 'uda', 'acquisition', 'evaluation', 'training',
}  # fmt: skip
# Imports each package may have, beside itself and `SHARED`.
ALLOWED = {
  'types': set(),
  'errors': set(),
  'config': set(),
  'command': {'hosts'},
  'hosts': set(),
  'models': {'hosts'},
  'losses': set(),
  'data': {'hosts'},
  'annotation': {'data', 'hosts'},
  'uda': {'losses', 'models'},
  'acquisition': {'losses', 'models'},
  'evaluation': {'models', 'losses'},
  'training': {'models', 'losses', 'uda', 'hosts'},
  'run': {*SCIENCE, 'data', 'annotation', 'hosts'},
  'report': {*SCIENCE, 'data', 'annotation', 'hosts', 'run'},
  'stages': {*SCIENCE, 'data', 'annotation', 'hosts', 'run', 'report'},
  'study': {'data', 'annotation', 'hosts', 'run', 'report'},
  'prediction': {*SCIENCE, 'data', 'hosts', 'run'},
}
STAGES = {'uda', 'acquire', 'annotate', 'adapt', 'evaluate', 'report'}
OURS = {'pointsup_jax', 'launch', 'configs', 'benchmarks', 'experiments'}
FILES = sorted(PACKAGE.rglob('*.py'))


def modules_used(path):
  """Dotted names of this project's modules that a file imports."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      names = [f'{node.module}.{alias.name}' for alias in node.names]
    else:
      continue
    yield from (name for name in names if name.split('.')[0] in OURS)


def test_the_root_holds_what_all_share_and_folders():
  files = {path.stem for path in PACKAGE.glob('*.py')}
  assert files == SHARED | {'__init__'}
  rooms = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
  assert rooms | SHARED == ALLOWED.keys()


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_lies_below_it(path):
  part = path.relative_to(PACKAGE).parts[0].removesuffix('.py')
  for name in modules_used(path):
    package, *rest = name.split('.')
    assert package == 'pointsup_jax', f'{path} imports {name}'
    if rest:
      allowed = SHARED | {part} | ALLOWED.get(part, set())
      assert rest[0] in allowed, f'{part} must not import {rest[0]} ({path})'


@pytest.mark.parametrize('stage', sorted(STAGES))
def test_no_stage_imports_another_stage(stage):
  used = {
    name.split('.')[2]
    for name in modules_used(PACKAGE / 'stages' / f'{stage}.py')
    if name.startswith('pointsup_jax.stages.')
  }
  assert not used & STAGES


def test_configs_import_the_fields_and_nothing_else():
  for path in (ROOT / 'configs').glob('*.py'):
    for name in modules_used(path):
      assert name.startswith(('configs.', 'pointsup_jax.config.')), path


def test_nothing_imports_a_command():
  for path in ROOT.glob('*/**/*.py'):
    if path.parts[len(ROOT.parts)] in OURS:
      assert not any(name.startswith('launch') for name in modules_used(path))
