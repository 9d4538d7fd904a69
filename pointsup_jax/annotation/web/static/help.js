// The help, which tells every key and changes it.
import * as keys from './keys.js';
import {session} from './session.js';
import {$, text} from './strings.js';

let changed = () => {};
let asking = null; // the button that waits for a key

export function open() {
  fill();
  $('help-sheet').showModal();
}

function fill(words = '') {
  asking = null;
  $('keys-said').textContent = words;
  $('commands-keys').replaceChildren(...keys.commands.flatMap(
    (name) => entry('command', name, text(`help.${name}`)),
  ));
  $('class-keys').replaceChildren(...session.classes.flatMap(
    ({name}, i) => entry('class', i, name),
  ));
}

const wordOf = (kind, what) => (kind === 'class' ? session.classes[what].name : text(`help.${what}`));

function entry(kind, what, words) {
  const term = document.createElement('dt');
  const told = document.createElement('dd');
  const button = document.createElement('button');
  const cap = document.createElement('kbd');
  button.type = 'button';
  button.setAttribute('aria-label', text('setKey', {word: words}));
  cap.textContent = keys.keysOf(kind, what).map(keys.keyName).join('  ') || text('noKeyYet');
  button.append(cap);
  button.addEventListener('click', () => {
    fill();
    asking = [kind, what];
    const again = $(kind === 'class' ? 'class-keys' : 'commands-keys');
    const i = kind === 'class' ? what : keys.commands.indexOf(what);
    const [now] = again.children[2 * i].children;
    now.firstChild.textContent = text('pressKey');
    now.focus();
  });
  term.append(button);
  told.textContent = words;
  return [term, told];
}

function take(event) {
  if (!asking || ['Shift', 'Control', 'Alt', 'Meta', 'CapsLock', 'Tab'].includes(event.key)) return;
  event.preventDefault();
  event.stopPropagation();
  const [kind, what] = asking;
  if (event.key === 'Escape' && what !== 'leave') return fill();
  // Here a capital may become one, also where there is none yet.
  const key = event.key.length > 1 ? event.key
    : event.shiftKey ? event.key.toUpperCase() : event.key.toLowerCase();
  const owner = keys.change(kind, what, key);
  fill(owner ? text('taken', {key: keys.keyName(key), word: wordOf(...owner)}) : '');
  changed();
}

// `told` is called when keys have changed.
export function listen(told) {
  changed = told;
  $('help-sheet').addEventListener('keydown', take, {capture: true});
  $('help-sheet').addEventListener('cancel', (event) => { if (asking) event.preventDefault(); });
  $('standard-keys').addEventListener('click', () => {
    keys.reset();
    fill();
    changed();
  });
}
