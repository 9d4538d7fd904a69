// One's last answers, each with a small picture of its place.
import * as marks from './marks.js';
import {paint, picture, ready, toneOf} from './picture.js';
import {settings, STANDARD} from './settings.js';
import {$, text, wordOf} from './strings.js';

const SIDE = 112; // pixels of a small picture
const WIDTH = 76; // CSS pixels of an entry, at least

const list = $('history');
let entries = [];
let look = () => {};
let key = ''; // of what is on the screen
let fitting = 10;
let pictures = new Map(); // point -> small picture, and its light

// Shows the entries; `looking` is called with one that is pressed.
export function draw(given, looking) {
  entries = given;
  look = looking;
  redraw();
}

export function redraw() {
  const light = [settings.auto, settings.gamma, settings.contrast].join();
  const shown = entries.slice(0, fitting);
  // Only when it has changed: a button that is replaced loses its click.
  const now = JSON.stringify([light, fitting, shown.map(
    (x) => [x.id, x.answer, x.label, x.unsaved, ready(picture(x.image))],
  )]);
  if (now === key) return;
  key = now;
  const old = pictures;
  pictures = new Map();
  list.replaceChildren(...shown.map((entry) => {
    const item = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.className = entry.unsaved ? 'unsaved' : '';
    const word = wordOf(entry.answer, entry.label);
    button.setAttribute('aria-label', text('change', {...entry, word}));
    button.title = word;
    const name = `${entry.id} ${light}`;
    const small = old.get(name) ?? thumbnail(entry);
    if (small.dataset.ready) pictures.set(name, small);
    const label = document.createElement('span');
    label.className = 'label';
    label.textContent = word;
    button.append(small, label);
    button.addEventListener('click', (event) => {
      if (event.detail) button.blur();
      look(entry);
    });
    item.append(button);
    return item;
  }));
}

function thumbnail(entry) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIDE;
  const image = picture(entry.image);
  if (!ready(image)) {
    image.addEventListener('load', redraw, {once: true});
    return canvas;
  }
  const [rows, cols] = entry.size;
  const [wide, high] = [image.naturalWidth / cols, image.naturalHeight / rows];
  const usual = (STANDARD.across / 2) * Math.max(wide, high); // however near one is now
  const across = Math.min(usual, image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext('2d');
  // All of it lies in the image.
  const [x, y] = [(entry.col + 0.5) * wide, (entry.row + 0.5) * high];
  const left = Math.min(Math.max(x - across / 2, 0), image.naturalWidth - across);
  const top = Math.min(Math.max(y - across / 2, 0), image.naturalHeight - across);
  const scale = SIDE / across;
  paint(context, image, toneOf(image), left, top, scale, SIDE, SIDE);
  marks.stroke(context, marks.cross((x - left) * scale, (y - top) * scale, 12, 20), 2.5);
  canvas.dataset.ready = 'yes';
  return canvas;
}

export function listen() {
  new ResizeObserver(() => {
    const room = Math.max(1, Math.floor(list.clientWidth / WIDTH));
    if (room === fitting) return;
    fitting = room;
    redraw();
  }).observe(list);
}
