import json

import launching
import numpy as np
import people
import pytest
import saying
from PIL import Image

from configs import streets_active
from launch import exchange
from pointsup_jax import errors
from pointsup_jax.annotation import store as store_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import image_files
from pointsup_jax.run import config_file, workdir

SIZE = (96, 192)
NAMES = ['a', 'b/c']


def command(run, *args, execute=launching.succeed):
  return execute(f'--workdir={run.root}', *args, program='exchange')


def assert_refused(run, args, code, *words):
  done = command(run, *args, execute=launching.launch)
  launching.assert_refused(done, code, *words)
  return done


@pytest.fixture
def claimed(tmp_path):
  """A workdir with its config alone."""
  folder = workdir.Workdir(tmp_path / 'run')
  config = streets_active.get_config()
  config_file.claim(folder, config, classes_lib.CITYSCAPES)
  return folder


@pytest.fixture
def run(claimed):
  """A workdir after acquisition."""
  claimed.annotations.parent.mkdir()
  with store_lib.Store(claimed.annotations) as store:
    people.fill(store, SIZE, NAMES, 6)
  return claimed


def requests(run):
  with store_lib.Store(run.annotations) as store:
    return store.requests()


def answered(run):
  with store_lib.Store(run.annotations) as store:
    return store.counts().answered


@pytest.fixture
def images(tmp_path):
  """The originals, at twice the training size."""
  folder = tmp_path / 'images'
  for name in ('a.jpg', 'b/c_leftImg8bit.png'):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (384, 192), (9, 80, 40)).save(folder / name)
  return folder


@pytest.mark.parametrize('format_name', people.READABLE)
def test_points_go_out_and_answers_come_in(run, images, tmp_path, format_name):
  path = tmp_path / 'out' / 'points'
  args = [f'--format={format_name}', f'--export={path}', f'--images={images}']
  if format_name == 'label_studio_points':
    args.append(f'--crops={tmp_path / "crops"}')
  done = command(run, *args)
  assert '12 points in 2 images' in done.stderr
  text = path.read_text()
  if format_name == 'label_studio_points':
    assert len(list((tmp_path / 'crops').rglob('*.png'))) == 12
    assert '/data/local-files/?d=crops/b/c-r' in text
  if format_name == 'label_studio':
    assert '?d=images/b/c_leftImg8bit.png' in text
  if format_name == 'cvat':
    assert 'name="b/c_leftImg8bit.png" width="384"' in text
  said = {request.id: 'car' for request in requests(run)[:7]}
  path.write_text(people.answer(text, format_name, said))
  done = command(run, args[0], f'--import={path}', '--annotator=eve')
  assert '7 answers recorded' in done.stderr
  assert '5 of 12 points are still open' in done.stderr
  assert answered(run) == 7
  with store_lib.Store(run.annotations) as store:
    people_ = {said.annotator for said in store.answers_by_person()}
  assert people_ == ({'eve'} if format_name == 'cvat' else {'ana'})


def test_labelme_files_lie_as_the_images_do(run, images, tmp_path):
  folder = tmp_path / 'out'
  args = (f'--export={folder}', f'--images={images}', '--points=all')
  command(run, '--format=labelme', *args)
  one = json.loads((folder / 'b' / 'c_leftImg8bit.json').read_text())
  assert one['imagePath'] == 'c_leftImg8bit.png'
  assert (one['imageHeight'], one['imageWidth']) == (192, 384)
  assert [len(shape['points']) for shape in one['shapes']] == [1] * 6
  assert (folder / 'a.json').exists()


def test_the_most_valuable_points_can_be_sent_first(run, tmp_path):
  path = tmp_path / 'a.csv'
  command(run, '--format=csv', f'--export={path}', '--limit=5')
  with store_lib.Store(run.annotations) as store:
    best = [request.id for request in store.unanswered()[:5]]
  assert [x.split(',')[0] for x in path.read_text().splitlines()[1:]] == best


def test_nothing_is_written_over(run, tmp_path):
  for name in ('a.xml', 'a.xml.labels.json'):
    (tmp_path / name).write_text('work of days')
    args = ['--format=cvat', f'--export={tmp_path / "a.xml"}']
    assert_refused(run, args, 2, name, 'exists')
    assert (tmp_path / name).read_text() == 'work of days'
    (tmp_path / name).unlink()
  assert not (tmp_path / 'a.xml').exists()


def test_faults_are_listed_and_skipped_only_on_request(run, tmp_path):
  ids = [request.id for request in requests(run)]
  path = tmp_path / 'a.csv'
  path.write_text(
    f'id,label,annotator\n{ids[0]},road,ana\n{ids[1]},raod,ana\nx,car,ana\n'
  )
  args = ['--format=csv', f'--import={path}']
  done = assert_refused(run, args, 1, '2 faults', 'skip_faulty')
  assert done.stderr.count('faulty: ') == 2
  assert answered(run) == 0
  done = command(run, *args, '--skip_faulty')
  assert done.stderr.count('skipped: ') == 2
  assert answered(run) == 1


@pytest.mark.parametrize(
  ('args', 'code', 'words'),
  [
    (['--format=csv'], 2, ['--export', '--import']),
    (['--format=csv', '--export=a', '--import=b'], 2, ['either']),
    (['--export=a.csv'], 2, ['--format']),
    (['--format=cvta', '--export=a'], 2, ['cvta', 'cvat']),
    (['--format=csv', '--export=a', '--limit=0'], 2, ['limit']),
    (['--format=coco', '--import=a'], 2, ['only written']),
    (['--format=store', '--export=a'], 2, ['--import=OTHER_WORKDIR']),
    (['--format=store', '--import=none'], 1, ['none is not a run']),
    (['--format=coco', '--export=a'], 1, ['no answered points', 'open']),
    (['--format=csv', '--import=none.csv'], 1, ['none.csv']),
    (['--format=csv', '--export=a', '--images=no'], 1, ['no file for 2']),
    (['--format=label_studio_points', '--export=a'], 2, ['--crops']),
    (['--format=csv', '--export=a', '--crops=b'], 2, ['--crops']),
    (['--format=csv', '--exprot=a'], 2, ['exprot']),
  ],
  ids=lambda x: ' '.join(map(str, x)) if isinstance(x, list) else str(x),
)
def test_what_is_wrong_is_said_in_one_line(run, args, code, words):
  assert_refused(run, args, code, *words)
  assert not (launching.REPOSITORY / 'a').exists()


def test_a_folder_that_holds_no_run_is_refused(claimed, tmp_path):
  def refused(folder, words):
    assert words in saying.usage(lambda: exchange.asked_by(str(folder)))

  refused(tmp_path / 'none', 'holds no run')
  config = tmp_path / 'config.json'
  for text in ('', '[]', '{"config": {}}', '{"config": {"classes": 5}}'):
    config.write_text(text)
    refused(tmp_path, str(config))
  refused(claimed.root, 'has asked nothing yet')
  assert not claimed.annotations.exists()


@pytest.fixture
def other(claimed, tmp_path):
  """Another run on the same images, where ana answered other points."""
  folder = workdir.Workdir(tmp_path / 'other')
  folder.root.mkdir()
  (folder.root / 'config.json').write_bytes(claimed.config.read_bytes())
  folder.annotations.parent.mkdir()
  with store_lib.Store(folder.annotations) as store:
    people.fill(store, SIZE, NAMES, 6, seed=1)
    store.answer_many({x.id: 13 for x in store.requests()}, 'ana')
  return folder


@pytest.fixture
def scored(claimed):
  """A workdir after acquisition, with pseudo labels and all scores."""
  claimed.annotations.parent.mkdir()
  with store_lib.Store(claimed.annotations) as store:
    for name in NAMES:
      points = [people.request(name, 0, 0)]
      store.add_image(name, SIZE, np.arange(128), points)
      guesses = np.full(SIZE, 5, np.uint8)
      image_files.write_labels(claimed.pseudo_label(name), guesses)
  return claimed


@pytest.mark.parametrize('format_name', ['store', *people.READABLE])
def test_answers_of_another_run_come_in_if_the_user_says_so(
  scored, other, tmp_path, format_name
):
  source = other.root
  if format_name != 'store':
    source = tmp_path / 'answers'
    with store_lib.Store(other.annotations) as store:
      ids = [request.id for request in store.requests()]
      text = people.export(store, format_name, SIZE, which='all')
    text = people.answer(text, format_name, dict.fromkeys(ids, 'car'))
    source.write_text(text)

  def take(**options):
    exchange.take_in(
      exchange.asked_by(str(scored.root)), format_name, source, **options
    )

  assert 'nothing was recorded' in saying.message(take)
  assert len(requests(scored)) == 2
  take(add_points=True)
  assert answered(scored) == 12
  added = [request for request in requests(scored) if not request.round]
  assert len(added) == 12
  for request in added:
    patch = request.row // 12 * 16 + request.col // 12
    assert request[4:7] == (patch, patch, 5)
  take(add_points=True)  # again adds nothing
  assert answered(scored) == 12


def test_points_outside_our_images_are_not_added(scored, tmp_path):
  path = tmp_path / 'a.csv'
  ids = ('a-r96-c0', 'a-r0-c192', 'x-r0-c0', 'a-r00-c1', 'a', '../a-r0-c1')
  path.write_text('id,label\n' + ''.join(f'{x},car\n' for x in ids))
  asked = exchange.asked_by(str(scored.root))
  with pytest.raises(errors.UserError, match='6 faults'):
    exchange.take_in(asked, 'csv', path, add_points=True)
  assert len(requests(scored)) == 2


@pytest.mark.parametrize('add', ['none', 'config.json'])
def test_what_is_no_other_run_is_said_in_one_line(scored, tmp_path, add):
  folder = tmp_path / 'none'
  folder.mkdir()
  if add != 'none':
    (folder / add).write_text('{}')
  asked = exchange.asked_by(str(scored.root))
  said = saying.message(lambda: exchange.take_in(asked, 'store', folder))
  assert str(folder) in said


def test_it_finds_what_the_stages_wrote(run):
  store, size, words, _ = exchange.asked_by(str(run.root))
  assert store == run.annotations
  assert size == SIZE
  assert words.classes.names == classes_lib.CITYSCAPES.names
  assert words.classes.palette == classes_lib.CITYSCAPES.palette
