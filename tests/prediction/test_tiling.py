"""Predictions in tiles, against those of the whole image and a naive mean."""

import numpy as np
import pytest
import using
from launching import succeed

from pointsup_jax.data.streets import scenes
from pointsup_jax.prediction import folder as folder_lib
from pointsup_jax.prediction import inputs, predicting, segmenting, tiling

TILE = (64, 128)


@pytest.mark.parametrize(
  ('image', 'tile'),
  [
    ((1, 1), TILE),
    (TILE, TILE),
    ((65, 129), TILE),
    ((64, 1000), TILE),
    ((999, 100), TILE),
    ((300, 400), (7, 5)),
    ((3, 3), (1, 1)),
  ],
)
def test_tiles_cover_the_image_and_overlap_by_a_quarter(image, tile):
  seen = np.zeros(image, int)
  found = tiling.places(image, tile)
  for top, left in found:
    assert top >= 0
    assert left >= 0
    assert top + tile[0] <= max(image[0], tile[0])
    assert left + tile[1] <= max(image[1], tile[1])
    seen[top : top + tile[0], left : left + tile[1]] += 1
  assert seen.min() >= 1
  for axis in range(2):
    starts = sorted({place[axis] for place in found})
    if tile[axis] > 1:
      assert (np.diff(starts) <= np.ceil(0.75 * tile[axis])).all()
    # No more than it takes.
    step = max(int(tile[axis] * 0.75), 1)
    needed = 1 + -(-max(image[axis] - tile[axis], 0) // step)
    assert len(starts) == needed


def test_cut_and_places_agree_and_small_images_are_mirrored():
  image = np.random.default_rng(0).integers(0, 256, (150, 140, 3), np.uint8)
  parts = tiling.cut(image, TILE)
  for (top, left), part in zip(
    tiling.places((150, 140), TILE), parts, strict=True
  ):
    np.testing.assert_array_equal(
      part, image[top : top + 64, left : left + 128]
    )
  (part,) = tiling.cut(image[:60, :100], TILE)
  assert part.shape == (*TILE, 3)
  np.testing.assert_array_equal(part[:60, :100], image[:60, :100])
  np.testing.assert_array_equal(part[60:, :100], image[59:55:-1, :100])


@pytest.mark.parametrize('size', [(64, 128), (65, 300), (200, 129), (9, 7)])
def test_a_prediction_is_the_weighted_mean_of_its_tiles(size):
  rng = np.random.default_rng(1)
  found = tiling.places(size, TILE)
  p = rng.dirichlet(np.ones(5), (len(found), *TILE)).astype(np.float32)
  ours = tiling.join(iter(p), size, TILE)
  # The same in float64, without bands: weights rise over a quarter.
  sums = np.zeros((*size, 5))
  weights = [
    [min(i + 1, side - i, side // 4) for i in range(side)] for side in TILE
  ]
  for (top, left), part in zip(found, p.astype(np.float64), strict=True):
    for i in range(TILE[0]):
      for j in range(TILE[1]):
        if top + i < size[0] and left + j < size[1]:
          weight = weights[0][i] * weights[1][j]
          sums[top + i, left + j] += part[i, j] * weight
  mean = sums / sums.sum(-1, keepdims=True)
  np.testing.assert_array_equal(ours.labels, mean.argmax(-1))
  entropy = -(mean * np.log(mean)).sum(-1) / np.log(5)
  np.testing.assert_allclose(ours.entropy, entropy, atol=2e-6)


def test_certain_tiles_have_no_entropy_and_broken_ones_are_seen():
  p = np.zeros((2, *TILE, 3), np.float32)
  p[..., 1] = 1
  size = (64, 200)
  found = tiling.join(iter(p), size, TILE)
  assert (found.labels == 1).all()
  np.testing.assert_allclose(found.entropy, 0, atol=1e-30)
  p[1, 5, 120] = np.nan
  assert np.isnan(tiling.join(iter(p), size, TILE).entropy).any()


@pytest.mark.parametrize('views', [segmenting.plain, segmenting.augmented])
def test_an_image_of_one_tile_is_predicted_as_a_whole(trained, views):
  segmenter = using.segmenter_of(trained, views(TILE))
  image, _ = scenes.render('camera', 'test', 3, 0, TILE)
  seen = segmenting.as_seen(image, views(TILE))
  (logits,) = segmenter.small_logits({k: v[None] for k, v in seen.items()})
  whole = segmenter.enlarge(logits, TILE)
  tiled = tiling.join(iter([segmenter.probabilities(logits, TILE)]), TILE, TILE)
  assert (tiled.labels != whole.labels).mean() < 1e-3  # near ties alone
  np.testing.assert_allclose(tiled.entropy, whole.entropy, atol=1e-5)


def test_large_images_are_seen_at_their_own_resolution(
  trained, images, tmp_path
):
  """Inside, where one tile alone counts, labels are those of that tile."""
  found, _ = inputs.find([str(images / 'a/4.png')], tmp_path / 'out')
  views = segmenting.plain(TILE)
  about = predicting.about(trained, views, tile=TILE)
  out = folder_lib.Folder(tmp_path / 'out', about, trained.classes)
  problems = predicting.run(
    trained, found, out, views=views, batch_size=4, tile=TILE
  )
  assert not problems
  labels = using.pixels(tmp_path / 'out/labels/4.png')
  image = using.pixels(images / 'a/4.png')
  assert labels.shape == image.shape[:2] == using.SIZES[4]
  segmenter = using.segmenter_of(trained, views)
  (logits,) = segmenter.small_logits({TILE: image[None, :64, :128]})
  alone = segmenter.enlarge(logits, TILE).labels
  (_, left), *_ = (x for x in tiling.places(labels.shape, TILE) if x.left > 0)
  (top, _), *_ = (x for x in tiling.places(labels.shape, TILE) if x.top > 0)
  corner = np.s_[:top, :left]
  assert (labels[corner] == alone[corner]).mean() > 0.999


def test_the_command(workdir, images, tmp_path):
  where = (f'--workdir={workdir}', f'--out={tmp_path / "out"}')
  succeed(images, *where, '--tiles', '--size=64,64', program='predict')
  for i, size in enumerate(using.SIZES):
    assert using.pixels(tmp_path / f'out/labels/a/{i}.png').shape == size
