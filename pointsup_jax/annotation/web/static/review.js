// The sheet that chooses which answers of others one looks at.
import {call} from './server.js';
import {session} from './session.js';
import {$, figure, notice, text} from './strings.js';

const MOST = 50; // points at a time

let asked = 0; // a later request makes an earlier one's reply void

export async function open() {
  const told = await call('/api/agreement');
  if (told.code !== 200) return notice(text('noReview', {error: told.error}));
  const names = told.people.map((one) => one.annotator);
  $('review-whose').replaceChildren(
    new Option(text('everybody'), ''),
    ...names.filter((name) => name !== session.annotator).map((name) => new Option(name)),
  );
  $('review-sheet').showModal();
  count();
}

const ask = (want) => call('/api/review', {
  whose: $('review-whose').value, share: Number($('review-share').value), want,
});

async function count() {
  const number = asked += 1;
  const reply = await ask(0);
  if (number !== asked) return;
  $('review-start').disabled = !reply.found;
  $('review-found').textContent = reply.code === 200
    ? text('toReview', {count: reply.found, figure: figure(reply.found)})
    : text('noReview', {error: reply.error});
}

// `begin` is called with the points to look at.
export function listen(begin) {
  for (const id of ['review-whose', 'review-share']) $(id).addEventListener('change', count);
  $('review-start').addEventListener('click', async () => {
    const reply = await ask(MOST);
    $('review-sheet').close();
    if (reply.code !== 200) return notice(text('noReview', {error: reply.error}));
    if (reply.points.length) begin(reply.points);
  });
}
