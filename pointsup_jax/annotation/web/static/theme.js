// Light or dark: as the system has it, or as chosen in the menu.
import {choose, chosen} from './choices.js';

const THEMES = ['light', 'dark'];

const show = (theme) => { document.documentElement.dataset.theme = theme; };

show(chosen('theme', THEMES)); // before anything is drawn

export function listen() {
  const choice = document.getElementById('theme');
  choice.value = chosen('theme', THEMES);
  choice.addEventListener('change', () => {
    show(choice.value);
    choose('theme', choice.value);
  });
}
