// The list of one's own answers: filtered, and each a way to its point.
import {call} from './server.js';
import {session} from './session.js';
import {$, figure, text, wordOf} from './strings.js';

const PART = 50; // answers asked for at a time
const KINDS = ['all', 'unsure', 'void', 'skip', 'commented'];

let look = () => {};
let last = null; // the seq of the last answer shown
let asked = 0; // a later request makes an earlier one's reply void

// Opens the list where it was left; `looking` is called with an entry.
export function open(looking) {
  look = looking;
  fillKinds();
  $('answers-sheet').showModal();
  show();
}

function fillKinds() {
  const [kinds, classes] = $('list-kind').children;
  if (classes.children.length) return;
  const option = (value, words) => new Option(words, value);
  kinds.replaceChildren(...KINDS.map((kind) => option(kind, text(`kind.${kind}`))));
  classes.replaceChildren(...session.classes.map(({name}, i) => option(`class ${i}`, name)));
  classes.label = text('classes');
}

function filter() {
  const [kind, label] = $('list-kind').value.split(' ');
  return {
    which: label === undefined ? kind : 'all',
    label: label === undefined ? null : Number(label),
    image: $('list-image').value.trim(),
  };
}

async function show(further = false) {
  const number = asked += 1;
  const before = further ? last : null;
  const reply = await call('/api/answers', {...filter(), before, want: PART});
  if (number !== asked) return;
  if (reply.code !== 200) {
    $('list-found').textContent = text('noList', {error: reply.error});
    return;
  }
  $('list-found').textContent = text('found', {count: reply.found, figure: figure(reply.found)});
  const items = reply.points.map(itemOf);
  if (further) $('list').append(...items);
  else $('list').replaceChildren(...items);
  last = reply.points.at(-1)?.seq ?? last;
  $('list-more').hidden = $('list').children.length >= reply.found;
  if (further) items[0]?.firstChild.focus();
}

function itemOf(entry) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  const swatch = document.createElement('span');
  const word = document.createElement('span');
  const place = document.createElement('span');
  button.type = 'button';
  swatch.className = 'swatch';
  const color = entry.answer === 'label' && session.classes[entry.label]?.color;
  if (color) swatch.style.backgroundColor = `rgb(${color.join(' ')})`;
  word.className = 'label';
  word.textContent = wordOf(entry.answer, entry.label);
  place.className = 'place';
  place.textContent = text('caption', entry);
  const remark = document.createElement('span');
  remark.className = 'remark';
  remark.textContent = entry.comment;
  button.append(swatch, word, place, remark);
  button.addEventListener('click', () => {
    $('answers-sheet').close();
    look(entry);
  });
  item.append(button);
  return item;
}

export function listen() {
  $('list-kind').addEventListener('change', () => show());
  $('list-image').addEventListener('input', () => show());
  $('list-more').addEventListener('click', () => show(true));
}
