"""Cross-entropies on the source's labels and on the target's points."""

import dataclasses

import jax
import jax.numpy as jnp

from pointsup_jax.losses import segmentation
from pointsup_jax.types import IGNORE, Batch, Metrics, Outputs
from pointsup_jax.uda import strategy


@dataclasses.dataclass(frozen=True)
class Supervision:
  """Weights of the cross-entropies.

  Attributes:
    aux: weight of the aux head, beside 1 for the main head.
    answers: weight of people's labels on the target; 0 in stage 1.
    guesses: weight of pseudo labels on the target.
    enough_answers: number of answers in a batch at which they get their full
      weight, in a mean of their own or in the single one; see `certainty`. 0:
      always the full weight.
    separate_means: average answers and guesses separately; in the paper's
      single mean few answers drown in many guesses.
  """

  aux: float
  answers: float = 0.0
  guesses: float = 0.0
  enough_answers: int = 0
  separate_means: bool = True

  @property
  def of_target(self) -> bool:
    """Whether target labels count."""
    return bool(self.answers or self.guesses)


def source_loss(
  outputs: Outputs,
  batch: Batch,
  aux_weight: float,
  pixel_losses: strategy.PixelLosses,
) -> tuple[jax.Array, Metrics]:
  """Mean of `pixel_losses` on labelled pixels, of main plus weighted aux."""
  labelled = jnp.asarray(batch.labels) != IGNORE
  terms = {
    head: segmentation.mean(
      *segmentation.total(
        pixel_losses(getattr(outputs, head), batch.labels), labelled
      )
    )
    for head in Outputs._fields
  }
  loss = terms['main'] + aux_weight * terms['aux']
  return loss, {f'source_{head}': term for head, term in terms.items()}


def target_loss(
  outputs: Outputs, batch: Batch, supervision: Supervision
) -> tuple[jax.Array, Metrics]:
  """Cross-entropy on answers and guesses, of main plus weighted aux (Eq. 7).

  `outputs` are logits [B, H, W, C]. Also returns each head's mean over answers
  and over guesses.
  """
  labelled = batch.labels != IGNORE
  answered = labelled
  if batch.answered is not None:
    answered = labelled & batch.answered
  kinds = {
    'answers': (supervision.answers, answered),
    'guesses': (supervision.guesses, labelled & ~answered),
  }
  kinds = {kind: (weight, x) for kind, (weight, x) in kinds.items() if weight}
  loss, metrics = jnp.zeros(()), {}
  for head, head_weight in (('main', 1.0), ('aux', supervision.aux)):
    losses = segmentation.pixel_losses(getattr(outputs, head), batch.labels)
    totals = {
      kind: segmentation.total(losses, counted)
      for kind, (_, counted) in kinds.items()
    }
    count_of_all = jnp.sum(jnp.stack([count for _, count in totals.values()]))
    for kind, (weight, _) in kinds.items():
      total, count = totals[kind]
      metrics[f'{kind}_{head}'] = segmentation.mean(total, count)
      divisor = count if supervision.separate_means else count_of_all
      term = head_weight * weight * segmentation.mean(total, divisor)
      if kind == 'answers' and supervision.enough_answers:
        term *= certainty(count, supervision.enough_answers)
      loss += term
  return loss, metrics


def certainty(count: jax.Array, enough: int) -> jax.Array:
  """min(1, sqrt(count / enough)): the weight of a mean of `count` losses.

  A mean's deviation falls with the root of their number, so this weight keeps
  the noise of the gradients, whatever the number of answers in a batch.
  """
  return jnp.minimum(1.0, jnp.sqrt(count / enough))
