// The points: shows one, takes an answer, sends it, shows the next.
import * as answers from './answers.js';
import * as beside from './beside.js';
import {Clock} from './clock.js';
import * as hint from './hint.js';
import * as history from './history.js';
import * as picture from './picture.js';
import * as progress from './progress.js';
import {call} from './server.js';
import {keyName, keysOf} from './keys.js';
import {$, notice, say, text, wordOf} from './strings.js';
import * as view from './view.js';

const AHEAD = 12; // points in hand, so that the next one is there at once
const RETRY_MS = 1500;
const POLL_MS = 4000;
const WINDOW = answers.id();

export const queue = {
  now: null, // the point asked
  earlier: null, // what was said about it before: answer, label, withdrawn
  task: '', // rather than open points: 'settle' disputes, or 'review' answers
  guessShown: false,
};
let visible = false; // whether it is on the screen: before, no key counts
let points = []; // to come
let ofTask = new Set(); // ids of the points that the task is about
let saved = []; // the last saved answers, the latest first
let complete = false;
let sending = false;
let stopped = false; // another window has taken over, or the key is wrong
let retryTimer = 0;
let pollTimer = 0;
let clock = null; // of the point asked
let aim = null; // name of an image to jump to
let jumping = false; // and it has been asked for
const takenBack = new Map(); // point -> what had been said about it

export const currentClock = () => clock;

// --------------------------------------------------------------- the program

// Asks for points; what is still unsaved goes first.
export async function take() {
  clearTimeout(pollTimer);
  const want = answers.pending.length ? 0 : AHEAD;
  const reply = await call('/api/points', {window: WINDOW, want});
  if (reply.code !== 200) return failed(reply, take);
  notice('');
  apply(reply);
  send();
}

export async function send() {
  if (sending || stopped) return;
  sending = true;
  let sent = 0;
  while ((answers.pending.length || aim !== null) && !stopped) {
    // Answers go first, so that the server knows what is still open.
    const [first = {route: 'jump', image: aim}] = answers.pending;
    const {shown, route = 'answer', ...given} = first;
    const want = Math.min(AHEAD + answers.pending.length, 50);
    jumping = route === 'jump';
    const reply = await call(`/api/${route}`, {...given, window: WINDOW, want});
    jumping = false;
    if (reply.code === 409 && reply.error === 'window') {
      halt(text('otherWindow'));
      break;
    }
    if (reply.code === 0 || reply.code >= 500 || reply.code === 403) {
      sending = false;
      return failed(reply, send);
    }
    if (route === 'jump') {
      if (aim === given.image) aim = null; // else another was chosen meanwhile
      if (reply.code === 200) arrive(given.image, reply);
      else notice(text('noJump', {error: reply.error}));
      continue;
    }
    answers.sent();
    sent += 1;
    if (reply.code === 200) {
      notice('');
      apply(reply);
    } else {
      notice(text('refused', {error: reply.error}));
    }
  }
  sending = false;
  drawState();
  if (sent && !queue.now && !points.length && !stopped) take();
}

function failed(reply, again) {
  if (reply.code === 403) return halt(text('keyGone'));
  const count = answers.pending.length;
  const why = reply.code ? text('cannotSave', {error: reply.error}) : text('noConnection');
  notice([why, ...(count ? [text('kept', {count})] : []), text('again')].join(' '));
  drawState();
  clearTimeout(retryTimer);
  retryTimer = setTimeout(again, RETRY_MS);
}

// Takes over what the server says, except where unsaved answers know better.
function apply(reply) {
  progress.set(reply.progress);
  complete = reply.complete;
  saved = reply.history;
  const {now} = queue;
  const last = answers.unsaved();
  if (!queue.task) {
    const open = (point) => {
      const answer = last.get(point.id);
      return (answer === undefined || answer === 'undo') && point.id !== now?.id;
    };
    const coming = new Set(reply.points.map((point) => point.id));
    // A point that was taken back here, before the server knows of it.
    const back = points.filter((p) => last.get(p.id) === 'undo' && !coming.has(p.id));
    points = [...back, ...reply.points].filter(open);
    // What has just come up may have been answered by an import meanwhile.
    const settled = reply.points.length && !answers.pending.length && !coming.has(now?.id);
    if (settled && !queue.earlier) queue.now = null;
  }
  if (queue.now) prefetch();
  else next();
  drawState();
}

function halt(words) {
  stopped = true;
  notice(words);
}

// ------------------------------------------------------------------- answers

export function answer(kind, label = null) {
  if (!queue.now || !visible || stopped || jumping) return;
  const time = clock.read();
  answers.add(queue.now, kind, label, time, modeOf(queue.now));
  beside.note(queue.now, kind, label);
  takenBack.delete(queue.now.id);
  if (kind !== 'skip') progress.timed(time.active);
  say(text('answeredAs', {word: wordOf(kind, label)}));
  queue.now = null;
  next();
  drawState();
  send();
}

// How a point is answered. A task is about its own points: others, to which the
// list of answers leads meanwhile, are answered as ever.
function modeOf(point) {
  const task = ofTask.has(point.id) ? queue.task : '';
  if (task === 'settle') return 'adjudicate';
  return queue.guessShown || task === 'review' ? 'confirm' : 'blind';
}

// Says what the model says or, in a review, what all others do.
export function agree() {
  const label = hint.inSight(queue);
  if (label === null) answer('unsure');
  else if (label !== undefined) answer('label', label);
}

// Goes back to the last answer and takes it back.
export function undo() {
  const [latest] = answers.history(saved);
  if (!latest || stopped) return;
  revisit(latest);
  withdraw();
}

// Shows an earlier point; its answer stands until another one is given.
export function revisit(entry) {
  const {answer: kind, label, unsaved, ...point} = entry;
  putAside();
  points = points.filter(({id}) => id !== point.id);
  show(point, {answer: kind, label, withdrawn: false});
}

// The open point on the screen comes next again.
function putAside() {
  const {now, earlier} = queue;
  if (now && (!earlier || earlier.withdrawn)) points.unshift(now);
}

export function withdraw() {
  const {now, earlier} = queue;
  if (!now || !earlier || earlier.withdrawn || stopped) return;
  const settles = modeOf(now) === 'adjudicate';
  const mode = settles ? 'adjudicate' : 'blind';
  answers.add(now, 'undo', null, {seconds: 0, active: 0}, mode);
  beside.note(now, null, null);
  queue.earlier = {...earlier, withdrawn: true};
  takenBack.set(now.id, queue.earlier);
  hint.draw(queue);
  say($('hint').textContent);
  drawState();
  send();
}

// Leaves an earlier point as it was, or ends a task.
export function leave() {
  const {earlier, task} = queue;
  if (earlier?.withdrawn) {
    answer(earlier.answer, earlier.label);
    return;
  }
  if (!earlier && !task) return;
  if (!earlier) {
    queue.task = '';
    points = [];
  }
  queue.now = null;
  next();
  take();
}

// Remarks something about a point, whose answers stay as they are.
export function comment(point, words) {
  answers.remark(point, words);
  beside.remark(point, words);
  if (queue.now) hint.draw(queue);
  say(text(words ? 'commented' : 'uncommented'));
  drawState();
  send();
}

// Shows other points than those that are open.
export function begin(task, itsPoints) {
  queue.task = task;
  ofTask = new Set(itsPoints.map(({id}) => id));
  queue.now = null;
  points = itsPoints;
  next();
}

// Has an image's open points come next; then those that were to come.
export function jump(image) {
  aim = image;
  send();
}

// What is on the screen comes again in its turn.
function arrive(image, reply) {
  notice('');
  queue.task = '';
  queue.now = null;
  points = [];
  apply(reply);
  say(text(queue.now?.name === image ? 'jumped' : 'nothingThere', {name: image}));
}

export function toggleGuess() {
  queue.guessShown = !queue.guessShown;
  $('guess').setAttribute('aria-pressed', String(queue.guessShown));
  if (!queue.now) return;
  hint.draw(queue);
  say($('hint').textContent);
}

// ---------------------------------------------------------------- the screen

function next() {
  queue.earlier = null;
  if (points.length) {
    const point = points.shift();
    show(point, takenBack.get(point.id));
    return;
  }
  queue.now = null;
  if (queue.task && !answers.pending.length) {
    queue.task = '';
    take();
  } else if (answers.pending.length) {
    rest('saving');
  } else if (complete) {
    rest('done');
  } else {
    rest('empty');
    clearTimeout(pollTimer);
    pollTimer = setTimeout(take, POLL_MS);
  }
}

function rest(why) {
  $('rest-title').textContent = text(`${why}Title`);
  $('rest-text').textContent = text(`${why}Text`, {key: keyName(keysOf('command', 'undo')[0] ?? '')});
  $('rest').hidden = false;
  $('stage').hidden = true;
}

function prefetch() {
  const numbers = new Set(points.map((point) => point.image));
  numbers.delete(queue.now?.image);
  const soon = [...numbers].slice(0, 2);
  picture.prefetch(soon);
  soon.forEach(beside.load);
}

async function show(point, earlier = null) {
  queue.now = point;
  queue.earlier = earlier;
  visible = false;
  clock = null;
  $('rest').hidden = true;
  $('stage').hidden = false;
  const image = picture.picture(point.image);
  const known = beside.load(point.image);
  hint.draw(queue);
  if ($('hint').textContent) say($('hint').textContent);
  if (!picture.ready(image)) {
    try {
      await image.decode();
    } catch {
      picture.forget(point.image);
      if (queue.now !== point) return;
      notice(text('noImage', {name: point.name}));
      setTimeout(() => { if (queue.now === point) show(point, queue.earlier); }, RETRY_MS);
      return;
    }
    if (queue.now !== point) return;
    notice('');
  }
  view.open(point, image, beside.of(point));
  $('caption').textContent = text('caption', point);
  visible = true;
  clock = new Clock();
  document.body.dataset.point = point.id;
  prefetch();
  progress.ofImage(beside.progress(point));
  if (!(await known) || queue.now !== point) return;
  view.setOthers(beside.of(point));
  if (beside.commentOf(point)) hint.draw(queue);
  progress.ofImage(beside.progress(point));
}

function drawState() {
  progress.draw(answers.pending.length, sending);
  const last = answers.history(saved);
  $('undo').disabled = !last.length;
  history.draw(last, revisit);
}
