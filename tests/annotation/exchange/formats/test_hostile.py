"""Files that are something else, damaged or malicious: one line each."""

import json

import pytest
import saying

from pointsup_jax import errors
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange import importing
from pointsup_jax.annotation.exchange.formats import words as words_lib
from pointsup_jax.data import classes as classes_lib

WORDS = words_lib.Words(classes_lib.CITYSCAPES)
BOMB = '<!DOCTYPE a [<!ENTITY a "ha">' + ''.join(
  f'<!ENTITY {b} "&{a};&{a};&{a};&{a};&{a};&{a};&{a};&{a};&{a};&{a};">'
  for a, b in zip('abcdefgh', 'bcdefghi', strict=True)
) + ']><annotations>&i;</annotations>'  # fmt: skip


def assert_refused(path, format_name, *words):
  with store_lib.Store(path.parent / 'annotations.sqlite', 19) as store:
    message = saying.message(
      lambda: importing.import_file(
        store, path, format_name, size=(64, 128), words=WORDS
      )
    )
  assert message.startswith(str(path))
  for word in words:
    assert word in message
  return message


@pytest.mark.parametrize(
  'text',
  [
    BOMB,
    '<?xml version="1.0"?><!DOCTYPE annotations SYSTEM "file:///etc/passwd">'
    '<annotations/>',
    '<!doctype annotations><annotations/>',
    '<! ENTITY x "y"><annotations/>',
    '<annotations><!-- <!DOCTYPE x> --></annotations>',
  ],
  ids=['bomb', 'external', 'lower case', 'space', 'comment'],
)
def test_declarations_in_xml_are_refused_before_parsing(
  tmp_path, text, monkeypatch
):
  path = tmp_path / 'a.xml'
  path.write_text(text)
  monkeypatch.setattr('xml.etree.ElementTree.fromstring', None)
  assert_refused(path, 'cvat', 'DOCTYPE or an entity')


@pytest.mark.parametrize('encoding', ['utf-16', 'utf-32', 'utf-7'])
def test_no_encoding_hides_a_declaration(tmp_path, encoding):
  path = tmp_path / 'a.xml'
  head = f'<?xml version="1.0" encoding="{encoding}"?>'
  path.write_bytes((head + BOMB).encode(encoding))
  assert_refused(path, 'cvat')


@pytest.mark.parametrize(
  ('text', 'words'),
  [
    ('', ['not XML']),
    ('{}', ['not XML']),
    ('<annotations>', ['not XML']),
    ('<annotations>&undefined;</annotations>', ['not XML']),
    ('<osm/>', ['<osm>', 'CVAT for images 1.1']),
    ('<annotations><track id="0"/></annotations>', ['CVAT for images 1.1']),
  ],
)
def test_what_cvat_does_not_write_is_refused(tmp_path, text, words):
  path = tmp_path / 'a.xml'
  path.write_text(text)
  assert_refused(path, 'cvat', *words)


@pytest.mark.parametrize(
  'points', ['', '1', '1,2,3', '1,2;3,4', 'a,b', 'nan,1', 'inf,1', None]
)
def test_a_shape_that_is_no_point_is_faulty(tmp_path, points):
  path = tmp_path / 'a.xml'
  place = '' if points is None else f'points="{points}"'
  path.write_text(
    '<annotations><image name="a" width="9" height="9">'
    f'<points label="query" {place}/></image></annotations>'
  )
  assert_refused(path, 'cvat', '1 faults among 1', 'there must be one')


def test_deep_nesting_is_no_crash(tmp_path):
  path = tmp_path / 'a.xml'
  path.write_text(f'{"<annotations>" * 100_000}{"</annotations>" * 100_000}')
  assert importing.read(path, 'cvat') == []
  path = tmp_path / 'a.json'
  path.write_text('[' * 100_000)
  assert_refused(path, 'label_studio', 'not JSON')


def task(**changes):
  annotation = {'result': [], 'completed_by': 1, 'lead_time': 1.0}
  return [{'id': 3, 'data': {}, 'annotations': [annotation | changes]}]


def region(**changes):
  whole = {
    'id': 'x',
    'type': 'keypointlabels',
    'value': {'x': 1, 'y': 1, 'width': 0.3, 'keypointlabels': ['car']},
  }
  return task(result=[whole | changes])


@pytest.mark.parametrize(
  ('content', 'words'),
  [
    ('', ['not JSON']),
    ('[{]', ['not JSON']),
    ('[' + '9' * 5000 + ']', ['not JSON']),
    ({}, ['not a list of tasks', "'JSON'"]),
    ({'images': [], 'annotations': []}, ['not a list of tasks', 'COCO']),
    ([1], ['task 1']),
    ([None], ['task 1']),
    ([{'id': 1, 'image': 'x.png', 'point': []}], ['task 1', 'JSON-MIN']),
    ([{'annotations': 5}], ['task 1']),
    ([{'annotations': [None]}], ['task 1']),
    ([{'annotations': [{'result': None}]}], ['task 1']),
    (task(result=[5]), ['task 1']),
    (task(result={'a': 1}), ['task 1']),
    (region(value=None), ['task 1']),
    (region(value={'keypointlabels': 5}), ['task 1']),
    (region(value={'keypointlabels': ['car', 'bus']}), ['has 2 classes']),
    (region(value={'keypointlabels': [{}]}), ['added by hand']),
    (region(id=None), ['added by hand']),
    (region(id=['a']), ['added by hand']),
    (region(id='a-r1-c1'), ['was never asked']),
  ],
)
def test_what_label_studio_does_not_write_is_refused(tmp_path, content, words):
  path = tmp_path / 'a.json'
  text = content if isinstance(content, str) else json.dumps(content)
  path.write_text(text)
  assert_refused(path, 'label_studio', *words)


@pytest.mark.parametrize('lead_time', [None, 'long', float('nan'), [], True])
@pytest.mark.parametrize('person', [None, 7, 'ana', {'id': 7}, {}, []])
def test_times_and_people_may_be_anything(tmp_path, lead_time, person):
  path = tmp_path / 'a.json'
  content = region()
  content[0]['annotations'][0] |= {
    'lead_time': lead_time, 'completed_by': person,
  }  # fmt: skip
  path.write_text(json.dumps(content))
  (given,) = importing.read(path, 'label_studio')
  names = {7: 'user 7', 'ana': 'ana'}
  expected = 'user 7' if person == {'id': 7} else 'label_studio'
  if not isinstance(person, dict | list):
    expected = names.get(person, 'label_studio')
  assert given.annotator == expected
  assert given.seconds in (None, 1.0)


def test_other_controls_of_a_project_are_no_answers(tmp_path):
  path = tmp_path / 'a.json'
  results = [
    {'id': 'a-r1-c1', 'type': 'textarea', 'value': {'text': ['blurred']}},
    {'id': 'k', 'type': 'rectanglelabels', 'value': {}},
    {'from_id': 'a', 'to_id': 'b', 'type': 'relation'},
  ]
  path.write_text(json.dumps(task(result=results)))
  assert importing.read(path, 'label_studio') == []


@pytest.mark.parametrize(
  ('text', 'words'),
  [
    ('', ["no column 'id'", 'id,label,annotator']),
    ('a-r1-c1,road\n', ["no column 'id'"]),
    ('id,class\na,b\n', ["no column 'label'"]),
    ('id,label\n"a-r1-c1,road\nb-r1-c1,car\n', ['line 3', 'end of data']),
    ('id,label\na-r1-c1,road,ana\n', ['3 cells under 2 columns']),
    ('id,label,seconds\na-r1-c1,road,long\n', ["seconds 'long'"]),
    ('id,label\n' + 'x' * 200_000 + ',road\n', ['line 2', 'limit']),
  ],
)
def test_what_is_no_csv_of_ours_is_refused(tmp_path, text, words):
  path = tmp_path / 'a.csv'
  path.write_text(text)
  assert_refused(path, 'csv', *words)


@pytest.mark.parametrize(
  'text',
  [
    'id,label,annotator\na-r1-c1,road,ana\n',
    '\ufeffid;label;annotator\r\na-r1-c1;road;ana\r\n',
    'Label\tAnnotator\tId\nroad\tana\ta-r1-c1 \n\n',
    'note,id,label,annotator\n"one, two",a-r1-c1,road,ana\n',
  ],
  ids=['plain', 'european', 'tabs', 'more columns'],
)
def test_csv_of_any_spreadsheet_is_read(tmp_path, text):
  path = tmp_path / 'a.csv'
  path.write_text(text, encoding='utf-8')
  (given,) = importing.read(path, 'csv')
  assert (given.point, given.word, given.annotator) == (
    'a-r1-c1',
    'road',
    'ana',
  )


def test_other_encodings_are_refused_with_advice(tmp_path):
  path = tmp_path / 'a.csv'
  path.write_bytes('id,label\nä-r1-c1,road\n'.encode('latin-1'))
  assert_refused(path, 'csv', 'UTF-8')


def test_a_missing_file_and_formats_that_are_only_written(tmp_path):
  assert_refused(tmp_path / 'a.csv', 'csv', 'No such file')
  with pytest.raises(errors.UsageError, match=r'coco is only written.*cvat'):
    importing.read(tmp_path / 'a.json', 'coco')


def test_words_of_a_foreign_file_stay_in_their_line(tmp_path, capsys):
  path = tmp_path / 'a.json'
  path.write_text(json.dumps(region(id='\x1b[2J\nerror: ' + 'x' * 5000)))
  assert '\x1b' not in assert_refused(path, 'label_studio')
  assert len(capsys.readouterr().err.splitlines()) == 1
