"""Depth of source images, from files to batches."""

import itertools
import shutil

import cv2
import numpy as np
import pytest
import trees
from numbered import Numbered
from saying import message, usage

from pointsup_jax import config as config_lib
from pointsup_jax.data import (
  building,
  classes,
  domains,
  encoded,
  identity,
  inspection,
  pipeline,
  sources,
  transforms,
)
from pointsup_jax.data.streets import labels, scenes
from pointsup_jax.run import (
  config_check,
  data_check,
  methods,
  recorded_data,
  workdir,
)
from pointsup_jax.run import context as run_lib

SIZE = (64, 128)
SYNTHIA = 'synthia_rand_cityscapes'


def depth_of(seed, size=SIZE):
  return np.random.default_rng(seed).integers(0, 65536, size, np.uint16)


def folder(root, count=3):
  for i in range(count):
    image, ids = trees.scene('game', i, SIZE)
    trees.save(root / f'images/a/{i}.png', image)
    trees.save(root / f'labels/a/{i}.png', ids)
    trees.save_depth(root / f'depth/a/{i}.png', depth_of(i))
  return root


def opened(dataset, root, size=None, depth=True):
  return sources.open_source(
    dataset,
    root=str(root),
    split={'image_folder': 'a', SYNTHIA: 'all'}.get(dataset, 'train'),
    size=size,
    classes=classes.CITYSCAPES,
    length=3,
    depth=depth,
  )


# Streets.


@pytest.mark.parametrize('look', ['game', 'camera'])
def test_scenes_have_depth_and_are_the_same_without(look):
  plain, deep = (opened(f'streets_{look}', '', SIZE, x) for x in (False, True))
  for one, two in zip(plain, deep, strict=True):
    assert one.depth is None
    np.testing.assert_equal(one[:4], two[:4])
    assert two.depth.dtype == np.uint16
    assert two.depth.shape == SIZE
    sky = two.labels == labels.SKY
    assert sky.any()
    np.testing.assert_array_equal(two.depth == 65535, sky)
    assert np.median(two.depth[two.labels == labels.ROAD]) < 1000  # 10 m
    assert two.depth.min() >= 30


def test_a_scene_s_depth_is_in_centimetres():
  _, canvas = scenes.draw('game', 'train', 0, 0, SIZE)
  there = canvas.labels != labels.SKY
  found = scenes.centimetres(canvas)[there]
  np.testing.assert_array_equal(found, np.rint(100 * canvas.depth[there]))
  canvas.depth[:] = 700  # metres, more than 16 bits hold
  canvas.labels[0] = labels.ROAD
  assert (scenes.centimetres(canvas)[0] == 65534).all()


# Files.


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_files_give_the_depth_of_their_first_channel(tmp_path, channels):
  root = folder(tmp_path)
  pixels = np.dstack([depth_of(7 + i) for i in range(channels)])
  assert cv2.imwrite(str(root / 'depth/a/1.png'), pixels)
  found = opened('image_folder', root)[1].depth
  first = min(2, channels - 1)  # OpenCV has red third
  np.testing.assert_array_equal(found, pixels[..., first])
  assert opened('image_folder', root, depth=False)[1].depth is None


def test_synthia_s_depth_is_read_exactly(tmp_path):
  trees.synthia(tmp_path, 3, SIZE)
  scenes_ = opened('streets_game', '', SIZE)
  for one, two in zip(scenes_, opened(SYNTHIA, tmp_path), strict=True):
    np.testing.assert_array_equal(one.depth, two.depth)


def test_depth_is_resized_to_the_nearest_pixel(tmp_path):
  found = opened('image_folder', folder(tmp_path), (40, 100))[0].depth
  rows = np.floor((np.arange(40) + 0.5) * 64 / 40).astype(int)
  cols = np.floor((np.arange(100) + 0.5) * 128 / 100).astype(int)
  assert found.dtype == np.uint16
  np.testing.assert_array_equal(found, depth_of(0)[np.ix_(rows, cols)])


def remove(path):
  path.unlink()
  return r'1 of 3 images have no depth: no depth/a/1.png'


def remove_all(path):
  shutil.rmtree(path.parents[1])
  return 'depth/a/2.png; the method needs'


def another_size(path):
  trees.save_depth(path, depth_of(0, (32, 128)))
  return 'depth/a/1.png is 128x32 but images/a/1.png is 128x64'


def eight_bits(path):
  trees.save(path, np.zeros(SIZE, np.uint8))
  return 'depth/a/1.png holds uint8'


def no_image(path):
  path.write_text('<html>')
  return 'depth/a/1.png cannot be read'


@pytest.mark.parametrize(
  'spoil', [remove, remove_all, another_size, eight_bits, no_image]
)
def test_files_that_are_unfit_are_named_where_depth_is_read(tmp_path, spoil):
  root = folder(tmp_path)
  words = spoil(root / 'depth/a/1.png')
  assert words in message(lambda: opened('image_folder', root)[1])
  assert len(list(opened('image_folder', root, depth=False))) == 3


# On the way to the device.


class Deep(Numbered):
  def __getitem__(self, index):
    example = super().__getitem__(index)
    depth = np.full(example.labels.shape, 1000 + index, np.uint16)
    return example._replace(depth=depth)


def test_batches_have_the_depth_of_their_images():
  stream = itertools.islice(pipeline.stream(Deep(5), seed=0, batch_size=2), 4)
  in_order = (batch for _, batch, _ in pipeline.in_order(Deep(5), 2))
  for batch in itertools.chain(stream, in_order):
    assert batch.depth.dtype == np.uint16
    np.testing.assert_array_equal(
      batch.depth, np.uint16(1000) + batch.images[..., 0]
    )
  plain = next(pipeline.stream(Numbered(5), seed=0, batch_size=2))
  assert plain.depth is None


def test_a_cache_counts_and_freezes_depth():
  source = Deep(2)
  one_image = 2 * 3 * (3 + 1 + 2)
  cached = sources.CachedSource(source, max_bytes=one_image)
  for index in (0, 1, 0, 1):
    cached[index]
  assert source.reads == [0, 1, 1]
  with pytest.raises(ValueError, match='read-only'):
    cached[0].depth[0] = 1


def test_encoding_is_lossless_and_goes_on_where_it_was_stopped(tmp_path):
  source = Deep(10)
  source._broken = {7: KeyboardInterrupt()}
  with pytest.raises(KeyboardInterrupt):
    list(encoded.encode_all(source, tmp_path))
  found = list(encoded.encode_all(source, tmp_path))
  for index, example in found:
    np.testing.assert_array_equal(
      encoded.decode_depth(example.depth), Deep(10)[index].depth
    )
  assert sorted(source.reads) == sorted([*range(10), 7])


# A run.


def config_of(root, prepared=''):
  config = config_lib.get_config()
  config.data.root, config.data.prepared = str(root), str(prepared)
  config.data.source = config_lib.domain('image_folder', 'a', SIZE, root='S')
  config.data.target = config_lib.domain('streets_camera', 'train', SIZE, 3)
  config.data.evaluation = config_lib.domain('streets_camera', 'val', SIZE, 3)
  config.acquire.grid = (4, 8)
  config.uda.strategy, config.model.depth = 'dada', True
  return config


@pytest.fixture
def run(tmp_path):
  folder(tmp_path / 'S')
  return run_lib.open_run(config_of(tmp_path), workdir.Workdir(tmp_path / 'w'))


def test_only_a_method_that_needs_depth_reads_it(run):
  assert data_check.open_all(run)['source'][0].depth is not None
  assert methods.need(run.config, 'depth', ('uda',))
  assert not methods.need(run.config, 'depth', ('adapt',))
  run.config.uda.strategy = 'advent'
  assert data_check.open_all(run)['source'][0].depth is None


def test_a_method_is_refused_without_its_network_or_its_depth(run):
  config_check.check(run.config)
  run.config.model.depth = False
  said = usage(lambda: config_check.check(run.config))
  assert '--config.model.depth=True' in said
  run.config.model.depth = True
  for dataset in set(sources.NAMES) - {*sources.WITH_DEPTH}:
    run.config.data.source.dataset = dataset
    said = usage(lambda: config_check.check(run.config))
    assert "uda.strategy='dada' needs the depth of source images" in said
    assert f'{dataset!r} has none' in said
    assert SYNTHIA in said


def test_a_build_has_the_depth_that_the_files_have(run, tmp_path):
  direct = list(data_check.open_all(run)['source'])
  run.config.data.prepared = str(tmp_path / 'built')
  run.config.uda.strategy = 'advent'
  building.build_all(run.config)
  run.config.uda.strategy = 'dada'
  said = message(lambda: data_check.open_all(run))
  assert 'was built without depth' in said
  assert said == message(lambda: building.build_all(run.config, depth=True))
  shutil.rmtree(tmp_path / 'built')
  building.build_all(run.config, depth=True)
  np.testing.assert_equal(list(data_check.open_all(run)['source']), direct)
  run.config.uda.strategy = 'advent'
  assert data_check.open_all(run)['source'][0].depth is None
  (tmp_path / 'S/depth/a/1.png').unlink()
  assert '1 depth removed (a/1)' in message(
    lambda: recorded_data.require_fresh_builds(run)
  )


def test_changed_depth_is_refused_by_the_stage_that_reads_it(run, tmp_path):
  recorded_data.check(run, 'uda')
  (run.workdir.uda.checkpoints / '2').mkdir(parents=True)
  trees.save_depth(tmp_path / 'S/depth/a/1.png', depth_of(9))
  recorded_data.check(run, 'adapt')  # AdvEnt
  said = message(lambda: recorded_data.check(run, 'uda'))
  assert '1 depth changed (a/1)' in said


def test_depths_are_in_the_identity_only_where_they_are_read(tmp_path):
  root = folder(tmp_path)
  pairs = sources.find_files('image_folder', root, 'a')
  found = identity.read(root, pairs, {}, labelled=True, depth=True)
  assert list(found['depths']) == ['a/0', 'a/1', 'a/2']
  without = identity.read(root, pairs, {}, labelled=True)
  assert 'depths' not in without
  assert identity.changes(found, without) == []
  assert identity.from_json(identity.to_json(found)) == found


def flat(path):
  trees.save_depth(path, np.full(SIZE, 5, np.uint16))
  return 'doubtful: source has 1 depths that are the same everywhere: a/1'


def unequal_channels(path):
  assert cv2.imwrite(str(path), np.dstack([depth_of(i) for i in range(3)]))
  return 'doubtful: source has 1 depths whose channels differ, of which the '


def look(run, tmp_path, depth=True):
  sheet = tmp_path / 'sheet.png'
  return inspection.inspect(run.config, sheet, depth=depth)


@pytest.mark.parametrize('spoil', [flat, unequal_channels])
def test_check_says_what_is_doubtful(run, tmp_path, capsys, spoil):
  assert look(run, tmp_path) == 0
  words = spoil(tmp_path / 'S/depth/a/1.png')
  assert look(run, tmp_path) == 1
  assert words in capsys.readouterr().out
  inspection.glance(run.config, run.classes, depth=True)
  assert words in capsys.readouterr().err
  assert look(run, tmp_path, depth=False) == 0


@pytest.mark.parametrize(
  ('spoil', 'words'),
  [
    (remove, 'missing or cannot be read: there is no depth/a/1.png'),
    (another_size, 'of another size than their image: a/1 (128x32 for 128x64)'),
    (eight_bits, 'depth/a/1.png holds uint8'),
  ],
)
def test_check_refuses_what_is_wrong(run, tmp_path, spoil, words):
  spoil(tmp_path / 'S/depth/a/1.png')
  said = message(lambda: look(run, tmp_path))
  assert said.startswith('1 problems')
  assert words in said
  assert look(run, tmp_path, depth=False) == 0


def test_nothing_is_done_to_depth_of_the_right_size():
  depth = depth_of(0)
  assert transforms.resize_labels(depth, SIZE) is depth


def test_viewing_and_evaluation_need_no_depth(run):
  for name in ('target', 'evaluation'):
    assert run.source(name, labelled=True)[0].depth is None
  viewed = domains.open_for_viewing(
    run.config.data, 'source', classes=run.classes, seed=0
  )
  assert viewed[0].depth is None
