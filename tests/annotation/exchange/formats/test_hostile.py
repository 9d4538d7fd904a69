"""Damaged, malicious or wrong files: a one-line error each."""

import csv
import io
import json
import zipfile

import people
import pytest
import saying

from pointsup_jax import errors
from pointsup_jax.annotation import records
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.annotation.exchange import importing
from pointsup_jax.annotation.exchange.formats import words as words_lib
from pointsup_jax.data import classes as classes_lib

BOMB = '<!DOCTYPE a [<!ENTITY a "ha">' + ''.join(
  f'<!ENTITY {b} "&{a};&{a};&{a};&{a};&{a};&{a};&{a};&{a};&{a};&{a};">'
  for a, b in zip('abcdefgh', 'bcdefghi', strict=True)
) + ']><annotations>&i;</annotations>'  # fmt: skip


@pytest.fixture
def write(tmp_path):
  def write(format_name, content):
    if not isinstance(content, str | bytes):
      content = json.dumps(content)
    path = tmp_path / people.FILES[format_name]
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path

  return write


def assert_refused(path, format_name, *words):
  with store_lib.Store(path.parent / 'annotations.sqlite', 19) as store:
    message = saying.message(
      lambda: people.import_file(store, path, format_name)
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
def test_xml_declarations_are_refused_before_parsing(write, text, monkeypatch):
  monkeypatch.setattr('xml.etree.ElementTree.fromstring', None)
  assert_refused(write('cvat', text), 'cvat', 'DOCTYPE or an entity')


@pytest.mark.parametrize('encoding', ['utf-16', 'utf-32', 'utf-7'])
def test_no_encoding_hides_a_declaration(write, encoding):
  head = f'<?xml version="1.0" encoding="{encoding}"?>'
  assert_refused(write('cvat', (head + BOMB).encode(encoding)), 'cvat')


@pytest.mark.parametrize(
  'points', ['', '1', '1,2,3', '1,2;3,4', 'a,b', 'nan,1', 'inf,1', None]
)
def test_a_shape_that_is_no_point_is_faulty(write, points):
  place = '' if points is None else f'points="{points}"'
  path = write(
    'cvat',
    '<annotations><image name="a" width="9" height="9">'
    f'<points label="query" {place}/></image></annotations>',
  )
  assert_refused(path, 'cvat', '1 faults among 1', 'there must be one')


def test_deep_nesting_is_no_crash(write):
  deep = f'{"<annotations>" * 100_000}{"</annotations>" * 100_000}'
  assert importing.read(write('cvat', deep), 'cvat') == []
  path = write('label_studio', '[' * 100_000)
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


NEVER_WRITTEN = {
  'cvat': [
    ('', ['not XML']),
    ('{}', ['not XML']),
    ('<annotations>', ['not XML']),
    ('<annotations>&undefined;</annotations>', ['not XML']),
    ('<osm/>', ['<osm>', 'CVAT for images 1.1']),
    ('<annotations><track id="0"/></annotations>', ['CVAT for images 1.1']),
  ],
  'label_studio': [
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
  'csv': [
    ('', ["no column 'id'", 'id,label,annotator']),
    ('a-r1-c1,road\n', ["no column 'id'"]),
    ('id,class\na,b\n', ["no column 'label'"]),
    ('id,label\n"a-r1-c1,road\nb-r1-c1,car\n', ['line 3', 'end of data']),
    ('id,label\na-r1-c1,road,ana\n', ['3 cells under 2 columns']),
    ('id,label,seconds\na-r1-c1,road,long\n', ["seconds 'long'"]),
    ('id,label\n' + 'x' * 200_000 + ',road\n', ['line 2', 'limit']),
  ],
}


@pytest.mark.parametrize(
  ('format_name', 'content', 'words'),
  [(name, *row) for name, rows in NEVER_WRITTEN.items() for row in rows],
)
def test_what_no_tool_writes_is_refused(write, format_name, content, words):
  assert_refused(write(format_name, content), format_name, *words)


@pytest.mark.parametrize(
  'lead_time', [None, 'long', float('nan'), [], True, -1, 1e999, 10**400]
)
@pytest.mark.parametrize('person', [None, 7, 'ana', {'id': 7}, {}, []])
def test_times_and_people_may_be_anything(write, lead_time, person):
  content = region()
  said = {'lead_time': lead_time, 'completed_by': person}
  content[0]['annotations'][0] |= said
  (given,) = importing.read(write('label_studio', content), 'label_studio')
  name = 'user 7' if person in (7, {'id': 7}) else person
  assert given.annotator == (name or 'label_studio')
  assert given.seconds in (None, 1.0)


def test_other_controls_of_a_project_are_no_answers(write):
  results = [
    {'id': 'a-r1-c1', 'type': 'textarea', 'value': {'text': ['blurred']}},
    {'id': 'k', 'type': 'rectanglelabels', 'value': {}},
    {'from_id': 'a', 'to_id': 'b', 'type': 'relation'},
  ]
  path = write('label_studio', task(result=results))
  assert importing.read(path, 'label_studio') == []


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
def test_csv_of_any_spreadsheet_is_read(write, text):
  (given,) = importing.read(write('csv', text), 'csv')
  assert (given.point, given.word) == ('a-r1-c1', 'road')
  assert given.annotator == 'ana'


BLANK = 'id,label,annotator\na-r1-c1,road,ana\n,,\n , ,\n\n,,,,\n'


def test_rows_of_commas_are_none(write):
  (given,) = importing.read(write('csv', BLANK), 'csv')
  assert (given.point, given.fault) == ('a-r1-c1', '')


def test_trailing_commas_are_no_cells(write):
  (given,) = importing.read(write('csv', 'id,label\na-r1-c1,car,,\n'), 'csv')
  assert (given.word, given.fault) == ('car', '')


def test_a_column_that_is_there_twice_is_refused(write):
  path = write('csv', 'id,label,Label\na-r1-c1,road,car\n')
  assert_refused(path, 'csv', "the column 'label' twice")


def zipped(**files):
  content = io.BytesIO()
  with zipfile.ZipFile(content, 'w', zipfile.ZIP_DEFLATED) as packed:
    for name, text in files.items():
      packed.writestr(name.replace('__', '.'), text)
  return content.getvalue()


SHAPE = (
  '<annotations><image name="a" width="9" height="9">'
  '<{tag} points="1,1"><attribute name="point_id">a-r1-c1</attribute>'
  '<attribute name="class">road</attribute></{tag}></image></annotations>'
)
XML = SHAPE.format(tag='points')


def test_a_zip_of_cvat_is_read(write, tmp_path):
  path = write('cvat', zipped(annotations__xml=XML, images__txt='x'))
  (given,) = importing.read(path, 'cvat')
  assert (given.point, given.word) == ('a-r1-c1', 'road')
  named = path.rename(tmp_path / 'task.zip')
  assert importing.find(str(named)) == (named, 'cvat')


@pytest.mark.parametrize('format_name', people.FILES)
@pytest.mark.parametrize(
  ('content', 'word'),
  [
    (zipped(a__txt='x'), 'is a zip with 0'),
    (zipped(**{f'{i}__{x}': '' for i in 'ab' for x in ('xml', 'json', 'csv')}),
     'is a zip with 2'),
    (zipped(a__xml=XML, a__json='[]', a__csv='id')[:90], 'damaged zip'),
    (b'PK\x03\x04', 'damaged zip'),
  ],
  ids=['none', 'two', 'cut', 'header'],
)  # fmt: skip
def test_other_zips_are_refused_in_one_line(write, format_name, content, word):
  assert_refused(write(format_name, content), format_name, word)


@pytest.mark.parametrize('tag', ['box', 'polygon', 'polyline', 'skeleton'])
def test_cvat_s_other_shapes_of_a_point_are_faults(write, tag):
  path = write('cvat', SHAPE.format(tag=tag))
  assert_refused(path, 'cvat', f'is a <{tag}>')


@pytest.mark.parametrize('kind', ['labels', 'rectanglelabels', 'brushlabels'])
def test_label_studio_s_other_tags_on_a_point_are_faults(write, kind):
  path = write('label_studio', region(id='a-r1-c1', type=kind))
  assert_refused(path, 'label_studio', f'is of type {kind!r}')


@pytest.mark.parametrize(
  ('format_name', 'content'),
  [
    ('csv', 'id,label\n'),
    ('csv', 'id,label\n,,\n'),
    ('cvat', '<annotations/>'),
    ('cvat', '<annotations><job><image/></job></annotations>'),
    ('label_studio', task()),
    ('label_studio', task(result=[{'id': 'a-r1-c1', 'type': 'textarea'}])),
  ],
)
def test_a_file_of_which_nothing_is_used_is_said_so(
  write, store, capsys, format_name, content
):
  path = write(format_name, content)
  assert people.import_file(store, path, format_name).recorded == 0
  said = capsys.readouterr().err
  assert f'{path} holds no answer to any point' in said


def test_nested_images_are_read_in_linear_time(write):
  """Each image that holds all others would count their points again."""
  many = 3000
  inner = '<image><points/>' * many + '</image>' * many
  path = write('cvat', f'<annotations>{inner}</annotations>')
  assert len(importing.read(path, 'cvat')) == 1


@pytest.mark.parametrize('skip_faulty', [False, True])
def test_faults_are_counted_after_the_first_20(
  write, store, capsys, skip_faulty
):
  lines = ''.join(f'a-r{i}-c1,road\n' for i in range(50))
  path = write('csv', f'id,label\n{lines}')

  def act():
    people.import_file(store, path, 'csv', skip_faulty=skip_faulty)

  text = saying.refusal(act)
  assert ('50 faults among 50 points' in text) != skip_faulty
  *listed, last = capsys.readouterr().err.splitlines()
  assert len(listed) == 20
  assert last == f'{"skipped" if skip_faulty else "faulty"}: and 30 more'


@pytest.mark.parametrize('word', ['=1+1', '@a', "'-b", '+c'])
def test_words_that_look_like_formulas_come_back(store, tmp_path, word):
  classes = classes_lib.ClassSet((word, 'car'), ((1, 2, 3), (4, 5, 6)))
  words = words_lib.Words(classes)
  store.add_image('=a', (64, 128), 0.5, [people.request('=a', 1, 2)])
  store.record([records.Entry('=a-r1-c2', 'label', 0, '@SUM(A1)', 2.0)])
  text = people.export(store, 'csv', (64, 128), words, which='all')
  for row in csv.reader(text.splitlines()):
    assert not any(cell.startswith(tuple('=+-@')) for cell in row)
  (given,) = people.read(text, 'csv')
  assert given[1:4] == ('=a-r1-c2', word, '@SUM(A1)')


def test_other_encodings_are_refused_with_advice(write):
  path = write('csv', 'id,label\nä-r1-c1,road\n'.encode('latin-1'))
  assert_refused(path, 'csv', 'UTF-8')


def test_a_missing_file_and_formats_that_are_only_written(tmp_path):
  assert_refused(tmp_path / 'a.csv', 'csv', 'No such file')
  with pytest.raises(errors.UsageError, match=r'coco is only written.*cvat'):
    importing.read(tmp_path / 'a.json', 'coco')


def test_words_of_a_foreign_file_stay_in_their_line(write, capsys):
  path = write('label_studio', region(id='\x1b[2J\nerror: ' + 'x' * 5000))
  assert '\x1b' not in assert_refused(path, 'label_studio')
  assert len(capsys.readouterr().err.splitlines()) == 1
