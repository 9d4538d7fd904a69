"""A wrong command line or config: one line, exit code 2, nothing written."""

import pytest
from launching import STREETS, assert_refused, launch, tiny


@pytest.mark.parametrize(
  ('args', 'words'),
  [
    ((), ['--config=']),
    (('--config=configs/none.py',), ['configs/none.py']),
    ((STREETS, '--config.kk=3'), ['--config.kk', '--config.acquire.k']),
    ((STREETS, '--config.acquire.kk=3'), ['--config.acquire.k?']),
    ((STREETS, '--config.acquire.k=3.5'), ['acquire.k', '3.5']),
    (('--config', 'configs/streets_active.py', '--config.kk=3'), ['kk']),
    (('--config', 'configs/none.py'), ['configs/none.py']),
    (('--config=configs/paper_rows.py',), ['no config', 'gta_active']),
    (('--config=README.md',), ['no config', 'gta_active']),
    ((STREETS, '--config.seed=-1'), ['seed', '-1']),
    ((STREETS, '--stage=train'), ['stage', 'train']),
    ((STREETS, '--wrkdir=x'), ['wrkdir']),
    ((STREETS, 'adapt'), ['adapt']),
    ((STREETS, '--config.acquire.k=129'), ['acquire.k', '129', '128']),
    ((STREETS, '--stage=adapt'), ['annotate']),
  ],
  ids=lambda x: ' '.join(x[1:]) if isinstance(x, tuple) else '',
)
def test_usage_error(args, words, tmp_path):
  workdir = tmp_path / 'run'
  assert_refused(launch(*args, f'--workdir={workdir}'), 2, *words)
  assert not (workdir / 'uda').exists()


def test_a_foreign_folder_is_neither_used_nor_deleted(tmp_path):
  (tmp_path / 'thesis.tex').write_text('years of work')
  for extra in ((), ('--overwrite',)):
    assert_refused(launch(*tiny(tmp_path, *extra)), 2, str(tmp_path))
    assert (tmp_path / 'thesis.tex').read_text() == 'years of work'
