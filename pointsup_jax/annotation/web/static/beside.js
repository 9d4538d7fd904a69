// The other points of an image, and one's own answers to them.
import {call} from './server.js';

const KEPT = 20; // images
const points = new Map(); // image -> id -> {id, row, col, answer, label, comment}
const coming = new Map(); // image -> what `load` returns, until it is there

// Asks for an image's points, unless they are known; resolves to whether they
// were missing and have come.
export function load(image) {
  if (!coming.has(image)) {
    if (points.has(image)) return Promise.resolve(false);
    coming.set(image, ask(image).finally(() => coming.delete(image)));
  }
  return coming.get(image);
}

async function ask(image) {
  points.set(image, new Map());
  for (const old of points.keys()) {
    if (points.size <= KEPT) break;
    points.delete(old);
  }
  const reply = await call('/api/beside', {image});
  const known = points.get(image);
  if (reply.code !== 200 || !known) {
    points.delete(image); // without them one can answer as well
    return false;
  }
  for (const one of reply.points) {
    // What was said meanwhile is newer.
    known.set(one.id, {...one, ...known.get(one.id)});
  }
  return true;
}

// Notes one's own answer; null: taken back.
export const note = (point, answer, label) => know(point, {answer, label});

// Notes one's own comment; '': taken back.
export const remark = (point, comment) => know(point, {comment});

function know({id, image, row, col}, news) {
  const known = points.get(image);
  known?.set(id, {...known.get(id), id, row, col, ...news});
}

export const commentOf = ({id, image}) => points.get(image)?.get(id)?.comment ?? '';

export function of(point) {
  const all = points.get(point.image)?.values() ?? [];
  return [...all].filter((one) => one.id !== point.id);
}

// How many of an image's points are answered, and how many there are.
export function progress(point) {
  const all = [...(points.get(point.image)?.values() ?? [])];
  const given = all.filter(({answer}) => answer && answer !== 'skip').length;
  return {given, points: all.length};
}
