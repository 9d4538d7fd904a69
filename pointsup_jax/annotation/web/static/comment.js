// The sheet in which somebody remarks something about the point asked.
import * as beside from './beside.js';
import {$} from './strings.js';

let point = null;
let save = () => {};

// `saving` is called with the point and the text; '' takes a comment back.
export async function open(asked, saving) {
  if (!asked) return;
  await beside.load(asked.image); // else an earlier comment would not be seen
  if ($('comment-sheet').open) return;
  point = asked;
  save = saving;
  $('comment-text').value = beside.commentOf(point);
  $('comment-sheet').showModal();
  $('comment-text').select();
}

function done() {
  const words = $('comment-text').value.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  if (words !== beside.commentOf(point)) save(point, words);
}

export function listen() {
  $('comment-cancel').addEventListener('click', () => $('comment-sheet').close());
  $('comment-form').addEventListener('submit', done);
  $('comment-text').addEventListener('keydown', (event) => {
    // One line: Enter saves, unless it chooses a word of an input method.
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault();
    $('comment-form').requestSubmit();
  });
}
