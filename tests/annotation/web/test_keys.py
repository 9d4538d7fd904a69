import pytest

from pointsup_jax.annotation.web import keys
from pointsup_jax.data import classes


@pytest.mark.parametrize('count', [2, 10, 19, 30, 56, 100])
def test_no_key_means_two_things(count):
  given = [x for x in keys.assign([f'thing {i}' for i in range(count)]) if x]
  assert len(given) == len(set(given)) == min(count, 56)
  assert not set(given) & {*keys.COMMANDS, '/', '?', '+', '-', '='}


def test_digits_come_first_and_letters_recall_the_names():
  names = classes.CITYSCAPES.names
  found = dict(zip(names, keys.assign(names), strict=True))
  assert [found[x] for x in names[:10]] == list('1234567890')
  assert (found['person'], found['rider'], found['car']) == ('p', 'r', 'c')
