"""Names out of data, on a terminal, in a table and as names of files."""

import csv
import io

import pytest
import saying

from pointsup_jax import command, errors
from pointsup_jax.hosts import csv_text, paths, progress

ESCAPES = ('\x1b[2J', '\x07', '\r', '\x9b31m', '\u202e', '\ud800', '\u2028')


@pytest.mark.parametrize('escape', ESCAPES)
def test_no_line_on_a_terminal_carries_escapes(escape, capsys):
  name = f'a{escape}b'
  progress.say(f'note: {name}\nerror: none')
  progress.show(f'table\n{name}')
  for _ in progress.each([1], name, 1):
    pass
  with pytest.raises(SystemExit):
    command.fail(errors.UserError(f'{name}\nnot so'))
  with pytest.raises(errors.UserError), command.explained():
    raise RuntimeError(name)
  said = capsys.readouterr()
  assert said.out.splitlines()[0] == 'table'
  for text in (said.out, said.err):
    assert escape not in text
    assert escape.encode('unicode_escape').decode() in text
  assert said.err.splitlines()[0].endswith('error: none')  # one line each


def test_names_of_all_languages_stay_readable(capsys):
  progress.show('Straße 道 مسار')
  assert capsys.readouterr().out == 'Straße 道 مسار\n'


FORMULAS = (
  '=1+1', '+cmd', '-a', '@SUM(A1)', '\t=1', '\r=1', '\n=1', "'=1", "''-x",
  '=cmd|" /C calc"!A0',
)  # fmt: skip
PLAIN = ('road', '', "'", "'a'", "o'neil", 'a=1', 'ä', ' =1')


@pytest.mark.parametrize('text', [*FORMULAS, *PLAIN])
def test_a_cell_is_no_formula_and_comes_back(text):
  (header,), (cell,) = csv.reader(io.StringIO(csv_text.write([text], [[text]])))
  assert cell == header
  assert cell[:1] not in tuple('=+-@\t\r\n')
  assert (cell == text) == (text in PLAIN)
  assert csv_text.plain(cell) == text


@pytest.mark.parametrize(
  'text', ['x;=HYPERLINK("http://e")', 'a\t-1', ";'=1", '=1;=2', 'a;;@b']
)
def test_no_part_of_a_cell_is_a_formula_for_those_who_split_there(text):
  _, (cell,) = csv.reader(io.StringIO(csv_text.write(['a'], [[text]])))
  parts = cell.replace('\t', ';').split(';')
  assert not [x for x in parts if x[:1] in tuple('=+-@')]
  assert csv_text.plain(cell) == text


@pytest.mark.parametrize('number', [-1, -2.5, '-2.50', '+1e-3', 7, None])
def test_numbers_stay_numbers(number):
  text = csv_text.write(['a', 'b'], [[number, 'x']])
  assert text == f'a,b\n{"" if number is None else number},x\n'


@pytest.mark.parametrize(
  'name',
  ['../a', 'b/../../a', '/tmp/a', 'link/a', 'loop/a', 'nul\0', '..'],
)
def test_no_name_leads_out_of_its_folder(tmp_path, name):
  folder = tmp_path / 'folder'
  folder.mkdir()
  (folder / 'link').symlink_to(tmp_path)
  (folder / 'loop').symlink_to(folder / 'loop')
  text = saying.message(lambda: paths.inside(folder, name).write_text('x'))
  assert 'leads out of' in text
  assert not (tmp_path / 'a').exists()


def test_other_names_and_a_folder_that_is_a_link_are_fine(tmp_path):
  (tmp_path / 'disk').mkdir()
  folder = tmp_path / 'folder'
  folder.symlink_to(tmp_path / 'disk')
  for name in ('a.png', 'b/c.png', 'b/../c.png', '..a', 'ä ö'):
    assert paths.inside(folder, name) == folder / name
