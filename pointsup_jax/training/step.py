"""One training step of the segmenter and its discriminators."""

import dataclasses

import jax
import jax.numpy as jnp
import optax

from pointsup_jax.losses import segmentation
from pointsup_jax.training import learner as learner_lib
from pointsup_jax.types import IGNORE, Batch, Metrics, Outputs, Pair
from pointsup_jax.uda import strategy as strategy_lib

State = learner_lib.State


@dataclasses.dataclass(frozen=True)
class Supervision:
  """Weights of the cross-entropies.

  Attributes:
    aux: weight of the aux head, beside 1 for the main head.
    answers: weight of people's labels on the target; 0 in stage 1.
    guesses: weight of pseudo labels on the target.
    separate_means: average answers and guesses separately; in the paper's
      single mean few answers drown in many guesses.
  """

  aux: float
  answers: float = 0.0
  guesses: float = 0.0
  separate_means: bool = True

  @property
  def of_target(self) -> bool:
    """Whether target labels count."""
    return bool(self.answers or self.guesses)


def train_step(
  state: State,
  batch: Pair,
  *,
  learner: learner_lib.Learner,
  strategy: strategy_lib.Strategy,
  supervision: Supervision,
) -> tuple[State, Metrics]:
  """One step of Eq. 4 (stage 1) or Eq. 9 (stage 3).

  Updates the segmenter against the current discriminators, then the
  discriminators on the outputs of the same forward passes, without gradient to
  the segmenter. Returns the next state and scalar losses; donate the state.
  """
  state, outputs, metrics = update_segmenter(
    state, batch, learner, strategy, supervision
  )
  opponents, opponent_metrics = update_opponents(
    state.opponents, outputs, learner, strategy
  )
  state = state.replace(step=state.step + 1, opponents=opponents)
  return state, metrics | opponent_metrics


def update_segmenter(
  state: State,
  batch: Pair,
  learner: learner_lib.Learner,
  strategy: strategy_lib.Strategy,
  supervision: Supervision,
) -> tuple[State, tuple[Outputs | None, ...], Metrics]:
  """Updates the segmenter; also returns its source and target logits."""
  judge = learner.judge(
    {head: player.params for head, player in state.opponents.items()}
  )

  def loss_fn(params: dict) -> tuple[jax.Array, tuple]:
    source, stats = learner.segment(
      params, state.segmenter['batch_stats'], batch.source.images
    )
    loss, metrics = source_loss(source, batch.source, supervision.aux)
    target: Outputs | None = None
    if strategy.uses_target or supervision.of_target:
      if learner.target_statistics:
        stats = state.segmenter['batch_stats']
      target, stats = learner.segment(params, stats, batch.target.images)
      extra, terms = strategy.segmenter_loss(target, judge)
      loss, metrics = loss + extra, metrics | terms
    if target is not None and supervision.of_target:
      extra, terms = target_loss(target, batch.target, supervision)
      loss, metrics = loss + extra, metrics | terms
    return loss, ((source, target), stats, metrics | {'loss': loss})

  params = state.segmenter['params']
  grads, (outputs, batch_stats, metrics) = jax.grad(loss_fn, has_aux=True)(
    params
  )
  updates, opt_state = learner.segmenter_tx.update(
    grads, state.opt_state, params
  )
  params = optax.apply_updates(params, updates)
  segmenter = {'params': params, 'batch_stats': batch_stats}
  state = state.replace(segmenter=segmenter, opt_state=opt_state)
  return state, outputs, metrics


def update_opponents(
  opponents: dict[str, learner_lib.Opponent],
  outputs: tuple[Outputs | None, ...],
  learner: learner_lib.Learner,
  strategy: strategy_lib.Strategy,
) -> tuple[dict[str, learner_lib.Opponent], Metrics]:
  """Updates every discriminator on its head's logits."""
  source, target = jax.lax.stop_gradient(outputs)
  moved, metrics = {}, {}
  for head, player in opponents.items():

    def loss_fn(params: dict, head: str = head) -> jax.Array:
      return strategy.opponent_loss(
        head,
        getattr(source, head),
        getattr(target, head),
        learner.judge({head: params}),
      )

    loss, grads = jax.value_and_grad(loss_fn)(player.params)
    updates, opt_state = learner.opponent_tx.update(
      grads, player.opt_state, player.params
    )
    params = optax.apply_updates(player.params, updates)
    moved[head] = learner_lib.Opponent(params, opt_state)
    metrics[f'opponent_{head}'] = loss
  return moved, metrics


def source_loss(
  outputs: Outputs, batch: Batch, aux_weight: float
) -> tuple[jax.Array, Metrics]:
  """Mean cross-entropy on labelled pixels, of main plus weighted aux."""
  terms = {
    head: segmentation.mean(
      *segmentation.cross_entropy(getattr(outputs, head), batch.labels)
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
      loss += head_weight * weight * segmentation.mean(total, divisor)
  return loss, metrics
