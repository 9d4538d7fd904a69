"""Reads and writes named tensors: .pth (PyTorch), .safetensors and .npz."""

import importlib
import io
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy

from pointsup_jax import errors
from pointsup_jax.hosts import atomic_files, wording
from pointsup_jax.models import torch_files

SUFFIXES = ('.pth', '.safetensors', '.npz')


def find(path: str | os.PathLike[str]) -> pathlib.Path:
  """The path of a weight file; raises errors.UserError if it cannot be one."""
  path = pathlib.Path(path)
  if not path.is_file():
    raise errors.UserError(f'{path}: there is no such weight file')
  _suffix(path)
  return path


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """Reads all tensors of a file, by name; `path` ends in one of `SUFFIXES`.

  Code in the file is never run: PyTorch files (zip, or bare pickle as before
  1.6) are read by `torch_files`, NumPy files without pickles.

  Raises:
    errors.UserError: the file is missing, damaged, or holds something other
      than tensors of real numbers.
  """
  path = find(path)
  match _suffix(path):
    case '.pth':
      tensors = _read_torch(path)
    case '.safetensors':
      tensors = _read_safetensors(path)
    case _:
      tensors = _read_npz(path)
  if not tensors:
    raise errors.UserError(f'{path} holds no tensors')
  for name, tensor in tensors.items():
    if tensor.dtype.kind not in 'fiu':
      raise errors.UserError(
        f'{path}: {name} holds {tensor.dtype}; weights are real numbers'
      )
  return tensors


def write(
  path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray]
) -> None:
  """Writes tensors atomically; `path` ends in one of `SUFFIXES`.

  Raises:
    errors.UserError: the suffix is another, or needs PyTorch, which is not
      installed.
  """
  path = pathlib.Path(path)
  content = io.BytesIO()
  arrays = {name: np.ascontiguousarray(x) for name, x in tensors.items()}
  match _suffix(path):
    case '.pth':
      torch = _torch(path)
      torch.save(
        {name: torch.from_numpy(x.copy()) for name, x in arrays.items()},
        content,
      )
    case '.safetensors':
      # save_file would make a file that only its owner can read.
      content.write(safetensors.numpy.save(arrays))
    case _:
      np.savez(content, allow_pickle=False, **arrays)  # type: ignore[arg-type]
  atomic_files.write(path, content.getvalue())


def _read_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
  try:
    return torch_files.read(path)
  except errors.UserError:
    raise
  # Whatever is in the file decides what reading it raises.
  except Exception as error:
    raise _unreadable(path, error) from error


def _read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
  try:
    return safetensors.numpy.load_file(path)
  # Besides its own error, types that NumPy lacks.
  except Exception as error:
    raise _unreadable(path, error) from error


def _read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
  try:
    table = np.load(path, allow_pickle=False)
    if not isinstance(table, np.lib.npyio.NpzFile):
      raise ValueError('not an archive of arrays')
    with table:
      arrays = {name: table[name] for name in table.files}
    if not all(isinstance(x, np.ndarray) for x in arrays.values()):
      raise ValueError('not all of it are arrays')
    return arrays
  # Whatever is in the file decides what NumPy and zipfile raise.
  except Exception as error:
    raise _unreadable(path, error) from error


def _suffix(path: pathlib.Path) -> str:
  suffix = '.pth' if path.suffix == '.pt' else path.suffix
  if suffix not in SUFFIXES:
    raise errors.UserError(
      f'{path} is no weight file: its name must end in {", ".join(SUFFIXES)}'
    )
  return suffix


def _torch(path: pathlib.Path) -> Any:
  try:
    return importlib.import_module('torch')
  except ImportError as error:
    raise errors.UserError(
      f'{path} needs PyTorch to be written: pip install torch; or choose a '
      'name that ends in .safetensors'
    ) from error


def _unreadable(path: pathlib.Path, error: Exception) -> errors.UserError:
  return errors.UserError(
    f'{path} cannot be read as weights: it is damaged, something else, or '
    f'holds code, which is never run ({wording.first_line(error)[:120]})'
  )
