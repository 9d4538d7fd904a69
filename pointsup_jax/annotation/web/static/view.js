// The canvas: pans and zooms over the image of the asked point.
//
// Places are in the photo's own pixels, sizes on the screen in CSS pixels.
import * as map from './map.js';
import * as marks from './marks.js';
import * as picture from './picture.js';
import {RANGES, save, settings, STANDARD} from './settings.js';
import {$} from './strings.js';

const SHAPE = 0.75; // height by width of what is shown at least
const EDGE = 112; // how far beyond the image the view may go: buttons lie there
const MOST = 64; // screen pixels a pixel
const TAP_MS = 350;
const TAP_PIXELS = 24;

const canvas = $('view');
const context = canvas.getContext('2d');
let width = 0;
let height = 0;
let point = null;
let others = [];
let image = null;
let scale = 1; // screen pixels a pixel of the photo
let middle = [0, 0]; // x and y of what is in the middle
let hidden = false; // the marks
let frame = 0;

// Shows a point, at the zoom that this person likes.
export function open(asked, itsImage, besides) {
  point = asked;
  image = itsImage;
  others = besides;
  if (!width) measure();
  home(false);
  draw();
}

export function setOthers(besides) {
  others = besides;
  redraw();
}

// Photo pixels in a training pixel: across, down.
function footprint() {
  const [rows, cols] = point.size;
  return [image.naturalWidth / cols, image.naturalHeight / rows];
}

const fitting = () => Math.min(width / image.naturalWidth, height / image.naturalHeight);

// All of the photo, but for a pixel of the screen.
const showsAll = () => part().every(
  (edge, i) => (i < 2 ? edge * scale <= 1 : (edge - photo()[i - 2]) * scale >= -1),
);

// The scale at which `across` training pixels, and SHAPE as many down, are the
// least that is seen; and the other way round.
function scaleFor(across) {
  const [x, y] = footprint();
  return Math.min(width / x, height / (SHAPE * y)) / across;
}

// The point in the middle, or nearer to a border of the image; never near one of
// the view.
export function home(now = true) {
  if (!point) return;
  const [x, y] = footprint();
  scale = scaleFor(settings.across);
  // Large screens show more rather than blocks, unless somebody zooms in.
  if (settings.across === STANDARD.across) scale = Math.min(scale, picture.smoothest());
  scale = within(scale, fitting(), MOST);
  const at = [(point.col + 0.5) * x, (point.row + 0.5) * y];
  middle = at.map((place, i) => {
    const room = halfSeen(i, EDGE);
    const filled = within(place, ...places(i, 0));
    return within(filled, place - room, place + room);
  });
  clamp();
  if (now) redraw();
}

export function whole() {
  if (!point) return;
  scale = fitting();
  middle = photo().map((side) => side / 2);
  redraw();
}

const sizes = () => [width, height];
const photo = () => [image.naturalWidth, image.naturalHeight];
const within = (value, low, high) => Math.max(Math.min(value, high), low);

// Half of what is seen of the photo, across or down, within `edge` of the borders.
const halfSeen = (i, edge) => Math.max(sizes()[i] / 2 - edge, 0) / scale;

// The least and the greatest place of the middle with which no more than `edge`
// beyond the photo is seen on one side; where all of it fits, in the middle.
function places(i, edge) {
  const [half, centre] = [halfSeen(i, edge), photo()[i] / 2];
  return [Math.min(half, centre), Math.max(photo()[i] - half, centre)];
}

function clamp() {
  scale = within(scale, fitting(), MOST);
  middle = middle.map((at, i) => within(at, ...places(i, EDGE)));
}

// Where the point is on the canvas; its middle if the point is out of sight.
function spot() {
  const asked = [point.col, point.row];
  const place = footprint().map(
    (pixel, i) => ((asked[i] + 0.5) * pixel - middle[i]) * scale + sizes()[i] / 2,
  );
  const seen = place.every((at, i) => at >= 0 && at < sizes()[i]);
  return seen ? place : sizes().map((size) => size / 2);
}

// Zooms about a place on the canvas, else about the point; the next one opens
// as near.
export function zoom(factor, place = point && spot()) {
  if (!point || !width) return;
  const before = scale;
  scale *= factor;
  clamp();
  const away = [place[0] - width / 2, place[1] - height / 2];
  middle = middle.map((at, i) => at + away[i] / before - away[i] / scale);
  clamp();
  const across = scaleFor(scale);
  const [low, high] = RANGES.across;
  settings.across = Math.min(Math.max(across, low), high);
  save();
  redraw();
}

// Moves the image by screen pixels.
export function pan(dx, dy) {
  if (!point) return;
  middle = [middle[0] - dx / scale, middle[1] - dy / scale];
  clamp();
  redraw();
}

// A step to a side: a fifth of what is seen.
export const step = (x, y) => pan((-x * width) / 5, (-y * height) / 5);

export function hideMarks(whether) {
  if (hidden === whether) return;
  hidden = whether;
  draw();
}

// The part of the photo that is seen: left, top, right, bottom.
export function part() {
  const half = [width / scale / 2, height / scale / 2];
  return [-1, 1].flatMap((side) => middle.map((at, i) => at + side * half[i]));
}

// Once a frame, however many events ask for it.
export function redraw() {
  frame = frame || requestAnimationFrame(draw);
}

function measure() {
  width = canvas.clientWidth;
  height = canvas.clientHeight;
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
}

export function draw() {
  cancelAnimationFrame(frame);
  frame = 0;
  if (!point || !width || !picture.ready(image)) return;
  const ratio = canvas.width / width;
  const [x, y] = part();
  const zoomed = scale * ratio;
  const tone = picture.toneOf(image);
  picture.paint(context, image, tone, x, y, zoomed, canvas.width, canvas.height);
  map.draw(image, point, footprint(), part(), [width, height], showsAll());
  if (hidden) return;
  const [wide, high] = footprint();
  const at = (row, col) => [(col * wide - x) * zoomed, (row * high - y) * zoomed];
  marks.others(context, at, others, at(0, point.col)[0], ratio);
  marks.asked(context, at, point, others, ratio);
}

// ------------------------------------------------- mouse, fingers and wheel

const fingers = new Map(); // pointer -> x and y
let tap = null; // of the last press that did not move: time, x and y
let moved = 0;

const placeOf = ({offsetX, offsetY}) => [offsetX, offsetY];
const between = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
const distance = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);

function down(event) {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, placeOf(event));
  moved = fingers.size > 1 ? TAP_PIXELS : 0;
}

function move(event) {
  if (!fingers.has(event.pointerId)) return;
  const before = [...fingers.values()];
  const from = fingers.get(event.pointerId);
  const to = placeOf(event);
  fingers.set(event.pointerId, to);
  moved += distance([from, to]);
  if (fingers.size === 1) {
    pan(to[0] - from[0], to[1] - from[1]);
  } else if (fingers.size === 2) {
    const after = [...fingers.values()];
    const [old, now] = [between(before), between(after)];
    pan(now[0] - old[0], now[1] - old[1]);
    zoom(distance(after) / Math.max(distance(before), 1), now);
  }
}

function up(event) {
  if (!fingers.delete(event.pointerId) || event.type !== 'pointerup') return;
  if (moved > 6 || fingers.size) {
    tap = null;
    return;
  }
  const place = placeOf(event);
  const twice = tap && event.timeStamp - tap.time < TAP_MS && distance([tap.place, place]) < TAP_PIXELS;
  tap = twice ? null : {time: event.timeStamp, place};
  if (!twice || !point) return;
  if (showsAll()) home();
  else whole();
}

function wheel(event) {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 30 : 1;
  const turned = Math.min(Math.max(event.deltaY * lines, -300), 300);
  // Two fingers on a touchpad come as a wheel with Control, and in small steps.
  zoom(Math.exp(-turned * (event.ctrlKey ? 0.01 : 0.002)), placeOf(event));
}

export function listen() {
  canvas.addEventListener('pointerdown', down);
  canvas.addEventListener('pointermove', move);
  for (const kind of ['pointerup', 'pointercancel', 'lostpointercapture']) {
    canvas.addEventListener(kind, up);
  }
  canvas.addEventListener('wheel', wheel, {passive: false});
  map.listen(([x, y]) => {
    middle = [x, y];
    clamp();
    redraw();
  });
  new ResizeObserver(() => {
    measure();
    if (!point || !width) return;
    // It stays as it is, unless it shows less than all of the image now.
    clamp();
    draw();
  }).observe(canvas);
}
