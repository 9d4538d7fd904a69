// Images, and the light in which they are shown.
import {settings} from './settings.js';

const KEPT = 14; // those of the last answers, and what comes
const SMOOTH = 8; // below so many screen pixels a pixel
const PREVIEW = 480; // pixels across the small copy of an image
const MIDDLE = 0.42; // where auto puts an image's median, if it is darker

const images = new Map(); // number -> Image, the latest used last
const levels = new WeakMap(); // Image -> what `levelsOf` returns
const previews = new WeakMap(); // Image -> what `previewOf` returns
const scratch = document.createElement('canvas');
const pixels = scratch.getContext('2d', {willReadFrequently: true});

// The largest scale, in CSS pixels a pixel, at which no blocks are seen.
export const smoothest = () => (SMOOTH - 0.01) / (devicePixelRatio || 1);

export function picture(number) {
  let image = images.get(number);
  if (!image) {
    image = new Image();
    image.src = `/image/${number}`;
  }
  images.delete(number);
  images.set(number, image);
  for (const old of images.keys()) {
    if (images.size <= KEPT) break;
    images.delete(old);
  }
  return image;
}

export const forget = (number) => images.delete(number);
export const ready = (image) => image.complete && image.naturalWidth > 0;

// Loads and decodes images and finds their levels, so that they show at once.
export async function prefetch(numbers) {
  for (const number of numbers) {
    const image = picture(number);
    try {
      await image.decode();
      levelsOf(image);
    } catch {
      images.delete(number); // it is asked for again when it is shown
    }
  }
}

// A small copy, from which levels are taken and the map is drawn.
export function previewOf(image) {
  let small = previews.get(image);
  if (!small) {
    const scale = Math.min(1, PREVIEW / Math.max(image.naturalWidth, image.naturalHeight));
    small = document.createElement('canvas');
    small.width = Math.max(1, Math.round(image.naturalWidth * scale));
    small.height = Math.max(1, Math.round(image.naturalHeight * scale));
    const context = small.getContext('2d', {willReadFrequently: true});
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, 0, 0, small.width, small.height);
    previews.set(image, small);
  }
  return small;
}

// The darkest and brightest values that matter, and the gamma that lifts the
// median out of the dark: low, high (0 to 255) and gamma.
export function levelsOf(image) {
  if (levels.has(image)) return levels.get(image);
  const {width, height} = previewOf(image);
  const {data} = previewOf(image).getContext('2d').getImageData(0, 0, width, height);
  const counts = new Uint32Array(256);
  for (let i = 0; i < data.length; i += 4) {
    counts[(77 * data[i] + 150 * data[i + 1] + 29 * data[i + 2]) >> 8] += 1;
  }
  const at = (share) => {
    let sum = 0;
    return counts.findIndex((count) => (sum += count) >= share * width * height);
  };
  const low = at(0.005);
  const high = Math.max(at(0.995), low + 16);
  const median = Math.min(Math.max((at(0.5) - low) / (high - low), 0.02), 1);
  const gamma = Math.min(Math.max(Math.log(median) / Math.log(MIDDLE), 1), 3);
  const found = {low, high, gamma};
  levels.set(image, found);
  return found;
}

// What each value 0..255 becomes; null: itself.
export function toneOf(image) {
  const {auto, gamma, contrast} = settings;
  if (!auto && gamma === 1 && contrast === 1) return null;
  const own = auto ? levelsOf(image) : {low: 0, high: 255, gamma: 1};
  const table = new Uint8ClampedArray(256);
  for (let value = 0; value < 256; value += 1) {
    const level = Math.min(Math.max((value - own.low) / (own.high - own.low), 0), 1);
    const light = level ** (1 / (own.gamma * gamma));
    table[value] = 255 * (0.5 + (light - 0.5) * contrast);
  }
  return table;
}

// Fills a canvas' width x height with the picture whose pixel (x, y) lies at its
// upper left corner, at `scale` screen pixels a pixel, in the light of `tone`.
export function paint(context, source, tone, x, y, scale, width, height) {
  const [across, down] = [source.naturalWidth ?? source.width, source.naturalHeight ?? source.height];
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  const left = Math.max(Math.floor(x) - 1, 0);
  const top = Math.max(Math.floor(y) - 1, 0);
  const wide = Math.min(Math.ceil(x + width / scale) + 1, across) - left;
  const high = Math.min(Math.ceil(y + height / scale) + 1, down) - top;
  if (wide <= 0 || high <= 0) return;
  // Of what is shown alone, and never larger than it is shown.
  const w = Math.max(1, Math.round(wide * Math.min(scale, 1)));
  const h = Math.max(1, Math.round(high * Math.min(scale, 1)));
  if (scratch.width !== w) scratch.width = w;
  if (scratch.height !== h) scratch.height = h;
  pixels.imageSmoothingEnabled = w < wide;
  pixels.imageSmoothingQuality = 'high';
  pixels.drawImage(source, left, top, wide, high, 0, 0, w, h);
  if (tone) {
    const part = pixels.getImageData(0, 0, w, h);
    const {data} = part;
    for (let i = 0; i < data.length; i += 4) {
      data[i] = tone[data[i]];
      data[i + 1] = tone[data[i + 1]];
      data[i + 2] = tone[data[i + 2]];
    }
    pixels.putImageData(part, 0, 0);
  }
  context.imageSmoothingEnabled = scale < SMOOTH;
  context.imageSmoothingQuality = 'medium'; // enlarged; 'high' takes long
  context.drawImage(scratch, 0, 0, w, h, (left - x) * scale, (top - y) * scale, wide * scale, high * scale);
}
