import itertools

import numpy as np
import pytest

from pointsup_jax.data import classes, palettes

CAMVID = (
  'sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign symbol', 'fence',
  'car', 'pedestrian', 'bicyclist',
)  # fmt: skip
NO_CLASS = [(0, 0, 0), (255, 255, 255), (153, 153, 153), (85, 85, 85)]


def odd(count):
  return tuple(f'thing {i}' for i in range(count))


def differences(one, two):
  """CIEDE2000 between RGB colours, [len(one), len(two)]."""
  color = pytest.importorskip('skimage.color', reason='needs scikit-image')
  one, two = (
    color.rgb2lab(np.array([x], np.uint8) / 255)[0] for x in (one, two)
  )
  return color.deltaE_ciede2000(one[:, None], two[None])


def smallest(colors):
  found = differences(colors, colors)
  return found[np.triu_indices(len(colors), 1)].min()


def test_40_classes_of_any_names_are_apart():
  colors = palettes.of_names(odd(40))
  assert smallest([*colors, *NO_CLASS[:2]]) > 15
  assert differences(colors, NO_CLASS).min() > 15


@pytest.mark.parametrize('known', [classes.CITYSCAPES.names, CAMVID])
def test_others_are_apart_from_known_names_in_use_too(known):
  colors = palettes.of_names((*odd(20), *known, *odd(40 - len(known))[20:]))
  ours = [*colors[:20], *colors[20 + len(known) :]]
  assert smallest(ours) > 10
  assert differences(ours, colors[20 : 20 + len(known)]).min() > 11


def test_known_names_have_the_colours_that_people_expect():
  cityscapes = classes.CITYSCAPES
  assert palettes.of_names(cityscapes.names) == cityscapes.palette
  of = dict(zip(cityscapes.names, cityscapes.palette, strict=True))
  sky, building, pole, road, pavement, tree, sign, *_, person, rider = (
    palettes.of_names(CAMVID)
  )
  assert (sky, building, pole, road) == tuple(
    of[x] for x in ('sky', 'building', 'pole', 'road')
  )
  assert (pavement, tree) == (of['sidewalk'], of['vegetation'])
  assert (person, rider) == (of['person'], of['rider'])
  assert sign == of['traffic sign']
  water = palettes.of_names(('Water', 'x'))[0]
  assert max(water) == water[2]


def test_the_way_of_writing_a_name_does_not_matter():
  for name in ('traffic light', 'Traffic_Light', 'traffic-lights', ' SKY '):
    assert palettes.known(name)
  assert palettes.known('grass') == palettes.known('Lawns')
  assert palettes.known('glass') is palettes.known('') is None


@pytest.mark.parametrize(
  'names',
  [
    ('tree', 'vegetation', 'bush', 'x'),
    odd(classes.MAX_CLASSES),
    (*classes.CITYSCAPES.names, *odd(classes.MAX_CLASSES - 19)),
  ],
  ids=['synonyms', 'most', 'most, some known'],
)
def test_no_two_classes_have_one_colour(names):
  colors = palettes.of_names(names)
  assert len(set(colors)) == len(names) == len(colors)


def test_the_first_of_two_names_for_one_thing_keeps_its_colour():
  one, two = palettes.of_names(('tree', 'vegetation'))
  assert (palettes.known('tree'), two) == (
    one,
    palettes.of_names(('x', 'tree'))[0],
  )


def test_known_names_that_are_not_of_cityscapes_are_apart():
  extra = ('water', 'grass', 'field', 'soil', 'sand', 'rock', 'snow', 'fire')
  ours = [palettes.known(name) for name in extra]
  assert smallest(ours) > 13
  assert differences(ours, classes.CITYSCAPES.palette).min() > 13


def test_a_class_at_the_end_changes_no_other_colour():
  for few, many in itertools.pairwise((odd(5), odd(6), (*odd(6), 'y'))):
    assert palettes.of_names(many)[: len(few)] == palettes.of_names(few)


def test_colours_of_the_user_win():
  table = {'classes': ['road', 'x'], 'palette': [[1, 2, 3], [4, 5, 6]]}
  assert classes.of_table(table).palette == ((1, 2, 3), (4, 5, 6))
