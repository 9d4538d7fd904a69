// Answers that are not saved yet, the oldest first.
//
// An answer is counted once the server says that it is on disk. Until then it
// waits here and in the browser's storage: neither a lost connection nor a
// closed tab loses it.
import {session} from './session.js';

const SHOWN = 10; // last answers

export let pending = [];
let ahead = 0; // seconds that the program's clock is ahead of ours
let lastTime = 0; // of the last answer

export const id = () => crypto.getRandomValues(new Uint32Array(4)).join('-');

export function setClock(seconds) {
  ahead = seconds;
}

// Runs may follow each other on one port: an answer belongs to its run.
const place = () => `points:${session.run}:${session.annotator}`;

export function load() {
  try {
    pending = JSON.parse(localStorage.getItem(place()) || '[]');
  } catch {
    pending = []; // no storage, as in some private windows
  }
}

function keep() {
  try {
    localStorage.setItem(place(), JSON.stringify(pending));
  } catch {
    // They wait in this window alone.
  }
}

export function add(point, kind, label, time, mode) {
  const {said, ...shown} = point;
  // In order, whatever happens to our clock.
  lastTime = Math.max(Date.now() / 1000 + ahead, lastTime + 0.001);
  pending.push({
    at: lastTime, // it may be sent much later
    key: id(),
    point: point.id,
    answer: kind,
    label,
    seconds: time.seconds,
    active: time.active,
    mode,
    shown,
  });
  keep();
}

// A comment waits among the answers, and goes to a route of its own.
export function remark(point, words) {
  lastTime = Math.max(Date.now() / 1000 + ahead, lastTime + 0.001);
  pending.push({route: 'comment', at: lastTime, key: id(), point: point.id, text: words});
  keep();
}

const isAnswer = ({route}) => route !== 'comment';

// What was said last about each point, of what is not saved yet.
export const unsaved = () => new Map(pending.filter(isAnswer).map((one) => [one.point, one.answer]));

// Forgets the oldest, which the server has dealt with.
export function sent() {
  pending.shift();
  keep();
}

// What was answered, the latest first: `saved` and what is not saved yet.
export function history(saved) {
  const list = [...saved];
  for (const one of pending.filter(isAnswer)) {
    const i = list.findIndex((x) => x.id === one.point);
    if (i >= 0) list.splice(i, 1);
    if (one.answer !== 'undo') {
      list.unshift({...one.shown, answer: one.answer, label: one.label, unsaved: true});
    }
  }
  return list.slice(0, SHOWN);
}
