// The sheet in which one chooses the image that is asked next.
import {call} from './server.js';
import {$, figure, text} from './strings.js';

const MOST = 40; // images shown

let go = () => {};
let asked = 0; // a later request makes an earlier one's reply void
let shown = null; // what the list was looked for with
let chooses = false; // whether the first is taken as soon as it is known

// `going` is called with the name of an image.
export function open(going) {
  go = going;
  $('jump-sheet').showModal();
  $('jump-sheet').scrollTop = 0;
  $('jump-find').select();
  show();
}

const wanted = () => $('jump-find').value.trim();

async function show() {
  const number = asked += 1;
  const find = wanted();
  shown = null;
  chooses = false;
  const reply = await call('/api/images', {find, want: MOST});
  if (number !== asked) return;
  if (reply.code !== 200) {
    $('jump-found').textContent = text('noImages', {error: reply.error});
    return;
  }
  shown = find;
  $('jump-found').textContent = reply.found > reply.images.length
    ? text('imagesOf', {shown: figure(reply.images.length), found: figure(reply.found)})
    : text('imagesFound', {count: reply.found, figure: figure(reply.found)});
  $('jump-list').replaceChildren(...reply.images.map(itemOf));
  if (chooses) chooseFirst();
}

function itemOf({image, number, open: left}) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  const parts = [
    ['number', figure(number)], ['name', image],
    ['open', left ? text('openPoints', {count: left, figure: figure(left)}) : text('noneOpen')],
  ].map(([kind, words]) => {
    const part = document.createElement('span');
    part.className = kind;
    part.textContent = words;
    return part;
  });
  button.type = 'button';
  button.disabled = !left;
  button.append(...parts);
  button.addEventListener('click', () => {
    $('jump-sheet').close();
    go(image);
  });
  item.append(button);
  return item;
}

function chooseFirst() {
  $('jump-list').querySelector('li:first-child button')?.click();
}

function keyDown(event) {
  if (event.isComposing) return;
  if (event.key === 'Enter' && event.target === $('jump-find')) {
    event.preventDefault();
    // The list may still be that of what was typed before.
    if (shown === wanted()) chooseFirst();
    else chooses = true;
  }
  const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
  if (!step) return;
  event.preventDefault();
  const all = [$('jump-find'), ...$('jump-list').querySelectorAll('button:enabled')];
  const at = all.indexOf(document.activeElement);
  all[Math.min(Math.max(at + step, 0), all.length - 1)].focus();
}

export function listen() {
  $('jump-find').addEventListener('input', show);
  $('jump-sheet').addEventListener('keydown', keyDown);
}
