"""Rows of the paper's Tables 1 to 3, as changes to its main configs."""

import ml_collections

# Tables 1 and 2, above the line: stage 1 alone.
METHODS = {
  'no_adaptation': 'source_only',
  'adaptsegnet': 'adaptsegnet',
  'minent': 'minent',
  'advent': 'advent',
  'intrada': 'intrada',
  'adaptpatch': 'adaptpatch',
  'dise': 'dise',
}
# Fields that a method's row sets beside, as published.
FIELDS: dict[str, dict[str, object]] = {
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
