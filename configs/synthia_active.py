r"""SYNTHIA to Cityscapes: the paper's Table 2.

  python -m launch.main --config=configs/synthia_active.py:ROW \
      --config.data.root=DATA --config.model.weights=FILE

DATA holds SYNTHIA/ (RGB/, GT/LABELS/ and, for dada, Depth/ of
SYNTHIA-RAND-CITYSCAPES) and Cityscapes/ as their owners ship them; the rest is
as in gta_active.py.

| ROW | mIoU of the paper, 16 / 13 classes | model | stages |
| --- | --- | --- | --- |
| no_adaptation | 33.5 / 38.6 | uda | uda, then evaluate |
| road | not given | uda | uda, then evaluate |
| adaptsegnet | 39.6 / 45.8 | uda | uda, then evaluate |
| minent | 38.1 / 44.2 | uda | uda, then evaluate |
| adaptpatch | 40.0 / 46.5 | uda | uda, then evaluate |
| advent | 40.8 / 47.6 | uda | uda, then evaluate |
| clan | - / 47.8 | uda | uda, then evaluate |
| swd | - / 48.1 | uda | uda, then evaluate |
| dise | 41.5 / 48.8 | uda | uda, then evaluate |
| intrada | 41.7 / 48.9 | uda | uda, then evaluate |
| ssf_dan | not given / 50.0 | uda | uda, then evaluate |
| dada | 42.6 / 49.8 | uda | uda, then evaluate |
| self_training | 42.0 / 49.3 | points | all |
| random | 49.8 / 55.4 | points | all |
| active | 55.8 / 61.3 | points | all |
| full | 60.7 / 66.2 | points | all |
| best | not in the paper | points | all |

k1, k2, k3 and k5 exist too, without figures in the paper. None has been
reproduced here: the data sets and the weight file were not at hand.
"""

import ml_collections

from configs import default, gta_active


def get_config(row: str = 'active') -> ml_collections.ConfigDict:
  """Returns the config of a row of the table."""
  config = gta_active.get_config(row)
  # As ADVENT: networks of 16 classes; terrain, truck and train are ignored.
  config.data.classes = 'cityscapes_16'
  config.data.source = default.domain(
    'synthia_rand_cityscapes', 'all', (760, 1280), root='SYNTHIA'
  )
  config.losses.disagreement = 10.0  # CLAN's for SYNTHIA
  if row == 'dise':  # its adversarial weights are twice those for GTA5
    config.losses.target_main = 0.002
    config.losses.target_aux = 0.0004
  return config
