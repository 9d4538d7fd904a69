"""AdaptPatch against the equations (see ../shared), and what goes wrong."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
import saying

from configs import streets_active
from pointsup_jax.models import discriminator, upsample
from pointsup_jax.run import context as run_lib
from pointsup_jax.run import workdir
from pointsup_jax.stages import patch_clusters
from pointsup_jax.training import optimizers, step
from pointsup_jax.types import Batch, Example, Outputs
from pointsup_jax.uda import adaptpatch, patches, strategy
from pointsup_jax.uda.scene import Scene, Seen

CLOSE = {'rtol': 1e-12, 'atol': 1e-12}
CLASSES = 5


@pytest.fixture
def exact(monkeypatch):
  """The package in float64: it says float32 where it means no less."""
  with jax.enable_x64(True):
    monkeypatch.setattr(jnp, 'float32', jnp.float64)
    yield


@pytest.fixture
def reference(shared, monkeypatch):
  found = np.load(shared / 'reference' / 'uda' / 'adaptpatch.npz')
  monkeypatch.setattr(patches, 'SIZE', tuple(found['patch_size']))
  return found


@pytest.mark.parametrize('number', [2, 4])
@pytest.mark.usefixtures('exact')
def test_histograms(reference, monkeypatch, number):
  if number == 4:  # 2 x 4 cells are two patches of 2 x 2, half as wide
    monkeypatch.setattr(patches, 'SIZE', (16, 8))
  labels = reference['labels']
  found, labelled = patches.histograms(labels, CLASSES)
  found = np.asarray(found)
  if number == 4:
    found = found.reshape(2, 2, 4, 2, 2, 2, CLASSES)
    found = found.swapaxes(3, 4).reshape(2, 2, 4, -1)
  np.testing.assert_allclose(
    found, reference[f'histograms_2x{number}'], **CLOSE
  )
  if number == 2:
    pixels = reference['labelled_pixels_2x2'].sum((-2, -1))
    np.testing.assert_array_equal(labelled, pixels > 0)


@pytest.mark.usefixtures('exact')
def test_clusters(reference):
  shares, labelled = patches.histograms(reference['labels'], CLASSES)
  nearest = patches.nearest(shares, reference['centres'])
  np.testing.assert_array_equal(
    np.where(labelled, nearest, 255), reference['clusters']
  )
  points = np.asarray(shares)[np.asarray(labelled)]
  for rounds, name in ((3, 'lloyd/centres_after_3'), (100, 'lloyd/centres')):
    found = patches.lloyd(points, reference['centres'], rounds)
    np.testing.assert_allclose(found, reference[name], **CLOSE)


def scene_of(reference):
  """The reference's logits and networks."""
  h = {
    f'conv{2 * i}': {
      'kernel': reference[f'h/w{i + 1}'], 'bias': reference[f'h/b{i + 1}'],
    }
    for i in range(2)
  }  # fmt: skip
  d = {
    f'conv{2 * i}': {
      'kernel': reference[f'd/w{i}'], 'bias': reference[f'd/b{i}'],
    }
    for i in range(3)
  }  # fmt: skip
  modules = {
    'modes': (discriminator.Pixelwise((8, 6), slope=0.0), h),
    'patches': (discriminator.Pixelwise((7, 9, 1)), d),
  }

  def ask(name, x):
    if name in Outputs._fields:
      return x
    module, params = modules[name]
    return module.apply({'params': params}, x)

  def seen(domain):
    small = jnp.asarray(reference[f'h/logits_{domain}'])
    logits = upsample.bilinear(small, (32, 64))
    batch = Batch(None, reference['labels'])
    return Seen(batch, None, Outputs(logits, logits), {})

  both = {domain: seen(domain) for domain in ('source', 'target')}
  return Scene(both, ask, None, {}, np.int32(0), jax.random.key(0))


@pytest.mark.usefixtures('exact')
def test_networks_and_losses(reference):
  scene = scene_of(reference)
  for domain, seen in scene.seen.items():
    pooled = patches.means(jax.nn.softmax(seen.logits.main))
    for name, found in (
      ('h/pooled', pooled),
      ('h/scores', adaptpatch.scores(scene, seen)),
      ('h/F', adaptpatch.probabilities(scene, seen)),
    ):
      np.testing.assert_allclose(found, reference[f'{name}_{domain}'], **CLOSE)
    judged = scene.ask('patches', adaptpatch.probabilities(scene, seen))
    known = reference[f'd/logits_{domain}']
    np.testing.assert_allclose(judged, known, **CLOSE)
  settings = strategy.Settings(Outputs(0.0, 0.0), centres=reference['centres'])
  loss, terms = adaptpatch.align(scene, settings=settings)
  modes, fool = (
    reference[f'loss/{x}'] for x in ('cluster_cross_entropy_mean', 'fool')
  )
  np.testing.assert_allclose(terms['modes'], modes, **CLOSE)
  np.testing.assert_allclose(terms['fool_patches'], fool, **CLOSE)
  np.testing.assert_allclose(loss, 0.01 * modes + 0.0005 * fool, **CLOSE)
  loss, _ = adaptpatch.tell_apart(scene)
  sides = (reference[f'loss/opponent_{x}'] for x in ('source', 'target'))
  np.testing.assert_allclose(loss, sum(sides) / 2, **CLOSE)


def test_windows_overlap_as_in_torch_where_they_do_not_divide():
  assert patches.windows(7, 3) == [(0, 3), (2, 5), (4, 7)]
  assert patches.cells(7, 3)[:3] == [(0, 2), (1, 3), (2, 4)]
  assert patches.grid(512, 1024) == (16, 16)
  assert patches.grid(760, 1280) == (24, 20)
  assert patches.grid(8, 8) == (1, 1)


def random_labels(seed, shape=(2, 100, 150)):
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, CLASSES + 2, shape).astype(np.uint8)
  labels[labels >= CLASSES] = 255
  labels[0, :40, :80] = 255  # a patch without labels
  return labels


def test_what_is_clustered_is_what_the_loss_looks_at():
  """The host's histograms of drawn patches are the device's."""
  labels = random_labels(0)
  shares, labelled = patches.histograms(labels, CLASSES)
  assert not np.asarray(labelled).all()
  drawn = patches.drawn(labels[0], CLASSES, 1000, np.random.default_rng(1))
  expected = np.asarray(shares[0])[np.asarray(labelled[0])]

  def in_order(rows):
    return rows[np.lexsort(rows.T.round(5))]

  np.testing.assert_allclose(in_order(drawn), in_order(expected), atol=1e-6)
  some = patches.drawn(labels[0], CLASSES, 3, np.random.default_rng(1))
  assert len(some) == 3
  none = np.full((40, 40), 255, np.uint8)
  found = patches.drawn(none, CLASSES, 3, np.random.default_rng(1))
  assert found.shape == (0, 4 * CLASSES)


def test_k_means():
  rng = np.random.default_rng(0)
  true = np.eye(4, 6) * 10
  points = true[rng.integers(4, size=200)] + rng.normal(0, 0.1, (200, 6))
  found = patches.clusters(points, 4, np.random.default_rng(1))
  gaps = np.abs(found[:, None] - true[None]).sum(-1)
  assert sorted(gaps.argmin(-1)) == [0, 1, 2, 3]
  assert gaps.min(-1).max() < 0.2
  again = patches.clusters(points, 4, np.random.default_rng(1))
  np.testing.assert_array_equal(found, again)
  few = patches.clusters(points[:2], 4, rng)  # fewer points than clusters
  assert np.isfinite(few).all()
  empty = patches.lloyd(points, np.vstack([true, [99.0] * 6]), 10)
  np.testing.assert_array_equal(empty[-1], [99.0] * 6)


class Labels:
  """A source of given labels."""

  def __init__(self, labels):
    self.labels, self.names = labels, [f'{i}' for i in range(len(labels))]

  def __len__(self):
    return len(self.labels)

  def __getitem__(self, index):
    return Example(self.names[index], np.zeros(0, np.uint8), self.labels[index])


@pytest.fixture
def run(tmp_path):
  return run_lib.open_run(
    streets_active.get_config(), workdir.Workdir(tmp_path)
  )


def test_centres_are_found_once_and_a_damaged_file_is_made_anew(run):
  labels = Labels(random_labels(3, (4, 64, 128)))
  centres = patch_clusters.find(run, labels)
  assert centres.shape == (50, 4 * 19)
  path = run.workdir.patch_clusters
  content = path.read_bytes()
  others = Labels(random_labels(4, (4, 64, 128)))
  np.testing.assert_array_equal(patch_clusters.find(run, others), centres)
  path.write_bytes(content[:100])
  np.testing.assert_array_equal(patch_clusters.find(run, labels), centres)


def test_a_source_without_labels_cannot_be_clustered(run):
  nothing = Labels(np.full((2, 64, 128), 255, np.uint8))
  said = saying.message(lambda: patch_clusters.find(run, nothing))
  assert 'nothing to cluster' in said


@pytest.mark.slow
def test_training_moves_the_predictor_as_a_head_and_all_else():
  rng = np.random.default_rng(0)
  settings = strategy.Settings(
    Outputs(aux=0.0002, main=0.001),
    centres=rng.random((50, 4 * players.CLASSES)),
  )
  method, small = adaptpatch.adaptpatch(settings), players.small_learner()
  head = optimizers.head(
    optimizers.poly(0.02, power=0.9, decay_steps=100),
    momentum=0.9,
    weight_decay=1e-4,
  )
  game = dataclasses.replace(
    small, optimizers={**small.optimizers, 'head': head}
  )
  key = jax.random.key(0)
  state = game.init(key, game.init_segmenter(key), method.players)
  train_step = jax.jit(
    functools.partial(
      step.train_step,
      learner=game,
      strategy=method,
      supervision=step.Supervision(aux=0.1),
    )
  )
  before = state
  for i in range(2):
    state, metrics = train_step(state, players.random_pair(i))
    assert all(np.isfinite(x) for x in metrics.values()), metrics
  for name, player in state.opponents.items():
    old = before.opponents[name].params
    moved = jax.tree.map(lambda a, b: np.any(a != b), old, player.params)
    assert all(jax.tree.leaves(moved)), name


def test_the_head_s_optimiser_is_the_segmenter_s():
  schedule = optimizers.poly(0.02, power=0.9, decay_steps=10)
  options = {'momentum': 0.9, 'weight_decay': 0.01}
  one = optimizers.head(schedule, **options)
  two = optimizers.segmenter(
    optimizers.poly(0.002, power=0.9, decay_steps=10),
    head_lr_scale=10.0,
    repeat=False,
    **options,
  )
  param = jnp.asarray([1.0, -2.0])
  mine, theirs = {'kernel': param}, {'main_head': {'conv0': {'kernel': param}}}
  states = one.init(mine), two.init(theirs)
  for i in range(3):
    grad = jnp.asarray([0.3, 0.5]) * (i + 1)
    change, first = one.update({'kernel': grad}, states[0], mine, step=i)
    other, second = two.update(
      {'main_head': {'conv0': {'kernel': grad}}}, states[1], theirs, step=i
    )
    states = first, second
    mine = jax.tree.map(jnp.add, mine, change)
    theirs = jax.tree.map(jnp.add, theirs, other)
    np.testing.assert_allclose(
      mine['kernel'], theirs['main_head']['conv0']['kernel'], rtol=1e-6
    )
