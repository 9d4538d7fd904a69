"""Images and labels that no library opens: one line each."""

import struct
import zlib

import numpy as np
import pytest
import saying
import trees
from PIL import Image

from pointsup_jax.data import image_files


def bomb(path, width, height, bits=16):
  """A PNG of a few bytes that promises many pixels."""

  def chunk(kind, data):
    checksum = struct.pack('>I', zlib.crc32(kind + data))
    return struct.pack('>I', len(data)) + kind + data + checksum

  header = struct.pack('>IIBBBBB', width, height, bits, 2, 0, 0, 0)
  chunks = [(b'IHDR', header), (b'IDAT', zlib.compress(b'')), (b'IEND', b'')]
  path.write_bytes(
    b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*each) for each in chunks)
  )


@pytest.mark.parametrize(
  ('size', 'words'),
  [
    ((60_000, 60_000), 'a.png is 60000x60000, more than the 178 megapixels'),
    ((2**21, 4), 'a.png cannot be read'),
    ((0, 5), 'a.png cannot be read'),
  ],
)
def test_a_label_of_synthia_that_opencv_refuses(tmp_path, size, words):
  bomb(tmp_path / 'a.png', *size)
  text = saying.message(
    lambda: image_files.read_first_of_16_bits(tmp_path, 'a.png')
  )
  assert text.startswith(words)


@pytest.mark.parametrize(
  'image',
  [
    np.zeros((5, 8), np.uint8),
    np.zeros((4, 8, 3), np.uint8),
    Image.new('P', (8, 4)),
    Image.new('I;16', (8, 4)),
  ],
  ids=['size', 'colours', 'palette', '16 bits'],
)
def test_pseudo_labels_that_were_replaced_are_named(tmp_path, image):
  path = trees.save(tmp_path / 'a.png', image)
  text = saying.message(lambda: image_files.read_labels(path, (4, 8)))
  assert str(path) in text
  assert 'labels of 4x8 were written there' in text
