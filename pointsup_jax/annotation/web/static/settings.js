// How an annotator likes the page: kept in the browser under their name.
import {session} from './session.js';

export const STANDARD = {
  auto: true, // levels and gamma that suit each image
  gamma: 1, // above 1: brighter
  contrast: 1,
  across: 96, // training pixels that the view shows at least
};
export const RANGES = {gamma: [0.4, 4], contrast: [0.5, 3], across: [4, 1e5]};
export const settings = {...STANDARD, keys: {}};

const place = () => `points-page:${session.annotator}`;

export function load() {
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(place())) ?? {};
  } catch {
    // No storage, as in some private windows, or not ours.
  }
  Object.assign(settings, STANDARD, {keys: {}});
  if (typeof kept.auto === 'boolean') settings.auto = kept.auto;
  for (const [name, [low, high]] of Object.entries(RANGES)) {
    if (kept[name] >= low && kept[name] <= high) settings[name] = +kept[name];
  }
  for (const [name, key] of Object.entries(kept.keys ?? {})) {
    if (typeof key === 'string') settings.keys[name] = key;
  }
}

export function save() {
  try {
    localStorage.setItem(place(), JSON.stringify(settings));
  } catch {
    // They hold for this window.
  }
}
