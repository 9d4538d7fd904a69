// The menu: what is opened now and then, and the choices for this browser.
import {$} from './strings.js';

// `sheets` opens each sheet by its name.
export function listen(sheets) {
  $('menu').addEventListener('click', (event) => {
    if (event.detail) $('menu').blur(); // by mouse or finger: keys answer again
    $('menu-sheet').showModal();
  });
  for (const button of document.querySelectorAll('[data-sheet]')) {
    button.addEventListener('click', () => {
      $('menu-sheet').close();
      sheets[button.dataset.sheet]();
    });
  }
}
