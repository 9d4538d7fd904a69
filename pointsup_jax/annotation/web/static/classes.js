// The buttons of the classes, as many as fit, and the search among them.
import {keyName, keysOf} from './keys.js';
import {session} from './session.js';
import {$, text} from './strings.js';

const GAP = 2; // as in the style sheet
const MARGINS = 24; // above, between and below list and search
const WIDEST = 220; // pixels of a button
const NARROWEST = {fine: 118, coarse: 72};
const NARROW = 130; // below it, letters are smaller
const LOWEST = {fine: 26, coarse: 44};
const HIGHEST = 46;

const list = $('classes');
let buttons = [];

export function build(choose) {
  buttons = session.classes.map(({name, color}, i) => {
    const button = document.createElement('button');
    button.type = 'button';
    const swatch = document.createElement('span');
    swatch.className = 'swatch';
    swatch.style.backgroundColor = `rgb(${color.join(' ')})`;
    const label = document.createElement('span');
    label.className = 'label';
    // Long names are broken where they have parts.
    for (const part of name.match(/[^_\-/]*[_\-/]?/g)) label.append(part, document.createElement('wbr'));
    button.title = session.classes[i].guide ? `${name}: ${session.classes[i].guide}` : name;
    button.append(document.createElement('kbd'), swatch, label);
    button.addEventListener('click', (event) => {
      if (event.detail) button.blur(); // by mouse or finger: keys answer again
      choose(i);
    });
    return button;
  });
  list.replaceChildren(...buttons);
  nameKeys();
  arrange();
}

export function nameKeys() {
  for (const [i, button] of buttons.entries()) {
    const [key] = keysOf('class', i);
    const cap = button.firstChild;
    cap.textContent = key ? keyName(key) : '';
    cap.classList.toggle('long', cap.textContent.length > 1);
    if (key) button.setAttribute('aria-keyshortcuts', key);
    else button.removeAttribute('aria-keyshortcuts');
  }
}

// Marks what was said before and what the model guesses; null: nothing.
export function mark(before, guess) {
  for (const [i, button] of buttons.entries()) {
    button.classList.toggle('before', i === before);
    button.classList.toggle('guessed', i === guess);
    if (i === before) button.dataset.before = text('before');
    else delete button.dataset.before;
  }
}

// As many columns as it takes to see all classes without scrolling, of buttons
// that a finger hits where fingers point.
export function arrange() {
  const pointer = matchMedia('(pointer: coarse)').matches ? 'coarse' : 'fine';
  const upright = innerWidth <= innerHeight;
  const count = Math.max(buttons.length, 1);
  const lowest = LOWEST[pointer] + GAP;
  const {style} = document.documentElement;
  let columns;
  if (upright) {
    const room = innerWidth - 20;
    columns = Math.min(Math.max(Math.floor(room / NARROWEST[pointer]), 2), count);
    const widest = Math.ceil(room / WIDEST); // fewer would be too wide
    while (columns > widest && Math.ceil(count / (columns - 1)) * lowest < innerHeight * 0.3) {
      columns -= 1;
    }
  } else {
    const room = innerHeight - $('header').offsetHeight - $('search').offsetHeight - MARGINS;
    const fitting = Math.max(1, Math.floor((room + GAP) / lowest));
    columns = Math.max(Math.ceil(count / fitting), count > 8 ? 2 : 1);
    const wanted = Math.max(columns * WIDEST, 300);
    const least = columns * NARROWEST[pointer];
    const most = Math.max(least, innerWidth * 0.34);
    style.setProperty('--panel', `${Math.min(wanted, most, innerWidth * 0.62)}px`);
  }
  const rows = Math.ceil(count / columns);
  list.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  list.classList.toggle('narrow', list.clientWidth / columns < NARROW);
  list.style.gridTemplateRows = `repeat(${rows}, minmax(${LOWEST[pointer]}px, ${HIGHEST}px))`;
}

function found() {
  const wanted = $('search').value.trim().toLowerCase();
  if (!wanted) return [];
  const names = session.classes.map(({name}) => name.toLowerCase());
  const hits = names.map((name, i) => [name.indexOf(wanted), i]).filter(([at]) => at >= 0);
  return hits.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, i]) => i);
}

function searched() {
  const hits = found();
  const searching = $('search').value.trim() !== '';
  for (const [i, button] of buttons.entries()) {
    button.classList.toggle('off', searching && !hits.includes(i));
    button.classList.toggle('first', hits[0] === i);
  }
  buttons[hits[0]]?.scrollIntoView({block: 'nearest'});
}

function endSearch() {
  $('search').value = '';
  searched();
  $('search').blur();
}

export function listen(choose) {
  $('search').addEventListener('input', searched);
  $('search').addEventListener('keydown', (event) => {
    if (event.key === 'Escape') endSearch();
    if (event.key !== 'Enter') return;
    const [hit] = found();
    if (hit === undefined) return;
    endSearch();
    choose(hit);
  });
  addEventListener('resize', arrange);
}
