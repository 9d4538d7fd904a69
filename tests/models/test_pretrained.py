"""Weight files: three formats, three namings, and what is refused."""

import io
import pickle
import subprocess
import sys

import jax
import numpy as np
import pytest
from saying import message

from pointsup_jax.models import deeplab, pretrained, weight_files

CLASSES = 7


def model(num_classes=CLASSES):
  return deeplab.DeepLabV2(num_classes, blocks=(1, 2, 1, 1), width=4)


def variables(seed=0, num_classes=CLASSES):
  images = np.zeros((1, 32, 32, 3), np.float32)
  fresh = model(num_classes).init(jax.random.key(seed), images, train=False)
  rng = np.random.default_rng(seed)
  # Statistics and scales that differ from their initial 0 and 1.
  return jax.tree.map(
    lambda x: np.asarray(x) + rng.uniform(0, 0.1, x.shape).astype(np.float32),
    dict(fresh),
  )


def tensors(seed=0, num_classes=CLASSES):
  return pretrained.to_torch(variables(seed, num_classes))


def assert_same(one, two):
  assert one.keys() == two.keys()
  for name in one:
    np.testing.assert_array_equal(one[name], two[name], err_msg=name)


@pytest.fixture
def torch():
  return pytest.importorskip('torch', reason='PyTorch is not installed')


@pytest.fixture(params=['zip', 'before 1.6'])
def pth(request, torch, tmp_path):
  """A checkpoint as ADVENT's code would have saved it, in both formats."""
  path = tmp_path / 'model.pth'
  table = {k: torch.from_numpy(v.copy()) for k, v in tensors().items()}
  table['bn1.num_batches_tracked'] = torch.tensor(5)
  new = request.param == 'zip'
  torch.save(table, path, _use_new_zipfile_serialization=new)
  return path


def test_a_torch_checkpoint_loads_evaluates_and_goes_back(pth, torch, tmp_path):
  loaded = pretrained.complete(pretrained.load(pth), variables(1), str(pth))
  images = np.random.default_rng(0).normal(0, 50, (1, 40, 48, 3))
  ours = model().apply(variables(0), images.astype(np.float32), train=False)
  theirs = model().apply(loaded, images.astype(np.float32), train=False)
  np.testing.assert_array_equal(ours.main, theirs.main)
  out = tmp_path / 'out.pth'
  weight_files.write(out, pretrained.to_torch(pretrained.load(pth)))
  back = torch.load(out, weights_only=True)
  assert_same({k: v.numpy() for k, v in back.items()}, tensors())


def test_tensors_that_are_not_contiguous(torch, tmp_path):
  table = {k: torch.from_numpy(v.copy()) for k, v in tensors().items()}
  for name, tensor in table.items():
    if tensor.ndim == 4:
      table[name] = tensor.to(memory_format=torch.channels_last)
  torch.save({'state_dict': table}, tmp_path / 'model.pth')
  assert_same(
    pretrained.to_torch(pretrained.load(tmp_path / 'model.pth')), tensors()
  )


@pytest.mark.parametrize('suffix', ['.npz', '.safetensors'])
def test_other_formats_go_out_and_in_bit_by_bit(suffix, tmp_path):
  path = tmp_path / f'model{suffix}'
  weight_files.write(path, tensors())
  assert_same(weight_files.read(path), tensors())
  assert_same(pretrained.to_torch(pretrained.load(path)), tensors())
  assert [x.name for x in tmp_path.iterdir()] == [path.name]


def test_the_command_converts(tmp_path):
  weight_files.write(tmp_path / 'a.npz', tensors())
  done = subprocess.run(
    [sys.executable, '-m', 'launch.convert',
     tmp_path / 'a.npz', tmp_path / 'b.safetensors'],
    check=True, capture_output=True, text=True,
  )  # fmt: skip
  assert 'tensors' in done.stderr
  assert_same(weight_files.read(tmp_path / 'b.safetensors'), tensors())


def test_the_command_says_in_one_line_what_is_wrong(tmp_path):
  for arguments, code in (([], 2), ([tmp_path / 'no.npz', 'b.npz'], 1)):
    done = subprocess.run(
      [sys.executable, '-m', 'launch.convert', *arguments],
      check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code
    assert done.stderr.startswith('error: ')
    assert done.stderr.count('\n') == 1


def test_the_caffe_style_file_gives_the_backbone_alone(tmp_path, capsys):
  caffe = {
    f'Scale.{k}': v for k, v in tensors().items() if not k.startswith('layer6')
  }
  rng = np.random.default_rng(0)
  caffe['Scale.layer5.conv2d_list.0.weight'] = rng.normal(size=(21, 128, 3, 3))
  weight_files.write(tmp_path / 'caffe.npz', caffe)
  fresh = variables(1)
  loaded = pretrained.complete(
    pretrained.load(tmp_path / 'caffe.npz'), fresh, 'caffe.npz'
  )
  theirs, own = pretrained.to_torch(loaded), pretrained.to_torch(fresh)
  for name, tensor in theirs.items():
    head = name.startswith(('layer5', 'layer6'))
    expected = own[name] if head else tensors()[name]
    np.testing.assert_array_equal(tensor, expected)
  said = capsys.readouterr().err
  assert 'aux head' in said
  assert 'main head' in said


def test_torchvision_s_stem_sees_our_images_as_its_own(tmp_path):
  resnet = {k: v for k, v in tensors().items() if k[:6] not in HEADS}
  resnet['fc.weight'] = np.zeros((1000, 128), np.float32)
  resnet['fc.bias'] = np.zeros(1000, np.float32)
  weight_files.write(tmp_path / 'resnet.npz', resnet)
  loaded = pretrained.load(tmp_path / 'resnet.npz')
  ours = pretrained.complete(loaded, variables(1), 'resnet.npz')
  rgb = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
  mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
  theirs = resnet['conv1.weight'].transpose(2, 3, 1, 0)

  def stem(kernel, images, running_mean):
    x = jax.lax.conv_general_dilated(
      np.float32(images), np.float32(kernel), (2, 2), ((3, 3), (3, 3)),
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )  # fmt: skip
    return np.asarray(x - running_mean)[:, 4:-4, 4:-4]  # away from the border

  expected = stem(theirs, (rgb / 255 - mean) / std, resnet['bn1.running_mean'])
  found = stem(
    ours['params']['conv1']['kernel'],
    deeplab.preprocess(rgb),
    ours['batch_stats']['bn1']['mean'],
  )
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


HEADS = ('layer5', 'layer6')


def test_a_head_of_another_class_count_starts_afresh(tmp_path, capsys):
  weight_files.write(tmp_path / 'a.npz', tensors(0, num_classes=3))
  loaded = pretrained.complete(
    pretrained.load(tmp_path / 'a.npz'), variables(1), 'a.npz'
  )
  own = tensors(1)
  for name, tensor in pretrained.to_torch(loaded).items():
    if name.startswith(HEADS):
      np.testing.assert_array_equal(tensor, own[name])
  assert capsys.readouterr().err.count('starts afresh') == 2


def rename(table):
  table['layer1.0.convX.weight'] = table.pop('layer1.0.conv1.weight')


def drop(table):
  del table['layer2.0.bn1.running_var']


def add(table):
  table['layer3.9.conv1.weight'] = table['layer3.0.conv1.weight']


def reshape(table):
  table['bn1.weight'] = np.ones(3, np.float32)


def half_a_head(table):
  del table['layer6.conv2d_list.2.weight']


@pytest.mark.parametrize(
  ('spoil', 'words'),
  [
    (rename, ['layer1.0.convX.weight']),
    (drop, ['1 missing', 'layer2.0.bn1.running_var']),
    (add, ['1 unknown', 'layer3.9.conv1.weight']),
    (reshape, ['1 misshapen', 'bn1.weight [3] for [4]']),
    (half_a_head, ['1 missing', 'layer6.conv2d_list.2.weight']),
  ],
)
def test_tensors_that_do_not_fit_are_named(spoil, words, tmp_path):
  table, path = tensors(), tmp_path / 'a.npz'
  spoil(table)
  weight_files.write(path, table)
  text = message(
    lambda: pretrained.complete(pretrained.load(path), variables(), str(path))
  )
  for word in (str(path), *words):
    assert word in text


@pytest.mark.parametrize('name', ['a.pth', 'a.safetensors', 'a.npz'])
def test_a_file_that_is_cut_off_or_something_else(name, tmp_path):
  if name == 'a.pth':
    pytest.importorskip('torch', reason='PyTorch is not installed')
  path = tmp_path / name
  weight_files.write(path, tensors())
  whole = path.read_bytes()
  for content in (whole[: len(whole) // 2], b'<html>404</html>', b''):
    path.write_bytes(content)
    assert str(path) in message(lambda: pretrained.load(path))


def test_pth_files_that_are_no_checkpoint(torch, tmp_path):
  path = tmp_path / 'a.pth'
  for thing in ([1, 2], {'epoch': 3}, torch.zeros(3)):
    torch.save(thing, path)
    assert 'no checkpoint' in message(lambda: pretrained.load(path))


class Bomb:
  """Leaves a file behind when it is unpickled."""

  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return open, (self.path, 'w')


@pytest.mark.parametrize('suffix', ['pth', 'npz'])
def test_code_in_a_file_is_never_run(suffix, tmp_path):
  if suffix == 'pth':
    pytest.importorskip('torch', reason='PyTorch is not installed')
  trace, path = tmp_path / 'trace', tmp_path / f'a.{suffix}'
  bomb = {'conv1.weight': Bomb(str(trace))}
  path.write_bytes(pickle.dumps(bomb))
  assert 'never run' in message(lambda: pretrained.load(path))
  if suffix == 'npz':
    file = io.BytesIO()
    np.savez(file, **{'conv1.weight': np.array([Bomb(str(trace))], object)})
    path.write_bytes(file.getvalue())
    assert 'never run' in message(lambda: pretrained.load(path))
  assert not trace.exists()


def test_without_torch_the_message_says_how_to_get_it(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'torch', None)
  path = tmp_path / 'a.pth'
  path.write_bytes(b'x')
  assert 'pip install torch' in message(lambda: pretrained.load(path))


def test_other_suffixes_are_refused(tmp_path):
  path = tmp_path / 'a.h5'
  path.write_bytes(b'x')
  assert '.safetensors' in message(lambda: pretrained.load(path))
