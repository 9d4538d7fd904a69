// How far one is: in all, in this image, and the time that is left.
import {$, decimal, duration, figure, text} from './strings.js';

const ENOUGH = 5; // answers of which the median is told
const KEPT = 40;

let needed = 0;
let given = 0;
const paces = []; // active seconds of the last answers of this window

export function set(progress) {
  ({needed, given} = progress);
}

export function timed(seconds) {
  paces.push(seconds);
  if (paces.length > KEPT) paces.shift();
}

export function draw(waiting, sending) {
  $('bar').max = Math.max(needed, 1);
  $('bar').value = given;
  $('count').textContent = text('count', {given: figure(given), needed: figure(needed)});
  $('count').title = text('answered');
  $('left').textContent = timeLeft(needed - given);
  $('waiting').hidden = !waiting || (sending && waiting < 3);
  $('waiting').textContent = text('waiting', {count: waiting});
}

export function ofImage({given: answered, points}) {
  const words = points ? text('inImage', {given: figure(answered), points: figure(points)}) : '';
  if ($('in-image').textContent !== words) $('in-image').textContent = words;
}

function timeLeft(open) {
  if (paces.length < ENOUGH || open <= 0) return '';
  const middle = [...paces].sort((a, b) => a - b)[Math.floor(paces.length / 2)];
  return text('left', {time: duration(open * middle), seconds: decimal(middle)});
}
