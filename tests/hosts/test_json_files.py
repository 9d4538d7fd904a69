import pytest
from saying import message

from pointsup_jax.hosts import json_files


@pytest.mark.parametrize('content', ['', '{', '[]', '\xff'])
def test_a_damaged_file_is_named(tmp_path, content, capsys):
  path = tmp_path / 'a.json'
  assert json_files.read_derived(path) is None
  assert not capsys.readouterr().err
  path.write_text(content, encoding='latin-1')
  assert f'{path} is damaged' in message(lambda: json_files.read(path))
  # Derived data can be computed again.
  assert json_files.read_derived(path) is None
  assert f'note: {path} is damaged' in capsys.readouterr().err


def test_half_a_line_at_the_end_does_not_count_and_gives_way(tmp_path):
  path = tmp_path / 'a.jsonl'
  assert json_files.read_lines(path) == []
  for number in range(3):
    with path.open('a') as file:
      file.write('{"number": ')
    assert len(json_files.read_lines(path)) == number
    json_files.append(path, {'number': number})
  assert [x['number'] for x in json_files.read_lines(path)] == [0, 1, 2]


def test_a_damaged_line_is_named(tmp_path):
  path = tmp_path / 'a.jsonl'
  path.write_text('{"a": 1}\n{"a"\n{"a": 3}\n')
  text = message(lambda: json_files.read_lines(path))
  assert f'{path}, line 2, is damaged' in text
