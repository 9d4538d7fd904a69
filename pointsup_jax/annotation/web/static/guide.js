// What each class means, as classes.json says it.
import {session} from './session.js';
import {$, text} from './strings.js';

export function open() {
  const told = session.classes.some(({guide}) => guide);
  $('guide-about').textContent = text(told ? 'guideText' : 'noGuide');
  $('guide').replaceChildren(...session.classes.flatMap(({name, color, guide}) => {
    const term = document.createElement('dt');
    const swatch = document.createElement('span');
    swatch.className = 'swatch';
    swatch.style.backgroundColor = `rgb(${color.join(' ')})`;
    term.append(swatch, name);
    const told = document.createElement('dd');
    told.textContent = guide;
    return [term, told];
  }));
  $('guide-sheet').showModal();
}
