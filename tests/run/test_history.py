import pytest

from pointsup_jax import errors
from pointsup_jax.run import history, workdir


def test_every_session_is_kept_however_it_ended(tmp_path, monkeypatch):
  monkeypatch.setattr('sys.argv', ['main.py', '--config=a b.py'])
  folder = workdir.Workdir(tmp_path)
  assert history.read(folder) == []
  with history.recorded(folder, 'uda'):
    pass
  with pytest.raises(errors.Stopped), history.recorded(folder, 'adapt'):
    raise errors.Stopped('stopped')
  first, second = history.read(folder)
  assert (first.stage, first.outcome) == ('uda', 'done')
  assert (second.stage, second.outcome) == ('adapt', 'Stopped')
  assert first.command == "python -m launch.main '--config=a b.py'"
  assert 0 <= first.seconds < 5
  assert first.began.endswith('Z')


def test_half_a_line_of_a_full_disk_is_passed_over(tmp_path):
  folder = workdir.Workdir(tmp_path)
  with history.recorded(folder, 'uda'):
    pass
  with folder.history.open('a') as file:
    file.write('{"stage": "ada')
  assert len(history.read(folder)) == 1
  with history.recorded(folder, 'adapt'):
    pass
  assert [session.stage for session in history.read(folder)] == ['uda', 'adapt']


def test_a_full_disk_does_not_hide_what_ended_the_stage(tmp_path):
  folder = workdir.Workdir(tmp_path)
  folder.history.mkdir()  # so that nothing can be appended
  with pytest.raises(errors.Stopped), history.recorded(folder, 'uda'):
    raise errors.Stopped
  with pytest.raises(IsADirectoryError), history.recorded(folder, 'uda'):
    pass
