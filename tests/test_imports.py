"""Imports point one way through the house (README, 'Architecture')."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FREE = {
  'types',
  'errors',
  'progress',
  'command',
  'stop',
  'processes',
  'presence',
  'lock',
  'whole_file',
  'object_store',
}  # anything may use these
ALLOWED = {
  'types': set(),
  'errors': set(),
  'progress': set(),
  'command': set(),
  'stop': set(),
  'processes': set(),
  'presence': set(),
  'lock': set(),
  'whole_file': set(),
  'object_store': set(),
  'models': set(),
  'losses': set(),
  'data': set(),
  'annotation': {'data'},
  'uda': {'losses'},
  'acquisition': {'losses', 'models'},
  'evaluation': {'models', 'losses'},
  'reporting': {'data', 'annotation'},
  'training': {'models', 'losses', 'uda'},
  'stages': {
    'models', 'losses', 'data', 'annotation', 'uda', 'acquisition',
    'evaluation', 'reporting', 'training',
  },
  'prediction': {
    'models', 'losses', 'data', 'evaluation', 'training', 'stages',
  },
}  # fmt: skip
FILES = sorted((ROOT / 'pointsup_jax').rglob('*.py'))


def modules_used(path):
  """Dotted names of our own modules that a file imports."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      names = [f'{node.module}.{alias.name}' for alias in node.names]
    else:
      continue
    yield from (n for n in names if n.startswith(('pointsup_jax', 'launch')))


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_lies_below_it(path):
  part = path.relative_to(ROOT / 'pointsup_jax').parts[0].removesuffix('.py')
  for name in modules_used(path):
    package, *rest = name.split('.')
    assert package == 'pointsup_jax', f'{path} imports {name}'
    if not rest:
      continue
    allowed = FREE | {part} | ALLOWED.get(part, set())
    assert rest[0] in allowed, f'{part} must not import {rest[0]} ({path})'


def test_no_stage_imports_another_stage():
  stages = {'uda', 'acquire', 'annotate', 'adapt', 'evaluate', 'report'}
  for stage in stages:
    path = ROOT / 'pointsup_jax' / 'stages' / f'{stage}.py'
    if path.exists():
      used = {
        name.split('.')[2]
        for name in modules_used(path)
        if name.startswith('pointsup_jax.stages.')
      }
      assert not used & (stages - {stage}), f'{path} imports {used & stages}'


def test_configs_import_nothing_of_ours():
  for path in (ROOT / 'configs').glob('*.py'):
    assert not list(modules_used(path)), path
