import pytest

from pointsup_jax import errors
from pointsup_jax.hosts import processes, progress
from pointsup_jax.stages import sequence


class Store:
  """A workdir whose store does not answer."""

  def push(self):
    raise errors.UserError('gs://bucket/run: no route to host')


def test_a_store_that_does_not_answer_does_not_hide_what_ended_the_run(capsys):
  with pytest.raises(errors.Stopped), sequence.pushed(Store()):
    raise errors.Stopped('stopped')
  assert 'no route to host' in capsys.readouterr().err


def test_a_store_that_does_not_answer_in_the_end_is_an_error():
  with (
    pytest.raises(errors.UserError, match='no route'),
    sequence.pushed(Store()),
  ):
    pass


@pytest.mark.parametrize('is_first', [True, False])
def test_a_table_is_printed_on_one_host(is_first, monkeypatch, capsys):
  monkeypatch.setattr(processes, 'is_first', lambda: is_first)
  progress.show('mIoU')
  assert capsys.readouterr().out == ('mIoU\n' if is_first else '')
