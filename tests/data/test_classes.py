import json

import pytest
import saying
import trees
from PIL import Image

from pointsup_jax.data import classes, palettes

# From the recipe: id in files -> train id.
LABEL_IDS = {
  7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10,
  24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip


@pytest.mark.parametrize(
  ('file_ids', 'pairs'),
  [(classes.LABEL_IDS, LABEL_IDS), (classes.SYNTHIA_IDS, trees.SYNTHIA_IDS)],
  ids=['cityscapes', 'synthia'],
)
def test_file_ids_become_train_ids_and_all_others_255(file_ids, pairs):
  table = classes.lookup_table(classes.CITYSCAPES.names, file_ids)
  assert [int(x) for x in table] == [pairs.get(i, 255) for i in range(256)]


def test_cityscapes_has_19_classes_with_distinct_colours():
  cityscapes = classes.CITYSCAPES
  assert cityscapes.num_classes == 19
  assert len(set(cityscapes.names)) == 19
  assert len(set(cityscapes.palette)) == 19
  assert cityscapes.names[0] == 'road'
  assert cityscapes.names[18] == 'bicycle'
  assert cityscapes.palette[13] == (0, 0, 142)  # cars are dark blue


def test_synthia_subsets_leave_out_the_classes_it_lacks():
  indices = classes.CITYSCAPES.subset_indices
  assert set(range(19)) - set(indices['16']) == {9, 14, 16}
  assert set(range(19)) - set(indices['13']) == {3, 4, 5, 9, 14, 16}
  sixteen = classes.CITYSCAPES_16
  names = tuple(classes.CITYSCAPES.names[i] for i in indices['16'])
  assert names == tuple(sixteen.names)
  assert len(sixteen.palette) == sixteen.num_classes == 16
  assert set(range(16)) - set(sixteen.subset_indices['13']) == {3, 4, 5}


def test_ignored_ids_are_named_once():
  assert classes.CITYSCAPES.ignore_ids == (255,)
  names, palette = ('a', 'b'), palettes.distinct(2)
  assert classes.ClassSet(names, palette, 255).ignore_ids == (255,)
  assert classes.ClassSet(names, palette, 11).ignore_ids == (11, 255)


def test_camvid_reads_as_its_file_says(shared):
  camvid = classes.load(shared / 'data/camvid/classes.json')
  assert camvid.num_classes == 11
  assert camvid.names[8] == 'car'
  assert camvid.palette[8] == (64, 0, 128)
  assert camvid.ignore_id == 11


def test_a_palette_is_made_where_the_file_has_none(tmp_path):
  path = tmp_path / 'classes.json'
  path.write_text('{"classes": ["road", "sky", "car"]}')
  loaded = classes.load(path)
  expected = [classes.CITYSCAPES.palette[i] for i in (0, 10, 13)]
  assert list(loaded.palette) == expected
  assert loaded.ignore_id is None


GREY = [[128, 128, 128]]


@pytest.mark.parametrize(
  ('content', 'expected'),
  [
    (None, 'classes.json cannot be read'),
    (b'\x89PNG\xff', "classes.json: 'utf-8' codec can't decode"),
    (b'{"classes": ["a", "b"', 'is not JSON'),
    (b'[' * 100_000, 'is not JSON'),
    (b'{"classes": ' + b'9' * 5000 + b'}', 'is not JSON'),
    (['a', 'b'], 'must hold an object'),
    ({'names': ['a', 'b']}, "unknown key 'names'"),
    ({'ignore_id': 3}, '"classes" is missing'),
    ({'classes': 'road'}, 'must be a list of names'),
    ({'classes': ['a', 3]}, 'must be a list of names'),
    ({'classes': ['a', ' ']}, 'must be a list of names'),
    ({'classes': ['a', 'b\x1b[2J']}, "'b\\x1b[2J'; names must be of printable"),
    ({'classes': ['a', 'b\nc']}, 'printable'),
    ({'classes': ['a', '\ud800']}, 'printable'),
    ({'classes': ['a']}, 'has 1 names'),
    ({'classes': ['a', 'b', 'a']}, "'a' 2 times"),
    ({'classes': [str(i) for i in range(255)]}, '255 names'),
    ({'classes': ['a', 'b'], 'palette': GREY}, '1 colours'),
    ({'classes': ['a', 'b'], 'palette': GREY * 3}, '3 colours'),
    ({'classes': ['a', 'b'], 'palette': [[0, 0, 256]] * 2}, '0 to 255'),
    ({'classes': ['a', 'b'], 'palette': [[0, 0]] * 2}, '0 to 255'),
    ({'classes': ['a', 'b'], 'palette': [[0, 0, 0.5]] * 2}, '0 to 255'),
    ({'classes': ['a', 'b'], 'palette': '#fff'}, '0 to 255'),
    ({'classes': ['a', 'b'], 'ignore_id': 256}, 'must be 0 to 255'),
    ({'classes': ['a', 'b'], 'ignore_id': '11'}, 'must be 0 to 255'),
    ({'classes': ['a', 'b'], 'ignore_id': 1}, "id of class 'b'"),
    ({'classes': ['a', 'b'], 'ignore_id': 0}, 'add "first_id": 1'),
    ({'classes': ['a', 'b'], 'first_id': 1}, 'set "ignore_id" to 0'),
    ({'classes': ['a', 'b'], 'first_id': 2}, 'must be 0 or 1'),
    ({'classes': ['a', 'b'], 'guide': ['x']}, '"guide" must be an object'),
    ({'classes': ['a', 'b'], 'guide': {'c': 'x'}}, "'c', which is no class"),
    ({'classes': ['a', 'b'], 'guide': {'a': 1}}, 'no line'),
    ({'classes': ['a', 'b'], 'guide': {'a': 'x\ny'}}, 'no line'),
    ({'classes': ['a', 'b'], 'guide': {'a': 'x' * 501}}, 'no line'),
    ({'classes': ['a', 'b'], 'keys': ['x']}, '"keys" must be an object'),
    ({'classes': ['a', 'b'], 'keys': {'c': 'x'}}, "'c', which is no class"),
    ({'classes': ['a', 'b'], 'keys': {'a': 'xy'}}, 'one printable character'),
    ({'classes': ['a', 'b'], 'keys': {'a': 1}}, 'one printable character'),
    ({'classes': ['a', 'b'], 'keys': {'a': '\n'}}, 'one printable character'),
    ({'classes': ['a', 'b'], 'keys': {'a': 'u'}}, "'u' for 'a', a command"),
    ({'classes': ['a', 'b'], 'keys': {'a': 'x', 'b': 'x'}}, 'must differ'),
    ({'classes': ['a', 'A ']}, 'neither start nor end with a space'),
  ],
)
def test_a_malformed_file_is_named_in_one_line(tmp_path, content, expected):
  path = tmp_path / 'classes.json'
  if content is not None:
    raw = isinstance(content, bytes)
    path.write_bytes(content if raw else json.dumps(content).encode())
  message = saying.message(lambda: classes.load(path))
  assert message.startswith(str(path))
  assert expected in message


def test_classes_may_be_explained(tmp_path):
  path = tmp_path / 'classes.json'
  path.write_text('{"classes": ["a", "b"], "guide": {"b": "Bäume, büsche"}}')
  assert classes.load(path).guide == {'b': 'Bäume, büsche'}


def test_classes_may_have_keys_of_their_own(tmp_path):
  path = tmp_path / 'classes.json'
  path.write_text('{"classes": ["a", "b"], "keys": {"b": "B"}}')
  assert classes.load(path).keys == {'b': 'B'}


def test_ids_may_begin_at_1_if_0_is_ignored(tmp_path):
  path = tmp_path / 'classes.json'
  text = '{"classes": ["a", "b"], "ignore_id": 0, "first_id": 1}'
  path.write_text(text, encoding='utf-16')
  loaded = classes.load(path)
  assert list(loaded.file_ids) == [1, 2]
  assert loaded.ignore_ids == (0, 255)
  assert list(classes.CITYSCAPES.file_ids) == list(range(19))


def with_examples(folder, paths):
  Image.new('RGB', (4, 4)).save(folder / 'pole.png')
  path = folder / 'own' / 'classes.json'
  (path.parent / 'guide').mkdir(parents=True)
  Image.new('RGB', (4, 4)).save(path.parent / 'guide' / 'pole.jpg')
  (path.parent / 'out.png').symlink_to(folder / 'pole.png')
  (path.parent / 'text.png').write_text('no image')
  table = {'classes': ['a', 'b'], 'examples': {'b': paths}}
  path.write_text(json.dumps(table))
  return path


def test_classes_may_have_examples_beside_their_file(tmp_path):
  path = with_examples(tmp_path, ['guide/pole.jpg'])
  found = classes.load(path).examples
  assert found == {'b': (path.parent.resolve() / 'guide' / 'pole.jpg',)}


@pytest.mark.parametrize(
  ('paths', 'expected'),
  [
    ('guide/pole.jpg', 'no list of at most 6 paths'),
    ([7], 'no list of at most 6 paths'),
    (['guide/pole.jpg'] * 7, 'no list of at most 6 paths'),
    (['../pole.png'], 'must be a path below the folder'),
    (['guide/../../pole.png'], 'must be a path below the folder'),
    (['out.png'], 'must be a path below the folder'),
    (['/etc/passwd'], 'must be a path below the folder'),
    ([''], 'must be a path below the folder'),
    (['guide/\n.jpg'], 'must be a path below the folder'),
    (['a\x00b'], 'must be a path below the folder'),
    (['guide'], "'guide', which is no file"),
    (['x' * 300], 'which is no file'),
    (['guide/none.jpg'], "'guide/none.jpg', which is no file"),
    (['text.png'], 'text.png'),
  ],
)
def test_other_examples_are_named_in_one_line(tmp_path, paths, expected):
  path = with_examples(tmp_path, paths)
  message = saying.message(lambda: classes.load(path))
  assert expected in message
  assert str(path) in message
