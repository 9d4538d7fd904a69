// The page's words, which lie in one file for each language.
import {choose, chosen} from './choices.js';
import {IGNORE, session} from './session.js';

const LANGUAGES = ['en', 'de', 'es', 'zh'];
const wished = navigator.languages.map((name) => name.split('-')[0].toLowerCase());
const LANGUAGE = chosen('language', LANGUAGES)
  || wished.find((name) => LANGUAGES.includes(name)) || LANGUAGES[0];
const texts = await (await fetch(`/static/strings.${LANGUAGE}.json`)).json();
const plurals = new Intl.PluralRules(LANGUAGE);

export const $ = (id) => document.getElementById(id);

// The text of a name, with values at its {places}; `count` chooses the plural.
export function text(name, values = {}) {
  let found = texts[name] ?? name;
  if (typeof found === 'object') found = found[plurals.select(values.count)] ?? found.other;
  return found.replace(/\{(\w+)\}/g, (_, place) => values[place]);
}

export const has = (name) => name in texts;

// Fills in the words of index.html: data-text, data-label, data-title.
export function fill() {
  document.documentElement.lang = LANGUAGE;
  document.title = text('title');
  for (const element of document.querySelectorAll('[data-text]')) {
    element.append(text(element.dataset.text));
  }
  for (const element of document.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', text(element.dataset.label));
  }
  for (const element of document.querySelectorAll('[data-title]')) {
    element.title = text(element.dataset.title);
  }
}

export const figure = (value) => value.toLocaleString(LANGUAGE);

export const decimal = (value, digits = 1) => value.toLocaleString(
  LANGUAGE, {minimumFractionDigits: digits, maximumFractionDigits: digits},
);

// A share, 0 to 1, in percent.
export const percent = (share) => share.toLocaleString(LANGUAGE, {style: 'percent'});

export function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 10) return text('hours', {hours: figure(hours)});
  if (hours) return text('hoursMinutes', {hours, minutes: minutes % 60});
  return minutes ? text('minutes', {minutes}) : text('lessThanAMinute');
}

// An answer in words.
export function wordOf(kind, label) {
  if (kind !== 'label') return text(`word.${kind}`);
  if (label === IGNORE) return text('none of them');
  return session.classes[label]?.name ?? text('class', {label});
}

export function notice(words) {
  $('notice').hidden = !words;
  if ($('notice').textContent !== words) $('notice').textContent = words;
}

// For screen readers.
export function say(words) {
  $('live').textContent = words;
}

export function listen() {
  $('language').value = chosen('language', LANGUAGES);
  $('language').addEventListener('change', () => {
    choose('language', $('language').value);
    location.reload();
  });
}
