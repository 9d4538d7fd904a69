// Labels points: shows one, takes a key, sends the answer, shows the next.
//
// An answer is counted once the server says that it is on disk. Until then it
// waits in `pending`, which also lies in the browser's storage: neither a lost
// connection nor a closed tab loses it.
'use strict';

const AHEAD = 12; // points in hand, so that the next one is there at once
const IDLE_MS = 30000;
const RETRY_MS = 1500;
const POLL_MS = 4000;
const LIGHTS = [1, 1.6, 2.5, 4];
const IGNORE = 255;
const THUMB = 132; // pixels of a picture among the last answers
const WINDOW = crypto.getRandomValues(new Uint32Array(4)).join('-');

const $ = (id) => document.getElementById(id);
let session = null;
let points = []; // to come
let now = null; // the point asked
let visible = false; // whether it is on the screen: before, no key counts
let revisiting = false; // it was answered before
let settling = false; // disputes rather than open points
let pending = []; // answers that are not saved yet, the oldest first
let saved = []; // the last saved answers, the latest first
let progress = {needed: 0, given: 0};
let complete = false;
let sending = false;
let stopped = false; // another window has taken over, or the key is wrong
let retryTimer = 0;
let pollTimer = 0;
let guessShown = false;
let light = 0;
let span = 0; // training pixels across the magnifier; 0: not chosen yet
let marksHidden = false;
let clock = null; // of the point asked
let ahead = 0; // seconds that the program's clock is ahead of ours
let lastTime = 0; // of the last answer
let historyKey = ''; // of the history on the screen
const paces = []; // active seconds of the last answers of this window

// ---------------------------------------------------------------- the server

async function call(path, body) {
  const options = {credentials: 'same-origin', cache: 'no-store'};
  if (body) {
    options.method = 'POST';
    options.body = JSON.stringify(body);
    options.headers = {
      'content-type': 'application/json', 'x-points': session.header,
    };
  }
  let reply;
  try {
    reply = await fetch(path, options);
  } catch {
    return {code: 0, error: 'no connection'};
  }
  try {
    return {code: reply.status, ...(await reply.json())};
  } catch {
    return {code: reply.ok ? 500 : reply.status, error: reply.statusText};
  }
}

async function start() {
  const asked = Date.now();
  const found = await call('/api/session');
  if (found.code !== 200) {
    if (found.code === 403) return halt('The key is missing: open the link that the program has printed.');
    notice('No connection to the program; trying again …');
    setTimeout(start, RETRY_MS);
    return;
  }
  notice('');
  session = found;
  ahead = session.time - (asked + Date.now()) / 2000;
  buildClasses();
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
  pending = storedPending();
  take();
}

// Runs may follow each other on one port: an answer belongs to its run.
const storageKey = () => `points:${session.run}:${session.annotator}`;

function storedPending() {
  try {
    return JSON.parse(localStorage.getItem(storageKey()) || '[]');
  } catch {
    return []; // no storage, as in some private windows
  }
}

function keepPending() {
  try {
    localStorage.setItem(storageKey(), JSON.stringify(pending));
  } catch {
    // They wait in this window alone.
  }
}

// Asks for points; what is still unsaved goes first.
async function take() {
  clearTimeout(pollTimer);
  const reply = await call('/api/points', {window: WINDOW, want: pending.length ? 0 : AHEAD});
  if (reply.code !== 200) return failed(reply, take);
  notice('');
  apply(reply);
  send();
}

async function send() {
  if (sending || stopped) return;
  sending = true;
  while (pending.length && !stopped) {
    const {shown, ...answer} = pending[0];
    const reply = await call('/api/answer', {
      ...answer, window: WINDOW, want: AHEAD + pending.length,
    });
    if (reply.code === 409 && reply.error === 'window') {
      halt('This name labels in another window now. Reload the page to go on here.');
      break;
    }
    if (reply.code === 0 || reply.code >= 500 || reply.code === 403) {
      sending = false;
      return failed(reply, send);
    }
    pending.shift();
    keepPending();
    if (reply.code === 200) {
      notice('');
      apply(reply);
    } else {
      notice(`An answer was refused: ${reply.error}`);
    }
  }
  sending = false;
  drawState();
  if (!now && !points.length && !stopped) take();
}

function failed(reply, again) {
  if (reply.code === 403) return halt('The key is no longer valid: open the link that the program has printed. Unsaved answers stay in this browser.');
  const why = reply.code ? `The program cannot save: ${reply.error}.` : 'No connection to the program.';
  const kept = pending.length ? ` ${pending.length} ${pending.length === 1 ? 'answer waits' : 'answers wait'} in this browser and will be sent.` : '';
  notice(`${why}${kept} Trying again …`);
  drawState();
  clearTimeout(retryTimer);
  retryTimer = setTimeout(again, RETRY_MS);
}

// Takes over what the server says, except where unsaved answers know better.
function apply(reply) {
  progress = reply.progress;
  complete = reply.complete;
  saved = reply.history;
  const last = new Map(pending.map((one) => [one.point, one.answer]));
  if (!settling) {
    const open = (point) => {
      const answer = last.get(point.id);
      return (answer === undefined || answer === 'undo') && point.id !== now?.id;
    };
    const coming = new Set(reply.points.map((point) => point.id));
    // A point that was taken back here, before the server knows of it.
    const back = points.filter((p) => last.get(p.id) === 'undo' && !coming.has(p.id));
    points = [...back, ...reply.points].filter(open);
    // What has just come up may have been answered by an import meanwhile.
    const settled = reply.points.length && !pending.length && !coming.has(now?.id);
    if (settled && !revisiting) now = null;
  }
  if (now) prefetch();
  else next();
  drawState();
}

// ------------------------------------------------------------------- answers

function answer(kind, label = null) {
  if (!now || !visible || stopped) return;
  const time = clock.read();
  let mode = guessShown ? 'confirm' : 'blind';
  if (settling) mode = 'adjudicate';
  push(now, kind, label, time, mode);
  if (kind !== 'skip') {
    paces.push(time.active);
    if (paces.length > 40) paces.shift();
  }
  say(`${wordOf(kind, label)}. `);
  now = null;
  next();
  drawState();
  send();
}

function push(point, kind, label, time, mode) {
  const {said, ...shown} = point;
  // In order, whatever happens to our clock.
  lastTime = Math.max(Date.now() / 1000 + ahead, lastTime + 0.001);
  pending.push({
    at: lastTime, // it may be sent much later

    key: crypto.getRandomValues(new Uint32Array(4)).join('-'),
    point: point.id,
    answer: kind,
    label,
    seconds: time.seconds,
    active: time.active,
    mode,
    shown,
  });
  keepPending();
}

// What was answered, the latest first, with what is not saved yet.
function history() {
  let list = [...saved];
  for (const one of pending) {
    const i = list.findIndex((x) => x.id === one.point);
    if (i >= 0) list.splice(i, 1);
    if (one.answer !== 'undo') {
      list.unshift({...one.shown, answer: one.answer, label: one.label, unsaved: true});
    }
  }
  return list.slice(0, 10);
}

function undo() {
  const [latest] = history();
  if (!latest || stopped) return;
  if (now && !revisiting) points.unshift(now);
  points = points.filter((point) => point.id !== latest.id);
  const {answer: kind, label, unsaved, ...point} = latest;
  push(point, 'undo', null, {seconds: 0, active: 0}, settling ? 'adjudicate' : 'blind');
  say(`Taken back: ${wordOf(kind, label)}.`);
  show(point, true);
  drawState();
  send();
}

function revisit(entry) {
  if (now && !revisiting) points.unshift(now);
  const {answer: kind, label, unsaved, ...point} = entry;
  show(point, true);
  say(`You said ${wordOf(kind, label)}. Escape leaves it so.`);
}

function leave() {
  if (settling) {
    settling = false;
    points = [];
  } else if (!revisiting) {
    return;
  }
  now = null;
  next();
  take();
}

function next() {
  revisiting = false;
  if (points.length) {
    $('rest').hidden = true;
    $('scene').hidden = $('work').hidden = false;
    show(points.shift());
    return;
  }
  now = null;
  if (settling && !pending.length) {
    settling = false;
    take();
    return;
  }
  if (pending.length) {
    rest('Saving …', 'The next points come as soon as the program has your answers.');
  } else if (complete) {
    rest('All points are answered', 'Everything is saved. Backspace takes back your last answer for a few seconds more; then the program goes on by itself.');
  } else {
    rest('Nothing for you at the moment', 'The points that are left are with others, or want a second annotator. This page looks again by itself.');
    clearTimeout(pollTimer);
    pollTimer = setTimeout(take, POLL_MS);
  }
}

function rest(title, text) {
  $('rest-title').textContent = title;
  $('rest-text').textContent = text;
  $('rest').hidden = false;
  $('scene').hidden = $('work').hidden = true;
}

function halt(text) {
  stopped = true;
  notice(text);
}

// ---------------------------------------------------------------------- time

// Seconds since a point was shown, and those in which somebody was there.
class Clock {
  constructor() {
    this.shown = this.last = performance.now();
    this.activeMs = 0;
    this.running = !document.hidden;
  }

  touch() {
    const time = performance.now();
    if (this.running) this.activeMs += Math.min(time - this.last, IDLE_MS);
    this.last = time;
    this.running = !document.hidden;
  }

  read() {
    this.touch();
    const seconds = (this.last - this.shown) / 1000;
    return {seconds, active: Math.min(this.activeMs / 1000, seconds)};
  }
}

for (const kind of ['keydown', 'pointermove', 'pointerdown', 'wheel']) {
  document.addEventListener(kind, () => clock?.touch(), {capture: true, passive: true});
}
document.addEventListener('visibilitychange', () => clock?.touch());

// -------------------------------------------------------------------- images

const images = new Map(); // number -> Image, the latest used last

function picture(number) {
  let image = images.get(number);
  if (!image) {
    image = new Image();
    image.src = `/image/${number}`;
  }
  images.delete(number);
  images.set(number, image);
  for (const old of images.keys()) {
    if (images.size <= 14) break; // those of the last answers, and what comes
    images.delete(old);
  }
  return image;
}

function prefetch() {
  const numbers = new Set(points.map((point) => point.image));
  numbers.delete(now?.image);
  for (const number of [...numbers].slice(0, 2)) picture(number);
}

async function show(point, again = false) {
  now = point;
  revisiting = again;
  visible = false;
  clock = null;
  $('rest').hidden = true;
  $('scene').hidden = $('work').hidden = false;
  const image = picture(point.image);
  if (!image.complete || !image.naturalWidth) {
    try {
      await image.decode();
    } catch {
      images.delete(point.image);
      if (now !== point) return;
      notice(`The image ${point.name} cannot be loaded; trying again …`);
      setTimeout(() => { if (now === point) show(point, again); }, RETRY_MS);
      return;
    }
    if (now !== point) return;
    notice('');
  }
  draw();
  visible = true;
  clock = new Clock();
  document.body.dataset.point = point.id;
  prefetch();
}

// ------------------------------------------------------------------- drawing

function canvasOf(id) {
  const canvas = $(id);
  const ratio = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  return [canvas.getContext('2d'), width, height, ratio];
}

// Draws a line that shows on any ground: dark, and bright within.
function stroke(context, path, ratio, color = '#fff', dash = []) {
  context.setLineDash([]);
  context.lineWidth = 3.5 * ratio;
  context.strokeStyle = 'rgb(0 0 0 / .75)';
  context.stroke(path);
  context.setLineDash(dash.map((x) => x * ratio));
  context.lineWidth = 1.5 * ratio;
  context.strokeStyle = color;
  context.stroke(path);
  context.setLineDash([]);
}

// Four arms that leave the pixel and its neighbourhood free.
function cross(x, y, gap, arm) {
  const path = new Path2D();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    path.moveTo(x + dx * gap, y + dy * gap);
    path.lineTo(x + dx * (gap + arm), y + dy * (gap + arm));
  }
  return path;
}

function rectangle(x0, y0, x1, y1) {
  const path = new Path2D();
  path.rect(x0, y0, x1 - x0, y1 - y0);
  return path;
}

// Brighter: the canvas' filters are not known to every tablet.
function lighten(context, width, height) {
  if (!light) return;
  const grey = Math.round(255 * (1 - 1 / LIGHTS[light]));
  context.globalCompositeOperation = 'color-dodge';
  context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
  context.fillRect(0, 0, width, height);
  context.globalCompositeOperation = 'source-over';
}

function draw() {
  if (!now) return;
  const image = images.get(now.image);
  if (!image?.naturalWidth) return;
  const [height, width] = now.size;
  span = span || Math.min(Math.max(width / 14, 24), 96);
  drawOverview(image, height, width);
  drawMagnifier(image, height, width);
  $('caption').textContent = `${now.name} · row ${now.row}, column ${now.col}`;
  drawHint();
}

function drawOverview(image, height, width) {
  const canvas = $('overview');
  const room = canvas.parentElement.clientWidth;
  const most = Math.max(innerHeight - 330, 200);
  const scale = Math.min(room / width, most / height);
  canvas.style.width = `${Math.floor(width * scale)}px`;
  canvas.style.height = `${Math.floor(height * scale)}px`;
  const [context, w, h, ratio] = canvasOf('overview');
  context.imageSmoothingEnabled = w < image.naturalWidth;
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, w, h);
  lighten(context, w, h);
  if (marksHidden) return;
  const sx = w / width;
  const sy = h / height;
  const [top, left, bottom, right] = now.box;
  stroke(context, rectangle(left * sx, top * sy, right * sx, bottom * sy), ratio, '#ffd54a', [6, 4]);
  // What the magnifier shows.
  const lens = $('magnifier');
  const high = span * lens.clientHeight / Math.max(lens.clientWidth, 1);
  const frame = rectangle(
    (now.col + 0.5 - span / 2) * sx, (now.row + 0.5 - high / 2) * sy,
    (now.col + 0.5 + span / 2) * sx, (now.row + 0.5 + high / 2) * sy,
  );
  context.lineWidth = ratio;
  context.strokeStyle = 'rgb(255 255 255 / .7)';
  context.stroke(frame);
  const x = (now.col + 0.5) * sx;
  const y = (now.row + 0.5) * sy;
  stroke(context, cross(x, y, Math.max(sx, 6 * ratio), 14 * ratio), ratio);
}

function drawMagnifier(image, height, width) {
  const [context, w, h, ratio] = canvasOf('magnifier');
  const scale = w / span; // canvas pixels in a training pixel
  const x0 = now.col + 0.5 - w / scale / 2;
  const y0 = now.row + 0.5 - h / scale / 2;
  const nx = image.naturalWidth / width;
  const ny = image.naturalHeight / height;
  context.fillStyle = '#000';
  context.fillRect(0, 0, w, h);
  context.imageSmoothingEnabled = false;
  context.drawImage(
    image, x0 * nx, y0 * ny, (w / scale) * nx, (h / scale) * ny, 0, 0, w, h,
  );
  lighten(context, w, h);
  if (marksHidden) return;
  const at = (row, col) => [(col - x0) * scale, (row - y0) * scale];
  const [top, left, bottom, right] = now.box;
  stroke(context, rectangle(...at(top, left), ...at(bottom, right)), ratio, '#ffd54a', [6, 4]);
  // The outline lies outside the pixel, however small that is.
  const edge = 2 * ratio;
  const [fx0, fy0] = at(now.row, now.col);
  const [fx1, fy1] = at(now.row + 1, now.col + 1);
  stroke(context, rectangle(fx0 - edge, fy0 - edge, fx1 + edge, fy1 + edge), ratio);
  const gap = Math.max(scale * 1.5, scale / 2 + 12 * ratio);
  stroke(context, cross(w / 2, h / 2, gap, 22 * ratio), ratio);
}

function drawHint() {
  const guessed = session.classes[now.guess]?.name ?? 'nothing';
  for (const [i, button] of [...$('classes').children].entries()) {
    button.classList.toggle('guessed', guessShown && i === now.guess);
  }
  let text = guessShown ? `The model says ${guessed}: Enter agrees.` : '';
  if (settling && now.said) {
    text = `Settle: ${Object.entries(now.said).map(([who, label]) => `${who} says ${wordOf('label', label)}`).join(', ')}. Esc ends.`;
  } else if (revisiting) {
    text = `An earlier point. Esc leaves it as it is. ${text}`;
  }
  $('hint').textContent = text;
}

function drawState() {
  const {needed, given} = progress;
  $('bar').max = Math.max(needed, 1);
  $('bar').value = given;
  $('count').textContent = `${figure(given)} of ${figure(needed)}`;
  $('left').textContent = timeLeft(needed - given);
  $('waiting').hidden = !pending.length || sending && pending.length < 3;
  $('waiting').textContent = `${pending.length} not saved yet`;
  $('undo').disabled = !history().length;
  drawHistory();
}

function timeLeft(open) {
  if (paces.length < 5 || open <= 0) return '';
  const middle = [...paces].sort((a, b) => a - b)[Math.floor(paces.length / 2)];
  return `${duration(open * middle)} left at your ${middle.toFixed(1)} s a point`;
}

function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 10) return `${figure(hours)} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min` : 'less than a minute';
}

const figure = (value) => value.toLocaleString('en');

// Only when it has changed: a button that is replaced loses its click.
function drawHistory() {
  const entries = history();
  const key = JSON.stringify(entries.map(
    (x) => [x.id, x.answer, x.label, x.unsaved, images.get(x.image)?.naturalWidth > 0],
  ));
  if (key === historyKey) return;
  historyKey = key;
  const items = entries.map((entry) => {
    const item = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.className = entry.unsaved ? 'unsaved' : '';
    const word = wordOf(entry.answer, entry.label);
    button.setAttribute('aria-label', `Change ${word}, ${entry.name} row ${entry.row} column ${entry.col}`);
    button.title = word;
    button.append(thumbnail(entry), labelled(word));
    button.addEventListener('click', () => { button.blur(); revisit(entry); });
    item.append(button);
    return item;
  });
  $('history').replaceChildren(...items);
}

function thumbnail(entry) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = THUMB;
  const image = picture(entry.image);
  if (!image.naturalWidth) {
    image.addEventListener('load', drawHistory, {once: true});
  } else {
    const [height, width] = entry.size;
    const context = canvas.getContext('2d');
    const across = span || 32;
    const nx = image.naturalWidth / width;
    const ny = image.naturalHeight / height;
    context.imageSmoothingEnabled = false;
    context.drawImage(
      image, (entry.col + 0.5 - across / 2) * nx, (entry.row + 0.5 - across / 2) * ny,
      across * nx, across * ny, 0, 0, THUMB, THUMB,
    );
    stroke(context, cross(THUMB / 2, THUMB / 2, 10, 16), 1.5);
  }
  return canvas;
}

function wordOf(kind, label) {
  if (kind === 'label') return label === IGNORE ? 'none of them' : session.classes[label]?.name ?? `class ${label}`;
  return {unsure: 'unsure', skip: 'skipped', undo: 'undone'}[kind] ?? kind;
}

function labelled(text) {
  const span = document.createElement('span');
  span.className = 'label';
  span.textContent = text;
  return span;
}

function buildClasses() {
  const buttons = session.classes.map(({name, color, key}, i) => {
    const button = document.createElement('button');
    button.type = 'button';
    const cap = document.createElement('kbd');
    cap.textContent = key === key.toLowerCase() ? key.toUpperCase() : `⇧${key}`;
    const swatch = document.createElement('span');
    swatch.className = 'swatch';
    swatch.style.backgroundColor = `rgb(${color.join(' ')})`;
    if (key) button.setAttribute('aria-keyshortcuts', key);
    button.title = name;
    button.append(cap, swatch, labelled(name));
    button.addEventListener('click', () => { button.blur(); answer('label', i); });
    return button;
  });
  $('classes').replaceChildren(...buttons);
  $('classes').style.gridTemplateRows = `repeat(${Math.ceil(buttons.length / 2)}, auto)`;
}

function notice(text) {
  $('notice').hidden = !text;
  if ($('notice').textContent !== text) $('notice').textContent = text;
}

function say(text) {
  $('live').textContent = text;
}

// ------------------------------------------------------------------ commands

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
  for (const [i, button] of [...$('classes').children].entries()) {
    button.classList.toggle('off', searching && !hits.includes(i));
    button.classList.toggle('first', hits[0] === i);
  }
}

function endSearch() {
  $('search').value = '';
  searched();
  $('search').blur();
}

function searchKey(event) {
  if (event.key === 'Escape') endSearch();
  if (event.key !== 'Enter') return;
  const [hit] = found();
  if (hit === undefined) return;
  endSearch();
  answer('label', hit);
}

function zoom(factor) {
  if (!now) return;
  span = Math.min(Math.max(span * factor, 6), now.size[1]);
  draw();
}

function toggleGuess() {
  guessShown = !guessShown;
  $('guess').setAttribute('aria-pressed', String(guessShown));
  if (now) drawHint();
}

function agreeWithModel() {
  if (guessShown && now && !settling) answer('label', now.guess);
}

function tableRow(texts) {
  const row = document.createElement('tr');
  for (const text of texts) {
    const cell = document.createElement('td');
    cell.textContent = text;
    row.append(cell);
  }
  return row;
}

async function openPlan() {
  const plan = await call('/api/plan');
  if (plan.code !== 200) return notice(`There is no plan at the moment: ${plan.error}.`);
  const left = plan.needed - plan.given;
  const points = plan.needed > plan.points
    ? ` ${figure(plan.points)} points; two annotators are asked about some of them.` : '';
  $('plan-work').textContent = `${figure(plan.given)} of ${figure(plan.needed)} answers are given, ${figure(left)} are left.${points}`;
  $('plan-pace').textContent = paceOf(plan);
  const rows = plan.rows.map((one, i) => {
    const row = tableRow([
      `${i === plan.now ? 'now  ' : ''}${one.percent}%`, figure(one.points),
      figure(one.images), figure(one.patches), `${Math.round(100 * one.worth)}%`,
      one.left ? duration(one.hours * 3600) : 'done',
    ]);
    if (i === plan.now) row.setAttribute('aria-current', 'step');
    return row;
  });
  $('budgets').replaceChildren(...rows);
  $('plan-sheet').showModal();
}

function paceOf({pace, needed, given, hours}) {
  const time = needed > given ? `Time left: ${duration(hours * 3600)}, at` : 'Pace:';
  const seconds = `${pace.seconds.toFixed(1)} s an answer`;
  if (!pace.answers) return `${time} ${seconds}, assumed until 20 answers have been timed.`;
  const whose = pace.annotator ? 'your' : 'all';
  return `${time} ${seconds}, the median of ${whose} ${figure(pace.answers)} answers.`;
}

async function openAgreement() {
  const reply = await call('/api/agreement');
  if (reply.code !== 200) return;
  const rows = reply.pairs.map((pair) => {
    const share = pair.points ? `${Math.round(100 * pair.same / pair.points)}%` : '';
    const kappa = pair.kappa === null ? 'not defined' : pair.kappa.toFixed(2);
    return tableRow([pair.annotators.join(', '), pair.points, share, kappa]);
  });
  $('pairs').replaceChildren(...rows);
  $('disputed').textContent = reply.pairs.length
    ? `${reply.disputed} ${reply.disputed === 1 ? 'point is' : 'points are'} disputed.`
    : 'No point has been labelled by two annotators (annotate.overlap).';
  $('settle').hidden = !reply.disputed;
  $('agree-sheet').showModal();
}

async function settle() {
  const reply = await call('/api/disputes', {want: 50});
  $('agree-sheet').close();
  if (reply.code !== 200 || !reply.points.length) return;
  settling = true;
  points = reply.points;
  next();
}

const COMMANDS = {
  u: () => answer('unsure'),
  s: () => answer('skip'),
  i: () => answer('label', IGNORE),
  z: undo,
  Backspace: undo,
  Enter: agreeWithModel,
  Escape: leave,
  m: toggleGuess,
  b: () => { light = (light + 1) % LIGHTS.length; draw(); },
  '+': () => zoom(1 / 1.4),
  '=': () => zoom(1 / 1.4),
  '-': () => zoom(1.4),
  '?': () => $('help-sheet').showModal(),
  '/': () => $('search').focus(),
};

function keyDown(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (!session || document.querySelector('dialog[open]')) return;
  if (event.target === $('search')) return;
  // Shift makes a capital where classes have those, CapsLock never does.
  const capital = event.shiftKey && session.classes.some((one) => one.key !== one.key.toLowerCase());
  const key = event.key.length > 1 ? event.key
    : capital ? event.key.toUpperCase() : event.key.toLowerCase();
  // A button that was reached with Tab is pressed as everywhere else.
  const onButton = event.target.matches?.('button:focus-visible');
  if (onButton && (key === ' ' || key === 'Enter')) return;
  if (key === ' ') {
    event.preventDefault();
    if (!marksHidden) { marksHidden = true; draw(); }
    return;
  }
  const index = session.classes.findIndex((one) => one.key && one.key === key);
  const command = COMMANDS[key];
  if (index < 0 && !command) return;
  event.preventDefault();
  // A key held down is one answer; zooming may go on.
  if (event.repeat && !'+=-'.includes(key)) return;
  if (index >= 0) answer('label', index);
  else command();
}

function keyUp(event) {
  if (event.key === ' ' && marksHidden) { marksHidden = false; draw(); }
}

document.addEventListener('keydown', keyDown);
document.addEventListener('keyup', keyUp);
addEventListener('blur', () => keyUp({key: ' '}));
addEventListener('resize', draw);
addEventListener('online', () => send());
$('magnifier').addEventListener('wheel', (event) => {
  event.preventDefault();
  zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2);
}, {passive: false});
$('name-form').addEventListener('submit', nameGiven);
$('name-sheet').addEventListener('close', () => {
  if (!session.annotator) $('name-sheet').showModal();
});
$('name').addEventListener('input', () => $('name').setCustomValidity(''));
$('search').addEventListener('input', searched);
$('search').addEventListener('keydown', searchKey);
$('plan').addEventListener('click', (event) => {
  if (event.detail) $('plan').blur(); // by mouse or finger: Space hides marks
  openPlan();
});
$('agree').addEventListener('click', openAgreement);
$('settle').addEventListener('click', settle);
for (const [id, key] of [
  ['undo', 'z'], ['skip', 's'], ['unsure', 'u'], ['ignore', 'i'], ['guess', 'm'],
  ['bright', 'b'], ['nearer', '+'], ['farther', '-'], ['help', '?'],
]) {
  $(id).addEventListener('click', () => { $(id).blur(); COMMANDS[key](); });
}
start();
