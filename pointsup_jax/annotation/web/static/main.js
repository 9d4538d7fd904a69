// Starts the page, and has keys and buttons do what they say.
import * as theme from './theme.js';
import * as answers from './answers.js';
import * as classes from './classes.js';
import * as clock from './clock.js';
import * as comment from './comment.js';
import * as guide from './guide.js';
import * as help from './help.js';
import * as hint from './hint.js';
import * as history from './history.js';
import * as jump from './jump.js';
import * as keys from './keys.js';
import * as light from './light.js';
import * as list from './list.js';
import * as menu from './menu.js';
import * as queue from './queue.js';
import * as review from './review.js';
import {call} from './server.js';
import {IGNORE, session} from './session.js';
import * as settings from './settings.js';
import * as sheets from './sheets.js';
import {$, fill, listen as listenToLanguage, notice, text} from './strings.js';
import * as view from './view.js';

const RETRY_MS = 1500;
const NEARER = 1.4;

async function start() {
  const asked = Date.now();
  const found = await call('/api/session');
  if (found.code === 403) return notice(text('noKey'));
  if (found.code !== 200) {
    notice(text('noConnectionYet'));
    setTimeout(start, RETRY_MS);
    return;
  }
  notice('');
  Object.assign(session, found);
  answers.setClock(session.time - (asked + Date.now()) / 2000);
  keys.build();
  classes.build(choose);
  if (session.annotator) begin();
  else $('name-sheet').showModal();
}

async function nameGiven(event) {
  event.preventDefault();
  const name = $('name').value.trim();
  const reply = await call('/api/name', {name});
  if (reply.code !== 200) {
    $('name').setCustomValidity(reply.error);
    $('name').reportValidity();
    return;
  }
  session.annotator = name;
  $('name-sheet').close();
  begin();
}

function begin() {
  $('who').textContent = session.annotator;
  settings.load();
  keys.build();
  keysChanged();
  light.show();
  answers.load();
  queue.take();
}

const choose = (i) => queue.answer('label', i);

function keysChanged() {
  classes.nameKeys();
  for (const cap of document.querySelectorAll('kbd[data-command]')) {
    const given = keys.keysOf('command', cap.dataset.command);
    cap.textContent = given.length ? keys.keyName(given[0]) : '';
    cap.parentElement.setAttribute('aria-keyshortcuts', given.join(' '));
  }
  const [key = ''] = keys.keysOf('command', 'search');
  $('search').placeholder = text('find', {key: keys.keyName(key)});
}

const COMMANDS = {
  unsure: () => queue.answer('unsure'),
  skip: () => queue.answer('skip'),
  ignore: () => queue.answer('label', IGNORE),
  undo: queue.undo,
  withdraw: queue.withdraw,
  leave: queue.leave,
  search: () => $('search').focus(),
  comment: () => comment.open(queue.queue.now, queue.comment),
  answers: () => list.open(queue.revisit),
  jump: () => jump.open(queue.jump),
  guess: queue.toggleGuess,
  agree: queue.agree,
  nearer: () => view.zoom(NEARER),
  farther: () => view.zoom(1 / NEARER),
  left: () => view.step(-1, 0),
  right: () => view.step(1, 0),
  up: () => view.step(0, -1),
  down: () => view.step(0, 1),
  home: () => view.home(),
  whole: view.whole,
  brighter: () => hint.flash(light.brighter()),
  help: help.open,
};
// A key held down is one answer; these go on.
const REPEATED = new Set(['nearer', 'farther', 'left', 'right', 'up', 'down']);

const hidesMarks = (event) => keys.meaningOf(keys.keyOf(event))?.[1] === 'marks';

// What was reached with Tab is used as everywhere else.
function isItsOwn(target, key) {
  if (target.matches?.('button:focus-visible')) return key === ' ' || key === 'Enter';
  if (target.type === 'checkbox') return key === ' ';
  return target.type === 'range' && /^(Arrow|Home|End|Page)/.test(key);
}

function keyDown(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (!session.classes.length || document.querySelector('dialog[open]')) return;
  if (event.target === $('search')) return;
  const key = keys.keyOf(event);
  if (isItsOwn(event.target, key)) return;
  const [kind, what] = keys.meaningOf(key) ?? [];
  if (kind === undefined) {
    // Nothing is meant by Shift itself, nor by F5.
    if (key.length === 1 && !event.repeat) hint.feelWrong(key);
    return;
  }
  event.preventDefault();
  if (what === 'marks') return view.hideMarks(true);
  if (event.repeat && !REPEATED.has(what)) return;
  if (kind === 'class') choose(what);
  else COMMANDS[what]();
}

function listen() {
  document.addEventListener('keydown', keyDown);
  document.addEventListener('keyup', (event) => { if (hidesMarks(event)) view.hideMarks(false); });
  addEventListener('blur', () => view.hideMarks(false));
  addEventListener('online', queue.send);
  clock.listen(queue.currentClock);
  view.listen();
  history.listen();
  classes.listen(choose);
  help.listen(keysChanged);
  list.listen();
  jump.listen();
  comment.listen();
  theme.listen();
  listenToLanguage();
  menu.listen({
    plan: sheets.openPlan, agreement: sheets.openAgreement, review: review.open, guide: guide.open,
    jump: COMMANDS.jump, // where there is no room for its button
  });
  light.listen(() => { view.redraw(); history.redraw(); });
  $('name-form').addEventListener('submit', nameGiven);
  $('name-sheet').addEventListener('close', () => {
    if (!session.annotator) $('name-sheet').showModal();
  });
  $('name').addEventListener('input', () => $('name').setCustomValidity(''));
  $('settle').addEventListener('click', async () => {
    const points = await sheets.disputes();
    if (points.length) queue.begin('settle', points);
  });
  review.listen((points) => queue.begin('review', points));
  for (const button of document.querySelectorAll('button[data-command]')) {
    button.addEventListener('click', (event) => {
      if (event.detail) button.blur(); // by mouse or finger: keys answer again
      COMMANDS[button.dataset.command]();
    });
  }
}

fill();
listen();
start();
