"""TensorBoard's events match metrics.jsonl, once and in order."""

import importlib
import struct
import sys

import pytest

from pointsup_jax.training import metrics_log, tensorboard


@pytest.fixture(autouse=True)
def _as_in_a_new_process():
  importlib.reload(tensorboard)
  yield
  importlib.reload(tensorboard)


def events(folder):
  event_pb2 = pytest.importorskip('tensorboard.compat.proto.event_pb2')
  (path,) = folder.glob('events.out.tfevents.*')
  data, found = path.read_bytes(), []
  while data:  # length, its checksum, the event, its checksum
    (length,) = struct.unpack('<Q', data[:8])
    found.append(event_pb2.Event.FromString(data[12 : 12 + length]))
    data = data[16 + length :]
  return found


def scalars(folder):
  """(step, name, value) in the order of the file."""
  return [
    (event.step, value.tag, value.simple_value)
    for event in events(folder)
    for value in event.summary.value
  ]


def write(path, steps, start_step, factor):
  log = metrics_log.MetricsLog(path, start_step=start_step)
  for step in steps:
    log.write(step, {'loss': step * factor, 'seconds': 1.0})
  return log


def test_a_resumed_phase_has_every_step_once_and_the_new_values(tmp_path):
  pytest.importorskip('tensorboard')
  path = tmp_path / 'uda' / 'metrics.jsonl'
  write(path, [10, 20, 30], 0, factor=1.0).close()
  write(path, [20, 30, 40], 15, factor=2.0).close()
  found = scalars(path.parent / 'tensorboard')
  losses = [(step, value) for step, name, value in found if name == 'loss']
  assert losses == [(10, 10.0), (20, 40.0), (30, 60.0), (40, 80.0)]
  assert {name for _, name, _ in found} == {'loss', 'seconds'}
  # An open TensorBoard discards what it read before.
  all_ = events(path.parent / 'tensorboard')
  assert [x.step for x in all_ if x.session_log.status == 1] == [0]


def test_it_may_be_installed_after_the_start(tmp_path, monkeypatch):
  pytest.importorskip('tensorboard')
  path = tmp_path / 'metrics.jsonl'
  with monkeypatch.context() as without:
    without.setitem(sys.modules, 'tensorboard.compat.proto', None)
    write(path, [10], 0, factor=1.0).close()
  assert not (tmp_path / 'tensorboard').exists()
  importlib.reload(tensorboard)
  write(path, [20], 10, factor=1.0).close()
  steps = {step for step, _, _ in scalars(tmp_path / 'tensorboard')}
  assert steps == {10, 20}


def test_without_it_there_is_one_note_and_the_log_is_complete(
  tmp_path, monkeypatch, capsys
):
  monkeypatch.setitem(sys.modules, 'tensorboard.compat.proto', None)
  for phase in ('uda', 'adapt'):
    path = tmp_path / phase / 'metrics.jsonl'
    write(path, [10], 0, factor=1.0).close()
    assert len(metrics_log.read(path)) == 1
  (note,) = capsys.readouterr().err.splitlines()
  assert 'pip install tensorboard' in note


def test_pictures_and_texts_are_shown(tmp_path):
  pytest.importorskip('tensorboard')
  shown = tensorboard.Events(tmp_path)
  shown.write(7, {'mIoU/UDA': 26.5})
  shown.show(
    [tensorboard.Picture('iou', b'a png', (3, 4))], {'config': '| a | 1 |'}
  )
  shown.close()
  values = {x.tag: x for event in events(tmp_path) for x in event.summary.value}
  assert values['mIoU/UDA'].simple_value == 26.5
  picture = values['iou'].image
  assert (picture.height, picture.width) == (3, 4)
  assert picture.encoded_image_string == b'a png'
  text = values['config/text_summary']
  assert text.metadata.plugin_data.plugin_name == 'text'
  assert text.tensor.string_val == [b'| a | 1 |']
