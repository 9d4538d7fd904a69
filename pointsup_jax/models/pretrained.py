"""Converts segmenter weights from and to torch's names and layout."""

import importlib.resources
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from flax import traverse_util

from pointsup_jax import errors, types
from pointsup_jax.hosts import progress, wording
from pointsup_jax.models import (
  efficientnet_lite,
  fused_head,
  mix_transformer,
  resnet,
  weight_files,
)

# Module names here and in torch, as in `resnet.MODULES`. Torch's layer5 is the
# head on conv4, layer6 the one on conv5.
_MODULES = (
  *resnet.MODULES,
  *efficientnet_lite.MODULES,
  *mix_transformer.MODULES,
  *fused_head.MODULES,
  ('aux_head/conv{branch}', 'layer5.conv2d_list.{branch}'),
  ('main_head/conv{branch}', 'layer6.conv2d_list.{branch}'),
  ('fine_head', 'layer7'),
  ('depth_enc{part_of_code}', 'enc4_{part_of_code}'),
  ('depth_dec', 'dec4'),
)
_FIELDS = {
  **resnet.FIELDS,
  **efficientnet_lite.FIELDS,
  **mix_transformer.FIELDS,
  'branch': '[0-3]',
  'part_of_code': '[1-3]',
}
# What may start afresh: names of torch's layers, and what they are.
_MAY_LACK = (
  (('layer5.', 'auxiliary_head.'), 'aux head'),
  (('layer6.', 'decode_head.'), 'main head'),
  (('auxiliary_head.classifier.',), 'classifier of the aux head'),
  (('decode_head.classifier.',), 'classifier of the main head'),
  (('layer7.',), 'fine head'),
  (('enc4_', 'dec4.'), 'depth branch'),
  (('conv3_bn.', 'conv4_bn.', 'conv5_bn.'), "norm of the heads' features"),
)
# (our collection, our leaf, torch's leaf)
_CONV_LEAVES = (('params', 'kernel', 'weight'), ('params', 'bias', 'bias'))
_LAYER_NORM_LEAVES = (('params', 'scale', 'weight'), ('params', 'bias', 'bias'))
_BN_LEAVES = (
  *_LAYER_NORM_LEAVES,
  ('batch_stats', 'mean', 'running_mean'),
  ('batch_stats', 'var', 'running_var'),
)


# torchvision's RGB mean and standard deviation, on a 0..1 scale.
_TORCHVISION_MEAN = np.array((0.485, 0.456, 0.406))
_TORCHVISION_STD = np.array((0.229, 0.224, 0.225))


IMAGENET = 'imagenet'  # in place of a path: the file of an installed package


def path_of(weights: str, backbone: str) -> str:
  """The path of a weight file; that of `IMAGENET` depends on the backbone.

  Raises errors.UserError if the package is not installed.
  """
  if weights != IMAGENET:
    return weights
  package, file = efficientnet_lite.PACKAGES[backbone]
  with errors.needs('pretrained', f'{backbone} of {IMAGENET}'):
    return str(importlib.resources.files(package) / 'models' / file)


def load(path: str) -> types.Variables:
  """Reads the weights of a segmenter or of its backbone alone.

  Accepts the names of ADVENT, IntraDA and AdaptSegNet, of the Caffe-style
  ImageNet file that they start from ('Scale.' prefix; its 21-class head is
  dropped), of torchvision's ResNets ('fc' is dropped, and the first convolution
  adapted to BGR input), of efficientnet-lite-pytorch and of SegFormer in
  `transformers` (their classifiers of ImageNet are dropped). `path` is a .pth,
  .safetensors or .npz.

  Returns:
    {'params': ..., 'batch_stats': ...}; `complete` fits them to a model.

  Raises:
    errors.UserError: the file cannot be read, holds something else, or values
      that no trained network has.
  """
  tensors = weight_files.read(path)
  try:
    _require_usable(tensors)
    return from_torch(_published_names(tensors))
  except errors.UserError as error:
    raise errors.UserError(f'{path}: {error}') from error


def complete(
  loaded: types.Variables, fresh: types.Variables, path: str
) -> types.Variables:
  """Fits loaded variables to a model, with fresh heads where theirs do not fit.

  `fresh` are the model's initial variables; `path` names the weight file in
  messages. Returns float32 arrays in the structure of `fresh`.

  Branches of heads that the file's own network never used are set to 0.

  Raises:
    errors.UserError: tensors are missing, unknown or of another shape; only
      what is in `_MAY_LACK` may be missing, and a head have other numbers of
      classes or features.
  """
  have, want = to_torch(loaded), to_torch(fresh)
  said = []
  if never_trained := _never_trained(have):
    said.append(
      f'{path}: branches 2 and 3 of its heads were never trained, as in files '
      'of AdaptSegNet and SSF-DAN: set to 0'
    )
    have |= {key: np.zeros_like(have[key]) for key in never_trained}
  afresh = []
  for layers, name in _MAY_LACK:
    head = {key: want[key] for key in want if key.startswith(layers)}
    if head and _other_head([have.get(x) for x in head], list(head.values())):
      afresh.append(name)
      # A head may be of another kind, with other names.
      have = {k: v for k, v in have.items() if not k.startswith(layers)} | head
  if afresh:
    names = ', '.join(afresh)
    said.append(f'{path} has none that fits, so these start afresh: {names}')
  problems = {
    'missing': want.keys() - have.keys(),
    'unknown': have.keys() - want.keys(),
    'misshapen': {
      f'{name} {list(have[name].shape)} for {list(want[name].shape)}'
      for name in want.keys() & have.keys()
      if want[name].shape != have[name].shape
    },
  }
  if any(problems.values()):
    listed = '; '.join(
      f'{len(names)} {kind}: {wording.few(sorted(names))}'
      for kind, names in problems.items()
      if names
    )
    raise errors.UserError(
      f'{path} does not fit the model of the config (model.backbone, '
      'model.block, model.blocks, model.width, model.depth): ' + listed
    )
  for line in said:
    progress.say(line)
  return from_torch({k: np.asarray(v, np.float32) for k, v in have.items()})


def from_torch(state_dict: Mapping[str, np.ndarray]) -> types.Variables:
  """Converts the published model's tensors to `DeepLabV2` variables.

  The model may have any depth and width. Kernels are [out, in, height, width],
  or [out, in]; `num_batches_tracked` is dropped. Returns {'params': ...,
  'batch_stats': ...}, NumPy arrays of the same dtypes.

  Raises:
    errors.UserError: some names are not the model's.
  """
  flat, unknown = {}, []
  for name, tensor in state_dict.items():
    module, _, leaf = name.rpartition('.')
    if leaf == 'num_batches_tracked':
      continue
    ours = _translate(module, torch_to_ours=True)
    names = {theirs: (top, own) for top, own, theirs in _leaves(ours or '')}
    if ours is None or leaf not in names:
      unknown.append(name)
      continue
    collection, own = names[leaf]
    flat[f'{collection}/{ours}/{own}'] = (
      tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.T
    )
  if unknown:
    raise errors.UserError(
      f'{len(unknown)} of {len(state_dict)} tensors are none of a DeepLab-v2 '
      f'with two heads: {wording.few(unknown)}; expected names like '
      "'layer1.0.conv1.weight' or 'layer6.conv2d_list.0.bias'"
    )
  return traverse_util.unflatten_dict(flat, sep='/')


def to_torch(variables: types.Variables) -> dict[str, np.ndarray]:
  """Inverse of `from_torch`, bit for bit."""
  state_dict = {}
  for path, leaf in traverse_util.flatten_dict(variables, sep='/').items():
    collection, _, path = path.partition('/')
    module, _, own = path.rpartition('/')
    names = {(top, own): theirs for top, own, theirs in _leaves(module)}
    array = np.asarray(leaf)
    state_dict[
      f'{_translate(module, torch_to_ours=False)}.{names[collection, own]}'
    ] = np.ascontiguousarray(
      array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
    )
  return state_dict


def _translate(module: str, torch_to_ours: bool) -> str | None:
  for ours, theirs in _MODULES:
    old, new = (theirs, ours) if torch_to_ours else (ours, theirs)
    pattern = re.escape(old).replace(r'\{', '{').replace(r'\}', '}')
    for field, values in _FIELDS.items():
      pattern = pattern.replace(f'{{{field}}}', f'(?P<{field}>{values})')
    if match := re.fullmatch(pattern, module):
      return new.format(**match.groupdict())
  return None


def _leaves(module: str) -> tuple[tuple[str, str, str], ...]:
  if 'bn' in module:
    return _BN_LEAVES
  return _LAYER_NORM_LEAVES if 'norm' in module else _CONV_LEAVES


def _require_usable(tensors: Mapping[str, np.ndarray]) -> None:
  """Raises errors.UserError for the first tensor that would spoil training."""
  for name, tensor in tensors.items():
    with np.errstate(over='ignore'):
      values = np.asarray(tensor, np.float64)
    if not (np.abs(values) <= np.finfo(np.float32).max).all():
      raise errors.UserError(
        f'{name} has values that are no finite numbers of 32 bits; use another '
        'weight file'
      )
    if name.endswith('running_var') and (values < 0).any():
      raise errors.UserError(
        f'{name} has negative variances; use another weight file'
      )


def _published_names(
  tensors: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
  """Renames the tensors of related files to ADVENT's names."""
  short = {k.removeprefix('module.'): v for k, v in tensors.items()}
  if len(short) < len(tensors):
    raise errors.UserError("some tensors are there with and without 'module.'")
  tensors = short
  if all(name.startswith('Scale.') for name in tensors):
    # The file has one head, 'layer5', which is not our aux head.
    return {
      name.removeprefix('Scale.'): tensor
      for name, tensor in tensors.items()
      if not name.startswith('Scale.layer5.')
    }
  if {'fc.weight', 'conv1.weight', 'bn1.running_mean'} <= tensors.keys():
    return _from_torchvision(tensors)
  if '_conv_stem.weight' in tensors:
    return {
      name: tensor
      for name, tensor in tensors.items()
      if not name.startswith(efficientnet_lite.DROPPED)
    }
  if any('encoder.patch_embeddings.' in name for name in tensors):
    # An encoder by itself has names without its model's.
    return {
      f'segformer.{name}' if name.startswith('encoder.') else name: tensor
      for name, tensor in tensors.items()
      if not name.startswith(mix_transformer.DROPPED)
    }
  return tensors


def _from_torchvision(
  tensors: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
  """Folds torchvision's input normalisation into the first layer.

  Its input is RGB in 0..1, minus a mean, divided by a deviation. The difference
  of the means shifts the layer's output by a constant (except at the border,
  where both pad with zeros), which the running mean of its batch norm absorbs.
  In bottlenecks torchvision puts the stride on the 3x3 convolution, we on the
  first 1x1, so the weights are a start for training, not the same function.
  """
  tensors = {k: v for k, v in tensors.items() if not k.startswith('fc.')}
  kernel, mean = tensors['conv1.weight'], tensors['bn1.running_mean']
  if kernel.ndim != 4 or kernel.shape[1] != 3 or mean.shape != kernel.shape[:1]:
    raise errors.UserError(
      f'conv1.weight {list(kernel.shape)} and bn1.running_mean '
      f'{list(mean.shape)} are no first layer of a ResNet for RGB'
    )
  progress.say('torchvision weights: the stem is adapted to BGR in 0..255')
  kernel = kernel / _TORCHVISION_STD[:, None, None]
  offset = np.array(resnet.BGR_MEAN[::-1]) / 255 - _TORCHVISION_MEAN
  moved = (kernel * offset[:, None, None]).sum(axis=(1, 2, 3))
  return {
    **tensors,
    'conv1.weight': (kernel[:, ::-1] / 255).astype(np.float32),
    'bn1.running_mean': (mean - moved).astype(np.float32),
  }


def _other_head(
  have: Sequence[np.ndarray | None], want: Sequence[np.ndarray]
) -> bool:
  """Whether a head is missing, or whole with other classes or features."""
  present = [tensor for tensor in have if tensor is not None]
  pairs = list(zip(present, want, strict=False))
  if not present:
    return True
  whole = (
    len(present) == len(want)
    and all((x.ndim, x.shape[2:]) == (y.ndim, y.shape[2:]) for x, y in pairs)
    and len({x.shape[0] for x in present}) == 1
    and len({x.shape[1] for x in present if x.ndim == 4}) == 1
  )
  return whole and any(x.shape != y.shape for x, y in pairs)


def _never_trained(tensors: Mapping[str, np.ndarray]) -> list[str]:
  """Names of the last two branches of the heads, if they alone are as drawn.

  AdaptSegNet's network (deeplab_multi.py, 21d874c) and SSF-DAN's sum the first
  two branches only, in training and in evaluation. The others keep their random
  start, under names that ADVENT uses for four live branches.
  """
  drawn = {
    name: _as_drawn(tensor)
    for name, tensor in tensors.items()
    if re.fullmatch(r'layer[56]\.conv2d_list\.[0-3]\.weight', name)
  }
  last = [name for name in drawn if name.split('.')[2] in '23']
  if any(drawn[name] != (name in last) for name in drawn):
    return []
  biases = (name.replace('weight', 'bias') for name in last)
  return [*last, *(name for name in biases if name in tensors)]


def _as_drawn(kernel: np.ndarray) -> bool:
  """Whether values are normal(0, 0.01), within 5 standard errors of each."""
  mean, deviation = np.mean(kernel, dtype=float), np.std(kernel, dtype=float)
  error = 5 * 0.01 / math.sqrt(max(kernel.size, 1))
  return bool(
    abs(mean) < error and abs(deviation - 0.01) < error / math.sqrt(2)
  )
