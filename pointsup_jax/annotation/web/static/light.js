// The light of the picture: automatic levels, gamma, contrast.
import {RANGES, save, settings, STANDARD} from './settings.js';
import {$, decimal, text} from './strings.js';

const STEPS = [1, 1.5, 2.2, 3.2]; // of the key for brighter

let changed = () => {};

export function show() {
  $('auto').checked = settings.auto;
  for (const name of ['gamma', 'contrast']) {
    const [low, high] = RANGES[name];
    // So that equal steps look equal.
    Object.assign($(name), {min: Math.log2(low), max: Math.log2(high), step: 0.05});
    $(name).value = Math.log2(settings[name]);
    $(`${name}-said`).textContent = decimal(settings[name]);
  }
}

function set(values) {
  Object.assign(settings, values);
  save();
  show();
  changed();
}

// Returns words for what it is now.
export function brighter() {
  const gamma = STEPS.find((step) => step > settings.gamma + 0.01) ?? STEPS[0];
  set({gamma});
  return `${text('gamma')} ${decimal(gamma)}`;
}

function toggle() {
  $('light-sheet').hidden = !$('light-sheet').hidden;
  $('light').setAttribute('aria-expanded', String(!$('light-sheet').hidden));
}

// `told` is called when the light has changed.
export function listen(told) {
  changed = told;
  $('auto').addEventListener('change', () => set({auto: $('auto').checked}));
  for (const name of ['gamma', 'contrast']) {
    $(name).addEventListener('input', () => set({[name]: 2 ** $(name).value}));
  }
  $('light').addEventListener('click', (event) => {
    if (event.detail) $('light').blur();
    toggle();
  });
  $('light-sheet').addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    toggle();
    $('light').focus();
  });
  $('standard').addEventListener('click', () => {
    const {auto, gamma, contrast} = STANDARD;
    set({auto, gamma, contrast});
  });
}
