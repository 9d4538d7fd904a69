"""Reads the tensors of PyTorch's files, without PyTorch and without unpickling.

A pickle is a program. Here it can build numbers, texts, collections and tensors
alone: names that it would import are compared with a list, nothing is imported
or called, and whatever else it asks for is refused.
"""

import dataclasses
import io
import pathlib
import pickletools
import zipfile
from collections.abc import Callable
from typing import IO, Any, TypeVar

import ml_dtypes
import numpy as np

from pointsup_jax import errors

T = TypeVar('T')

# Keys under which published files nest their tensors.
WRAPPERS = ('state_dict', 'model')

# Of files before PyTorch 1.6, which are no zip archives.
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_TENSOR = ('torch._utils _rebuild_tensor', 'torch._utils _rebuild_tensor_v2')
_PARAMETER = 'torch._utils _rebuild_parameter'
_DICT = 'collections OrderedDict'
_DTYPES = {
  'torch DoubleStorage': np.dtype('<f8'),
  'torch FloatStorage': np.dtype('<f4'),
  'torch HalfStorage': np.dtype('<f2'),
  'torch BFloat16Storage': np.dtype(ml_dtypes.bfloat16),
  'torch LongStorage': np.dtype('<i8'),
  'torch IntStorage': np.dtype('<i4'),
  'torch ShortStorage': np.dtype('<i2'),
  'torch CharStorage': np.dtype('i1'),
  'torch ByteStorage': np.dtype('u1'),
  'torch BoolStorage': np.dtype('?'),
}
_KNOWN = {*_DTYPES, *_TENSOR, _PARAMETER, _DICT}


@dataclasses.dataclass(frozen=True)
class _Name:
  """What a pickle would import: module and name, with a space."""

  name: str


@dataclasses.dataclass(frozen=True)
class _Storage:
  """Numbers somewhere else in the file."""

  dtype: np.dtype
  key: str
  count: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
  """A view of a storage; all but that counts numbers."""

  storage: _Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
  """The tensors of a checkpoint by name; bfloat16 becomes float32.

  Raises:
    errors.UserError: it holds something else than a dictionary of tensors,
      which may lie below one of `WRAPPERS`.
    Exception: of any kind, if it is damaged or asks for anything unknown.
  """
  with path.open('rb') as file:
    table, storage = _zipped(file) if zipfile.is_zipfile(file) else _bare(file)
    for wrapper in WRAPPERS:
      if isinstance(table, dict) and isinstance(table.get(wrapper), dict):
        table = table[wrapper]
    if not isinstance(table, dict) or not all(
      isinstance(name, str) and isinstance(tensor, _Tensor)
      for name, tensor in table.items()
    ):
      raise errors.UserError(
        f'{path} is no checkpoint of a model: expected a dictionary of tensors '
        f'by name (or one below {" or ".join(map(repr, WRAPPERS))})'
      )
    return {
      name: _array(tensor, storage(tensor.storage))
      for name, tensor in table.items()
    }


def _zipped(file: IO[bytes]) -> tuple[Any, Callable[[_Storage], bytes]]:
  """The pickled object of a zip archive, and what reads its storages."""
  archive = zipfile.ZipFile(file)

  def content(name: str) -> bytes:
    # PyTorch compresses nothing; a small file could hold gigabytes that way.
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
      raise ValueError(f'{name} is compressed')
    return archive.read(name)

  (name,) = [x for x in archive.namelist() if x.endswith('/data.pkl')]
  root = name.removesuffix('data.pkl')
  order = f'{root}byteorder'
  if order in archive.namelist() and content(order) != b'little':
    raise ValueError('it was written by a big-endian machine')
  table = _built(io.BytesIO(content(name)), {})
  return table, lambda storage: content(f'{root}data/{storage.key}')


def _bare(file: IO[bytes]) -> tuple[Any, Callable[[_Storage], bytes]]:
  """The same of a file before PyTorch 1.6: five pickles, then the storages."""
  file.seek(0)
  if (_built(file, {}), _built(file, {})) != (_MAGIC, _PROTOCOL):
    raise ValueError('it does not begin as a file of PyTorch does')
  if not _built(file, {})['little_endian']:
    raise ValueError('it was written by a big-endian machine')
  storages: dict[str, _Storage] = {}
  table = _built(file, storages)
  places = {}
  for key in _built(file, {}):
    count = int.from_bytes(file.read(8), 'little')
    size = count * storages[key].dtype.itemsize
    places[key] = (file.tell(), size)
    file.seek(size, io.SEEK_CUR)

  def content(storage: _Storage) -> bytes:
    start, size = places[storage.key]
    file.seek(start)
    return file.read(size)

  return table, content


def _array(tensor: _Tensor, content: bytes) -> np.ndarray:
  """A tensor's numbers, contiguous."""
  storage, shape, steps = tensor.storage, tensor.shape, tensor.strides
  numbers = np.frombuffer(content, storage.dtype)
  count = int(np.prod(shape, dtype=object))
  last = tensor.offset + sum(
    (n - 1) * step for n, step in zip(shape, steps, strict=True)
  )
  if (
    numbers.size != storage.count
    or min((tensor.offset, *shape, *steps)) < 0
    or count > numbers.size
    or (count and last >= numbers.size)
  ):
    raise ValueError('a tensor does not lie within its storage')
  found = np.lib.stride_tricks.as_strided(
    numbers[tensor.offset :],
    shape,
    [step * storage.dtype.itemsize for step in steps],
  )
  # NumPy itself has no bfloat16.
  is_brain = storage.dtype == ml_dtypes.bfloat16
  return np.array(found, np.float32 if is_brain else None, order='C')


def _built(stream: IO[bytes], storages: dict[str, _Storage]) -> Any:
  """Runs one pickle; adds the storages that it names to `storages`."""
  stack: list[Any] = []
  marks: list[int] = []
  memo: dict[Any, Any] = {}

  def since_mark() -> list[Any]:
    start = marks.pop()
    taken = stack[start:]
    del stack[start:]
    return taken

  for operation, value, _ in pickletools.genops(stream):
    match operation.name:
      case 'PROTO':
        pass
      case 'STOP':
        return stack.pop()
      case 'MARK':
        marks.append(len(stack))
      case 'NONE' | 'NEWTRUE' | 'NEWFALSE':
        stack.append({'NONE': None, 'NEWTRUE': True}.get(operation.name, False))
      case name if name in _LITERALS:
        stack.append(value)
      case 'EMPTY_DICT' | 'EMPTY_LIST' | 'EMPTY_TUPLE':
        stack.append(_EMPTY[operation.name]())
      case 'TUPLE':
        stack.append(tuple(since_mark()))
      case 'TUPLE1' | 'TUPLE2' | 'TUPLE3':
        count = int(operation.name[-1])
        stack[-count:] = [tuple(stack[-count:])]
      case 'BINPUT' | 'LONG_BINPUT':
        memo[value] = stack[-1]
      case 'BINGET' | 'LONG_BINGET':
        stack.append(memo[value])
      case 'SETITEM' | 'SETITEMS':
        marks += [len(stack) - 2] if operation.name == 'SETITEM' else []
        items = since_mark()
        _of_type(dict, stack[-1]).update(
          zip(items[::2], items[1::2], strict=True)
        )
      case 'APPEND' | 'APPENDS':
        marks += [len(stack) - 1] if operation.name == 'APPEND' else []
        items = since_mark()
        _of_type(list, stack[-1]).extend(items)
      case 'GLOBAL' if value in _KNOWN:
        stack.append(_Name(value))
      case 'REDUCE':
        arguments = stack.pop()
        stack.append(_made(_of_type(_Name, stack.pop()).name, arguments))
      case 'BUILD':  # attributes of an OrderedDict, such as versions of modules
        stack.pop()
        _of_type(dict, stack[-1])
      case 'BINPERSID':
        storage = _storage(*stack.pop())
        storages[storage.key] = storage
        stack.append(storage)
      case _:
        raise ValueError(f'{operation.name} {value or ""}'.strip())
  raise ValueError('it is cut off')


_EMPTY = {'EMPTY_DICT': dict, 'EMPTY_LIST': list, 'EMPTY_TUPLE': tuple}
_LITERALS = {
  'BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINUNICODE',
  'BINSTRING', 'SHORT_BINSTRING',
}  # fmt: skip


def _made(name: str, arguments: tuple) -> Any:
  """The result of a call of one of `_KNOWN`, which is not called."""
  if name in _TENSOR:
    storage, offset, shape, strides = arguments[:4]
    return _Tensor(_of_type(_Storage, storage), offset, shape, strides)
  if name == _PARAMETER:
    return _of_type(_Tensor, arguments[0])
  if name == _DICT:
    return dict(*arguments)
  raise ValueError(f'a call of {name}')


def _storage(
  kind: str, dtype: _Name, key: str, place: str, count: int, view: None = None
) -> _Storage:
  """A storage of which a pickle says where it lies."""
  del place
  if kind != 'storage' or view is not None:
    raise ValueError('a reference to something else than a storage')
  return _Storage(_DTYPES[dtype.name], key, count)


def _of_type(kind: type[T], found: Any) -> T:
  if not isinstance(found, kind):
    raise ValueError(f'{type(found).__name__} in place of {kind.__name__}')
  return found
