"""DISE (Chang et al., CVPR 2019): structure is kept, texture is translated.

The segmenter's conv5 is an image's structure; a small encoder per domain gives
its texture, 8 numbers; a decoder makes an image of any pair of them. Source
images with target textures are further labelled images.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from pointsup_jax.losses import domain_loss, segmentation
from pointsup_jax.models import resnet, translation, upsample, vgg
from pointsup_jax.types import Batch, Metrics, Outputs
from pointsup_jax.uda import adversarial, strategy
from pointsup_jax.uda.scene import Scene

# Constants of the published code (train_dise_gta2city.py).
SCALE = 128.0  # decoded images are BGR minus the mean, divided by this
LEVELS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)  # weights of the features
TEXTURES = 3  # levels at which a translated image has its texture's mean
REBUILT, TRANSLATED, FOOLING = 0.5, 0.05, 0.01
EVERY = 5  # steps between two moves of the opponents on images

DOMAINS = {'source': domain_loss.SOURCE, 'target': domain_loss.TARGET}
OTHER = {'source': 'target', 'target': 'source'}
BACKBONE = ('stem', 'conv2', 'conv3', 'conv4', 'conv5')
# Features of an image at five levels.
Perceive = Callable[[Scene, jax.Array], tuple[jax.Array, ...]]


def dise(settings: strategy.Settings) -> strategy.Strategy:
  """Opponents move first, then the segmenter with encoders and decoder."""
  allies = ('texture_source', 'texture_target', 'decoder')
  loss = functools.partial(
    translate, settings=settings, perceive=by_vgg if settings.vgg else by_copy
  )
  return strategy.Strategy(
    players={
      **dict.fromkeys(Outputs._fields, MAP_OPPONENT),
      **{f'image_{domain}': IMAGE_OPPONENT for domain in DOMAINS},
      **{f'texture_{domain}': ENCODER for domain in DOMAINS},
      'decoder': DECODER,
      'features': frozen_vgg(settings.vgg) if settings.vgg else strategy.Copy(),
    },
    views=views,
    moves=(
      *(
        strategy.Move(
          (head,), functools.partial(tell_apart, head=head), fresh=not i
        )
        for i, head in enumerate(Outputs._fields)
      ),
      *(
        strategy.Move(
          (f'image_{domain}',),
          functools.partial(tell_translated, domain=domain),
          fresh=False,
          every=EVERY,
        )
        for domain in DOMAINS
      ),
      strategy.Move(
        (*strategy.SEGMENTER, *allies), loss, supervised=True, fresh=False
      ),
    ),
    # Whose input the decoded images are, at 8 times the size of its conv5.
    model={'backbone': 'resnet'},
  )


MAP_OPPONENT = adversarial.OPPONENT._replace(
  build=lambda sizes: translation.MapOpponent(sizes.width, sizes.products)
)
IMAGE_OPPONENT = strategy.Player(
  build=lambda sizes: translation.ImageOpponent(sizes.width, sizes.products),
  inputs=lambda sizes: ((1, 64, 64, 3),),
  optimizer='translator_opponent',
)
ENCODER = strategy.Player(
  build=lambda sizes: translation.TextureEncoder(sizes.stem, sizes.products),
  inputs=lambda sizes: ((1, 17, 17, sizes.stem),),
  optimizer='translator',
)
DECODER = strategy.Player(
  build=lambda sizes: translation.Decoder(4 * sizes.width, sizes.products),
  inputs=lambda sizes: ((1, 5, 5, sizes.conv5), (1, translation.TEXTURE), ()),
  optimizer='translator',
)


def frozen_vgg(path: str) -> strategy.Player:
  """VGG-19 with the weights of a file."""
  return strategy.Player(
    build=lambda sizes: vgg.VGG19(sizes.products),
    inputs=lambda sizes: ((1, 32, 32, 3),),
    weights=functools.partial(vgg.load, path),
  )


def by_vgg(scene: Scene, images: jax.Array) -> tuple[jax.Array, ...]:
  """Features of VGG-19, which gets no normalisation of ImageNet's."""
  return scene.ask('features', images)


def by_copy(scene: Scene, images: jax.Array) -> tuple[jax.Array, ...]:
  """Features of the initial segmenter, by the images' own statistics."""
  labels = scene.source.batch.labels  # not looked at
  taps = scene.look('features', Batch(SCALE * images, labels)).taps
  return tuple(taps[name] for name in BACKBONE)


def views(scene: Scene) -> dict[str, Batch]:
  """Source images with target textures, and the source's labels."""
  images = SCALE * decoded(scene, structure='source', texture='target')
  return {'translated': Batch(images, scene.source.batch.labels)}


def decoded(scene: Scene, *, structure: str, texture: str) -> jax.Array:
  """Images [B, H, W, 3] of one domain's structures and another's textures."""
  seen = scene.seen[structure]
  images = scene.ask(
    'decoder',
    seen.taps['conv5'],
    scene.ask(f'texture_{texture}', scene.seen[texture].taps['stem']),
    jnp.asarray(DOMAINS[texture]),
  )
  size = (seen.batch.images.shape[1], seen.batch.images.shape[2])
  if images.shape[1:3] != size:  # which are not multiples of 8
    images = upsample.bilinear(images, size)
  return images


def real(scene: Scene, domain: str) -> jax.Array:
  """A domain's images as the decoder makes them."""
  return resnet.preprocess(scene.seen[domain].batch.images) / SCALE


def tell_apart(scene: Scene, *, head: str) -> tuple[jax.Array, Metrics]:
  """Sum of an opponent's losses on source and target: not halved."""
  loss, terms = adversarial.tell_apart(scene, head=head, maps=jax.nn.softmax)
  return 2 * loss, terms


def tell_translated(scene: Scene, *, domain: str) -> tuple[jax.Array, Metrics]:
  """Squared errors of 1 for a domain's images and 0 for translated ones."""
  made = decoded(scene, structure=OTHER[domain], texture=domain)
  answers = scene.ask(f'image_{domain}', real(scene, domain))
  loss = jnp.mean((answers - 1) ** 2) / 2
  loss += jnp.mean(scene.ask(f'image_{domain}', made) ** 2) / 2
  return loss, {f'opponent_image_{domain}': loss}


def translate(
  scene: Scene, *, settings: strategy.Settings, perceive: Perceive
) -> tuple[jax.Array, Metrics]:
  """All that the segmenter, the encoders and the decoder minimise."""
  loss, terms = adversarial.fool(
    scene, maps=jax.nn.softmax, weights=settings.weights
  )
  translated = scene.seen['translated']
  for head, weight in (('main', 1.0), ('aux', settings.aux)):
    logits = getattr(translated.logits, head)
    term = segmentation.mean(
      *segmentation.cross_entropy(logits, translated.batch.labels)
    )
    loss += weight * term
    terms[f'translated_{head}'] = term
  features = {
    domain: perceive(scene, real(scene, domain)) for domain in DOMAINS
  }
  for domain, other in OTHER.items():
    rebuilt = decoded(scene, structure=domain, texture=domain)
    made = decoded(scene, structure=other, texture=domain)
    one = distance(perceive(scene, rebuilt), features[domain])
    two = mixed(perceive(scene, made), features[other], features[domain])
    three = jnp.mean((scene.ask(f'image_{domain}', made) - 1) ** 2)
    loss += REBUILT * one + TRANSLATED * two + FOOLING * three
    terms[f'rebuilt_{domain}'] = one
    terms[f'perceived_{domain}'] = two
    terms[f'fool_image_{domain}'] = three
  return loss, terms


def distance(
  one: tuple[jax.Array, ...], two: tuple[jax.Array, ...], first: int = 0
) -> jax.Array:
  """Weighted mean differences of features, from a level on."""
  return sum(
    (
      weight * jnp.mean(jnp.abs(x - y))
      for weight, x, y in list(zip(LEVELS, one, two, strict=True))[first:]
    ),
    start=jnp.zeros(()),
  )


def mixed(
  made: tuple[jax.Array, ...],
  structure: tuple[jax.Array, ...],
  texture: tuple[jax.Array, ...],
) -> jax.Array:
  """Distance to the texture's means at low levels, to the structure above."""
  loss = distance(made, structure, first=TEXTURES)
  for x, y in zip(made[:TEXTURES], texture[:TEXTURES], strict=True):
    means = jnp.mean(x, axis=(1, 2)) - jnp.mean(y, axis=(1, 2))
    loss += jnp.mean(jnp.abs(means))
  return loss
