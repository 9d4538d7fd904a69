import os
import pathlib

import pytest
from saying import message

from pointsup_jax.prediction import inputs

OUT = pathlib.Path('/nowhere')


@pytest.fixture(autouse=True)
def _tree(tmp_path, monkeypatch):
  for path in ('a/1.png', 'a/2.JPG', 'a/notes.txt', 'a/.3.png', 'b/c/1.png'):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
  monkeypatch.chdir(tmp_path)


def names(*operands, out=OUT):
  pictures, problems = inputs.find(operands, out)
  assert not problems
  for picture in pictures:
    assert picture.path.is_absolute()
    assert picture.path.exists()
  return [picture.name for picture in pictures]


def test_a_folder_names_its_images_by_their_path_below_it():
  assert names('.') == ['a/1', 'a/2', 'b/c/1']
  assert names('a') == ['1', '2']
  assert names('b', 'a/2.JPG') == ['2', 'c/1']


def test_files_are_named_below_the_folder_that_holds_them_all():
  assert names('a/1.png') == ['1']
  assert names('a/1.png', 'b/c/1.png') == ['a/1', 'b/c/1']
  assert names('a/../a/1.png', './a/2.JPG') == ['1', '2']


def test_patterns_are_as_the_shell_would_expand_them():
  assert names('**/*.png') == names('a/1.png', 'b/c/1.png')
  assert names('a/*.JPG') == ['2']
  assert names('[ab]') == names('a', 'b')


def test_a_name_with_the_characters_of_a_pattern_is_a_name(tmp_path):
  (tmp_path / 'x[1].png').touch()
  assert names('x[1].png') == ['x[1]']


def test_an_image_that_is_named_twice_counts_once():
  assert names('a', 'a/1.png') == ['1', '2']


def test_images_that_differ_in_their_suffix_keep_it(tmp_path):
  (tmp_path / 'a/1.tif').touch()
  assert names('a') == ['1.png', '1.tif', '2']


def test_two_images_of_one_name_are_refused():
  text = message(lambda: inputs.find(['a', 'b/c'], OUT))
  assert 'a/1.png' in text
  assert 'b/c/1.png' in text


def test_links_are_followed_but_not_in_circles(tmp_path):
  (tmp_path / 'b/back').symlink_to('..')
  (tmp_path / 'linked').symlink_to('a')
  assert names('linked') == ['1', '2']
  assert len(names('b')) == 3  # c/1, and a/1 and a/2 through the link back


def test_pipes_and_predictions_are_no_input(tmp_path):
  os.mkfifo(tmp_path / 'a/pipe.png')
  (tmp_path / 'out').mkdir()
  (tmp_path / 'out/1.png').touch()
  assert names('.', out=pathlib.Path('out')) == ['a/1', 'a/2', 'b/c/1']


def test_what_names_no_image_is_reported():
  pictures, problems = inputs.find(['a', 'none.png', 'x*', 'a/../b/c/..'], OUT)
  assert [picture.name for picture in pictures] == ['1', '2', 'c/1']
  assert len(problems) == 2
  assert 'none.png' in problems[0]
  assert 'x*' in problems[1]
  os.unlink('b/c/1.png')
  assert 'no images' in inputs.find(['b'], OUT)[1][0]
