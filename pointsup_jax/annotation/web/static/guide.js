// What each class means, as classes.json says it and answers show it.
import {call} from './server.js';
import {session} from './session.js';
import {$, text} from './strings.js';

export async function open() {
  const told = session.classes.some(({guide, examples}) => guide || examples);
  $('guide-about').textContent = text(told ? 'guideText' : 'noGuide');
  $('guide-answers').hidden = true;
  $('guide').replaceChildren(...session.classes.flatMap(entryOf));
  $('guide-sheet').showModal();
  $('guide-sheet').scrollTop = 0;
  const reply = await call('/api/examples');
  // Those of the file stand without them.
  if (reply.code === 200) showAnswers(reply.classes);
}

function entryOf({name, color, guide, examples}, label) {
  const term = document.createElement('dt');
  const swatch = document.createElement('span');
  swatch.className = 'swatch';
  swatch.style.backgroundColor = `rgb(${color.join(' ')})`;
  term.append(swatch, name);
  const told = document.createElement('dd');
  told.append(guide, listOf(Array.from({length: examples}, (_, i) => pictureOf(
    `/example/${label}/${i}`, text('exampleOf', {name}),
  ))), listOf([]));
  return [term, told];
}

function showAnswers(classes) {
  const entries = $('guide').querySelectorAll('dd');
  for (const [label, places] of Object.entries(classes)) {
    const {name} = session.classes[label];
    entries[label].lastChild.replaceChildren(...places.map(({image, row, col, agreed}) => {
      const item = pictureOf(
        `/crop/${image}/${row}/${col}`, text(agreed ? 'agreedOn' : 'answered1', {name}),
      );
      item.classList.add('crop');
      item.classList.toggle('agreed', agreed);
      return item;
    }));
    $('guide-answers').hidden = false;
  }
}

function listOf(items) {
  const list = document.createElement('ul');
  list.className = 'examples';
  list.append(...items);
  return list;
}

function pictureOf(address, words) {
  const item = document.createElement('li');
  const image = new Image();
  image.loading = 'lazy'; // before the address, else it is loaded at once
  image.alt = words;
  image.title = words;
  image.addEventListener('error', () => item.remove());
  image.src = address;
  item.append(image);
  return item;
}
