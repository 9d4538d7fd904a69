"""An export or prediction that was stopped half-way can be run again."""

import numpy as np
import pytest
import saying

from pointsup_jax.data import classes
from pointsup_jax.hosts import atomic_files
from pointsup_jax.prediction import folder, standalone


@pytest.fixture
def export(tmp_path, monkeypatch):
  """Exports a model's name, or fails at the n-th file."""
  monkeypatch.setattr(
    standalone.pretrained, 'to_torch', lambda x: {'a': np.ones(x)}
  )
  monkeypatch.setattr(standalone, 'serialize', lambda model, _: model.name)
  monkeypatch.setattr(standalone, 'describe', lambda m, _: {'is': str(m.name)})
  write = atomic_files.write

  class Model:
    variables = 3

    def __init__(self, name):
      self.name = name

  def export(name, fails_at=3, overwrite=False):
    written = iter(range(4))

    def limited(path, content):
      if next(written) == fails_at:
        raise OSError('no space left')
      write(path, content)

    monkeypatch.setattr(atomic_files, 'write', limited)
    standalone.require_free(tmp_path / 'out', overwrite=overwrite)
    standalone.write(Model(name), (32, 64), tmp_path / 'out')

  return export


@pytest.mark.parametrize('fails_at', [0, 1, 2])
@pytest.mark.parametrize('before', [False, True])
def test_an_export(export, fails_at, before, tmp_path):
  if before:
    export(b'one')
  with pytest.raises(OSError, match='no space'):
    export(b'two', fails_at, overwrite=before)
  # Nobody takes the files for an export of either.
  assert not (tmp_path / 'out/model.json').exists()
  export(b'two')
  assert (tmp_path / 'out/model.stablehlo').read_bytes() == b'two'
  assert 'has a model.json already' in saying.usage(lambda: export(b'two'))


def test_a_prediction_before_its_first_file_was_whole(tmp_path):
  part = atomic_files.part_of(tmp_path / 'model.json')
  part.write_text('{"mod')
  folder.clear(tmp_path)
  folder.Folder(tmp_path, {'ids': [*range(19)]}, classes.CITYSCAPES)
  assert (tmp_path / 'model.json').exists()
  assert not part.exists()
