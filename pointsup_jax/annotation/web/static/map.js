// The whole image, small, with what the canvas shows of it.
import * as marks from './marks.js';
import {paint, previewOf, toneOf} from './picture.js';
import {settings} from './settings.js';
import {$} from './strings.js';

const canvas = $('map');
const context = canvas.getContext('2d');
const small = document.createElement('canvas'); // the image alone
let drawn = {}; // of what and in which light `small` is
let scale = 1; // screen pixels a pixel of the photo

// Draws it for a canvas of `room`, width and height, unless that shows all.
export function draw(image, point, [wide, high], [x0, y0, x1, y1], room, all) {
  canvas.hidden = all;
  if (all) return;
  const ratio = devicePixelRatio || 1;
  const light = [settings.auto, settings.gamma, settings.contrast].join();
  const most = Math.min(room[0] * 0.3, Math.max(room[0] * 0.16, 150));
  const size = Math.min(most / image.naturalWidth, (room[1] * 0.28) / image.naturalHeight);
  if (drawn.image !== image || drawn.light !== light || scale !== size) {
    drawn = {image, light};
    scale = size;
    canvas.style.width = `${Math.round(image.naturalWidth * scale)}px`;
    canvas.style.height = `${Math.round(image.naturalHeight * scale)}px`;
    canvas.width = small.width = Math.round(image.naturalWidth * scale * ratio);
    canvas.height = small.height = Math.round(image.naturalHeight * scale * ratio);
    const preview = previewOf(image);
    paint(small.getContext('2d'), preview, toneOf(image), 0, 0, small.width / preview.width, small.width, small.height);
  }
  context.drawImage(small, 0, 0);
  const zoomed = scale * ratio;
  const seen = marks.rectangle(x0 * zoomed, y0 * zoomed, x1 * zoomed, y1 * zoomed);
  marks.stroke(context, seen, ratio * 0.8);
  const [x, y] = [(point.col + 0.5) * wide, (point.row + 0.5) * high];
  marks.stroke(context, marks.cross(x * zoomed, y * zoomed, 2 * ratio, 4 * ratio), ratio, '#ffd54a');
  // It does not lie over the point.
  const near = x < (x0 + x1) / 2 - (x1 - x0) / 8 && y > (y0 + y1) / 2;
  canvas.classList.toggle('aside', near);
}

// Calls `go` with the pixel of the photo that is pressed.
export function listen(go) {
  const there = (event) => {
    event.preventDefault();
    if (event.buttons) go([event.offsetX / scale, event.offsetY / scale]);
  };
  canvas.addEventListener('pointerdown', there);
  canvas.addEventListener('pointermove', there);
}
