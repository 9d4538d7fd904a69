// What is drawn over the image: the asked pixel, its patch, the other points.
import {IGNORE, session} from './session.js';

const NAMED = 24; // other points in sight whose answers are named
const MARK = '#ffd54a';

// Draws a line that shows on any ground: dark, and bright within.
export function stroke(context, path, ratio, color = '#fff', dash = []) {
  context.setLineDash([]);
  context.lineWidth = 4 * ratio;
  context.strokeStyle = 'rgb(0 0 0 / .75)';
  context.stroke(path);
  context.setLineDash(dash.map((x) => x * ratio));
  context.lineWidth = 1.5 * ratio;
  context.strokeStyle = color;
  context.stroke(path);
  context.setLineDash([]);
}

// Four arms that leave the pixel and its neighbourhood free.
export function cross(x, y, gap, arm) {
  const path = new Path2D();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    path.moveTo(x + dx * gap, y + dy * gap);
    path.lineTo(x + dx * (gap + arm), y + dy * (gap + arm));
  }
  return path;
}

export function rectangle(x0, y0, x1, y1) {
  const path = new Path2D();
  path.rect(x0, y0, x1 - x0, y1 - y0);
  return path;
}

// The point's pixel, and its patch if others of `points` are asked in that. `at`
// turns a row and a column into x and y.
export function asked(context, at, point, points, ratio) {
  const [top, left, bottom, right] = point.box ?? [0, 0, 0, 0];
  const inPatch = ({id, row, col}) => id !== point.id
    && row >= top && row < bottom && col >= left && col < right;
  if (points.some(inPatch)) {
    stroke(context, rectangle(...at(top, left), ...at(bottom, right)), ratio, MARK, [6, 4]);
  }
  const [x0, y0] = at(point.row, point.col);
  const [x1, y1] = at(point.row + 1, point.col + 1);
  // The outline lies outside the pixel, however small that is.
  const edge = 2 * ratio;
  stroke(context, rectangle(x0 - edge, y0 - edge, x1 + edge, y1 + edge), ratio);
  const side = Math.max(x1 - x0, y1 - y0);
  const gap = Math.max(side * 1.5, side / 2 + 12 * ratio);
  stroke(context, cross((x0 + x1) / 2, (y0 + y1) / 2, gap, 22 * ratio), ratio);
}

// The image's other points, and what was answered to them: the names on the
// side that is away from the point asked, at `askedX`.
export function others(context, at, points, askedX, ratio) {
  const {width, height} = context.canvas;
  const seen = [];
  for (const one of points) {
    const [x, y] = at(one.row + 0.5, one.col + 0.5);
    if (x >= 0 && y >= 0 && x < width && y < height) seen.push([one, x, y]);
  }
  context.font = `600 ${12 * ratio}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  const boxes = [];
  for (const [one, x, y] of seen) {
    const answered = one.answer === 'label' || one.answer === 'unsure';
    const path = new Path2D();
    path.arc(x, y, (answered ? 5 : 3.5) * ratio, 0, 2 * Math.PI);
    if (answered) {
      context.fillStyle = colorOf(one);
      context.fill(path);
    }
    stroke(context, path, ratio * (answered ? 1 : 0.7));
    const name = answered && seen.length <= NAMED ? nameOf(one) : '';
    if (name) label(context, name, x, y, x < askedX, ratio, boxes);
  }
}

// Writes a name beside a point, unless it would lie over one of `boxes`.
function label(context, name, x, y, toLeft, ratio, boxes) {
  const width = context.measureText(name).width + 6 * ratio;
  const left = toLeft ? x - width - 6 * ratio : x + 6 * ratio;
  const box = [left, y - 9 * ratio, left + width, y + 9 * ratio];
  const over = ([x0, y0, x1, y1]) => box[0] < x1 && x0 < box[2] && box[1] < y1 && y0 < box[3];
  if (boxes.some(over)) return;
  boxes.push(box);
  context.fillStyle = 'rgb(0 0 0 / .6)';
  context.fillRect(box[0], box[1], width, 18 * ratio);
  context.fillStyle = '#fff';
  context.fillText(name, left + 3 * ratio, y);
}

function colorOf({label: index}) {
  const color = session.classes[index]?.color;
  return color ? `rgb(${color.join(' ')})` : '#808080';
}

function nameOf({answer, label: index}) {
  if (answer === 'unsure') return '?';
  return index === IGNORE ? '–' : session.classes[index]?.name ?? '';
}
