import numpy as np
import pytest
import saying

from pointsup_jax.annotation.exchange.formats import words as words_lib
from pointsup_jax.data import classes as classes_lib
from pointsup_jax.data import palettes


def words_of(*names):
  return words_lib.Words(
    classes_lib.ClassSet(names, palettes.distinct(len(names)))
  )


def test_every_label_has_a_word_of_its_own_that_leads_back():
  for names in (
    classes_lib.CITYSCAPES.names,
    ('road', 'void', 'unsure', 'unlabelled', 'void_'),
  ):
    words = words_of(*names)
    labels = [*range(len(names)), None, 255]
    assert [words.label(words.of(x)) for x in labels] == labels
    assert len({*words.answers, words.unlabelled, ''}) == len(names) + 4
    assert not any(map(words.is_open, words.answers))
    assert words.is_open('')
    assert words.is_open(words.unlabelled)
    assert len(words.colors) == len(names) + 3


@pytest.mark.parametrize(
  ('word', 'near'),
  [('Road', "'road'"), ('trafic light', "'traffic light'"), ('cra', "'car'")],
)
def test_an_unknown_class_gets_the_nearest_names(word, near):
  words = words_lib.Words(classes_lib.CITYSCAPES)
  with pytest.raises(KeyError, match=f'unknown class.*did you mean.*{near}'):
    words.label(word)
  with pytest.raises(KeyError, match='there are road, sidewalk'):
    words.label('0')


@pytest.mark.parametrize('name', [' road', 'road ', 'a\nb', 'a\tb', 'a\x07'])
def test_names_that_no_format_would_bring_back_are_refused(name):
  assert 'rename it' in saying.message(lambda: words_of('sky', name))


def test_random_names_lead_back():
  rng = np.random.default_rng(0)
  letters = list('abc ,;"\'<&>#%äß')
  for _ in range(50):
    names = {''.join(rng.choice(letters, 6)).strip() for _ in range(8)} - {''}
    words = words_of(*names)
    assert [words.label(name) for name in names] == list(range(len(names)))
