// Which key means what: the program's choice, and what the annotator changed.
import {session} from './session.js';
import {save, settings} from './settings.js';
import {has, text} from './strings.js';

const STANDARD = await (await fetch('/static/commands.json')).json();

// 'class' or 'command' and its number or name, by key.
let meanings = new Map();

export const commands = Object.keys(STANDARD);
// Under which a person's keys are kept: runs differ in the order of classes.
const nameOf = (kind, what) => `${kind} ${kind === 'class' ? session.classes[what].name : what}`;

export function build() {
  meanings = new Map();
  const all = [
    ...commands.map((what) => ['command', what]),
    ...session.classes.map((_, i) => ['class', i]),
  ];
  for (const [kind, what] of all) {
    for (const key of kind === 'class' ? [session.classes[what].key] : STANDARD[what]) {
      if (key) meanings.set(key, [kind, what]);
    }
  }
  for (const [kind, what] of all) {
    const key = settings.keys[nameOf(kind, what)];
    if (key !== undefined) give(kind, what, key);
  }
}

function give(kind, what, key) {
  for (const old of keysOf(kind, what)) meanings.delete(old);
  if (key) meanings.set(key, [kind, what]);
}

export function keysOf(kind, what) {
  return [...meanings].filter(([, [k, w]]) => k === kind && w === what).map(([key]) => key);
}

export const meaningOf = (key) => meanings.get(key);

// Changes a key for good. What had it gets the old key in exchange, and is
// returned: its kind and its number or name.
export function change(kind, what, key) {
  const owner = meanings.get(key);
  if (owner?.[0] === kind && owner[1] === what) return null;
  const [old = ''] = keysOf(kind, what);
  give(kind, what, '');
  if (owner) {
    // Of several keys, a command loses one.
    const others = keysOf(...owner).filter((x) => x !== key);
    meanings.delete(key);
    if (!others.length) {
      give(...owner, old);
      settings.keys[nameOf(...owner)] = old;
    } else {
      give(...owner, others[0]);
      settings.keys[nameOf(...owner)] = others[0];
    }
  }
  give(kind, what, key);
  settings.keys[nameOf(kind, what)] = key;
  save();
  return owner ?? null;
}

export function reset() {
  settings.keys = {};
  save();
  build();
}

// The key of an event. Shift makes a capital where something has one of those,
// CapsLock never does.
export function keyOf(event) {
  if (event.key.length > 1) return event.key;
  const capitals = [...meanings.keys()].some((key) => key.length === 1 && key !== key.toLowerCase());
  return event.shiftKey && capitals ? event.key.toUpperCase() : event.key.toLowerCase();
}

export function keyName(key) {
  if (has(`key.${key}`)) return text(`key.${key}`);
  if (key.length > 1 || key === key.toUpperCase() && key === key.toLowerCase()) return key;
  return key === key.toLowerCase() ? key.toUpperCase() : text('key.shift', {key});
}
