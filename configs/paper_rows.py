"""Rows of the paper's Tables 1 to 3, as changes to its main configs."""

from typing import Any

import ml_collections

# Tables 1 and 2, above the line: stage 1 alone.
METHODS = {
  'no_adaptation': 'source_only',
  'adaptsegnet': 'adaptsegnet',
  'minent': 'minent',
  'advent': 'advent',
  'intrada': 'intrada',
  'road': 'road',
  'ssf_dan': 'ssf_dan',
  'dada': 'dada',
  'swd': 'swd',
  'clan': 'clan',
  'adaptpatch': 'adaptpatch',
  'dise': 'dise',
}
# What the methods' rows set beside uda.strategy (docs/METHODS.md).
FIELDS: dict[str, dict[str, Any]] = {
  'road': {'adapt.strategy': 'road'},
  'ssf_dan': {'adapt.strategy': 'ssf_dan'},
  'dada': {
    'adapt.strategy': 'dada',
    'model.depth': True,
    'losses.aux': 0.0,
    'optim.weight_decay': 5e-4,
    'optim.decay_steps': 90_000,
    'uda.steps': 90_000,
    'adapt.steps': 90_000,
  },
  'swd': {
    'adapt.strategy': 'swd',
    'model.aux_reads': 'conv5',
    'model.prediction': 'mean',
    'losses.aux': 1.0,
    'losses.target_main': 10.0,
    'optim.repeat': False,
  },
  'clan': {
    'adapt.strategy': 'clan',
    'adapt.steps': 100_000,
    'uda.steps': 100_000,
    'model.aux_reads': 'conv5',
    'model.prediction': 'sum',
    'losses.aux': 1.0,
    'optim.decay_steps': 100_000,
    'optim.warmup_steps': 5_000,
    'optim.weight_decay': 5e-4,
  },
  'adaptpatch': {
    'adapt.strategy': 'adaptpatch',
    'optim.weight_decay': 5e-4,
    'uda.source_only_steps': 10_000,
  },
  'dise': {
    'adapt.strategy': 'dise',
    'model.bn': 'global',
    'optim.weight_decay': 5e-4,
    'train.batch_size': 2,
  },
}
# Below the line, and Table 3: IntraDA, then point labels.
SELECTIONS: dict[str, tuple[str, int]] = {
  'self_training': ('self_training', 0),
  'random': ('random', 10),
  'active': ('active', 10),
  'full': ('full', 128),
  'k1': ('active', 1),
  'k2': ('active', 2),
  'k3': ('active', 3),
  'k5': ('active', 5),
}
# Not in the tables: the best on other data (docs/RESULTS.md), with as many
# points as `active`.
BEST = 'best'
ROWS = (*METHODS, *SELECTIONS, BEST)


def apply(config: ml_collections.ConfigDict, row: str) -> None:
  """Turns a config into a row's; raises ValueError if there is no such row."""
  if row in METHODS:
    config.uda.strategy = METHODS[row]
    config.update_from_flattened_dict(FIELDS.get(row, {}))
  elif row in SELECTIONS:
    config.uda.strategy = 'intrada'
    config.acquire.strategy, config.acquire.k = SELECTIONS[row]
  elif row == BEST:
    config.uda.strategy = 'intrada'
    config.acquire.k, config.acquire.n = 50, 1
    config.adapt.pseudo_labels = 'none'
    config.adapt.separate_means = True
  else:
    raise ValueError(f'no row {row!r}; there are {", ".join(ROWS)}')
