"""The page says everything in every language."""

import json
import re

import pytest

from pointsup_jax.annotation.web import assets

STATIC = assets.PAGE.parent
FILES = {
  path.name.split('.')[1]: json.loads(path.read_text('utf-8'))
  for path in sorted(STATIC.glob('strings.*.json'))
}
ENGLISH = FILES['en']
# Kinds of numbers that have forms of their own, besides 'other'.
PLURALS = {'en': {'one'}, 'de': {'one'}, 'es': {'one'}, 'zh': set()}
SCRIPTS = '\n'.join(x.read_text('utf-8') for x in sorted(STATIC.glob('*.js')))
HTML = assets.PAGE.read_text('utf-8')


def places(words):
  return set(re.findall(r'\{(\w+)\}', words))


def test_each_language_has_its_file_and_can_be_chosen():
  assert FILES.keys() == PLURALS.keys()
  (listed,) = re.findall(r'const LANGUAGES = \[(.*)\]', SCRIPTS)
  assert set(re.findall(r'\w+', listed)) == FILES.keys()
  assert set(re.findall(r'<option value="(\w\w)" lang', HTML)) == FILES.keys()


@pytest.mark.parametrize('language', FILES)
def test_every_text_is_there_with_the_same_places(language):
  texts = FILES[language]
  assert list(texts) == list(ENGLISH)
  for name, words in texts.items():
    english = ENGLISH[name]
    assert isinstance(words, dict) == isinstance(english, dict), name
    if isinstance(words, dict):
      assert words.keys() == PLURALS[language] | {'other'}, name
      for form in words.values():
        assert places(form) == places(english['other']), name
    else:
      assert words.strip(), name
      assert places(words) == places(english), name


@pytest.mark.parametrize('language', sorted(FILES.keys() - {'en'}))
def test_texts_are_translated(language):
  same = [
    name
    for name, words in FILES[language].items()
    if words == ENGLISH[name] and not name.startswith('key.')
  ]
  # Such as 'Plan', 'Label Studio (JSON)' and '{hours} h'.
  assert len(same) < 15, same


def test_every_text_that_the_page_asks_for_is_there():
  asked = set(re.findall(r'data-(?:text|label|title)="([^"]+)"', HTML))
  asked |= set(re.findall(r"\btext\('([^']+)'", SCRIPTS))
  assert asked - ENGLISH.keys() == set()
  commands = json.loads((STATIC / 'commands.json').read_text())
  assert {f'help.{name}' for name in commands} <= ENGLISH.keys()
