import json

import pytest

from pointsup_jax.annotation.web import assets, keys
from pointsup_jax.data import classes


@pytest.mark.parametrize('count', [2, 10, 19, 30, 56, 100])
def test_no_key_means_two_things(count):
  given = [x for x in keys.assign([f'thing {i}' for i in range(count)]) if x]
  assert len(given) == len(set(given)) == min(count, 56)
  assert not set(given) & classes.PAGE_KEYS


def test_digits_come_first_and_letters_recall_the_names():
  names = classes.CITYSCAPES.names
  found = dict(zip(names, keys.assign(names), strict=True))
  assert [found[x] for x in names[:10]] == list('1234567890')
  assert (found['person'], found['rider'], found['car']) == ('p', 'r', 'c')


def test_capitals_recall_names_too():
  found = keys.assign([f'{i} thing' for i in range(30)] + ['snow', 'sand'])
  assert found[-2:] == ['S', 'A']


def test_given_keys_are_kept_and_taken_by_nobody_else():
  names = ['road', 'car', *(f'thing {i}' for i in range(38))]
  found = keys.assign(names, {'road': 'r', 'thing 3': '1', 'thing 4': 'é'})
  assert found[:2] == ['r', '2']
  assert (found[5], found[6]) == ('1', 'é')
  assert len({*found}) == 40


def test_the_pages_commands_are_keys_of_no_class():
  path, _ = assets.FILES['commands.json']
  commands = json.loads(path.read_text()).values()
  typed = {key for keys in commands for key in keys if len(key) == 1}
  assert typed == classes.PAGE_KEYS
