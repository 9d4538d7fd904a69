"""Segmenter weights under torch's names and in torch's layout, and back."""

import re
from collections.abc import Mapping

import numpy as np
from flax import traverse_util

from pointsup_jax import errors, types

# Our module and torch's; what is in braces is the same on both sides.
# Torch's layer5 is the head on conv4, layer6 the one on conv5.
_MODULES = (
  ('{top}', '{top}'),
  ('layer{stage}_{block}/{part}', 'layer{stage}.{block}.{part}'),
  ('layer{stage}_{block}/downsample_conv', 'layer{stage}.{block}.downsample.0'),
  ('layer{stage}_{block}/downsample_bn', 'layer{stage}.{block}.downsample.1'),
  ('aux_head/conv{branch}', 'layer5.conv2d_list.{branch}'),
  ('main_head/conv{branch}', 'layer6.conv2d_list.{branch}'),
)
_FIELDS = {
  'top': 'conv1|bn1',
  'stage': '[1-4]',
  'block': r'\d+',
  'part': '(?:conv|bn)[1-3]',
  'branch': '[0-3]',
}
# Our collection and leaf, and torch's leaf.
_CONV_LEAVES = (('params', 'kernel', 'weight'), ('params', 'bias', 'bias'))
_BN_LEAVES = (
  ('params', 'scale', 'weight'),
  ('params', 'bias', 'bias'),
  ('batch_stats', 'mean', 'running_mean'),
  ('batch_stats', 'var', 'running_var'),
)


def from_torch(state_dict: Mapping[str, np.ndarray]) -> types.Variables:
  """The variables of a `DeepLabV2` of any depth and width.

  Args:
    state_dict: tensors under the published model's names: kernels [out, in,
      height, width]. `num_batches_tracked` has no counterpart and is dropped.

  Returns:
    {'params': ..., 'batch_stats': ...}, NumPy arrays of the same dtypes.

  Raises:
    UserError: a name is none of the model's.
  """
  flat = {}
  for name, tensor in state_dict.items():
    module, _, leaf = name.rpartition('.')
    if leaf == 'num_batches_tracked':
      continue
    ours = _translate(module, torch_to_ours=True)
    names = {theirs: (top, own) for top, own, theirs in _leaves(ours or '')}
    if ours is None or leaf not in names:
      raise errors.UserError(
        f'weights: {name!r} is no tensor of DeepLab-v2 with two heads; '
        "expected names like 'layer1.0.conv1.weight' or "
        "'layer6.conv2d_list.0.bias'"
      )
    collection, own = names[leaf]
    flat[f'{collection}/{ours}/{own}'] = (
      tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor
    )
  return traverse_util.unflatten_dict(flat, sep='/')


def to_torch(variables: types.Variables) -> dict[str, np.ndarray]:
  """The inverse of `from_torch`, bit by bit."""
  state_dict = {}
  for path, leaf in traverse_util.flatten_dict(variables, sep='/').items():
    collection, _, path = path.partition('/')
    module, _, own = path.rpartition('/')
    names = {(top, own): theirs for top, own, theirs in _leaves(module)}
    array = np.asarray(leaf)
    state_dict[
      f'{_translate(module, torch_to_ours=False)}.{names[collection, own]}'
    ] = np.ascontiguousarray(
      array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
    )
  return state_dict


def _translate(module: str, torch_to_ours: bool) -> str | None:
  """A module's name on the other side; None where it is unknown."""
  for ours, theirs in _MODULES:
    old, new = (theirs, ours) if torch_to_ours else (ours, theirs)
    pattern = re.escape(old).replace(r'\{', '{').replace(r'\}', '}')
    for field, values in _FIELDS.items():
      pattern = pattern.replace(f'{{{field}}}', f'(?P<{field}>{values})')
    if match := re.fullmatch(pattern, module):
      return new.format(**match.groupdict())
  return None


def _leaves(module: str) -> tuple[tuple[str, str, str], ...]:
  """Our collection and leaf, and torch's leaf, of one of our modules."""
  return _BN_LEAVES if 'bn' in module else _CONV_LEAVES
