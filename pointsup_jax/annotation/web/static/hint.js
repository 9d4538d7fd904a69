// What is to be known about the point asked, over the image.
import * as beside from './beside.js';
import * as classes from './classes.js';
import {keyName, keysOf} from './keys.js';
import {session} from './session.js';
import {$, say, text, wordOf} from './strings.js';

const FLASH_MS = 900;
let flashing = 0; // timer

// The label in sight that can be agreed with: the model's guess or, in a review,
// what all others say; null: unsure, undefined: there is none.
export function inSight({now, task, guessShown}) {
  if (task === 'review' && now?.said) {
    const [label, ...others] = new Set(Object.values(now.said));
    return others.length ? undefined : label;
  }
  return now && guessShown && !task ? now.guess : undefined;
}

// `earlier` is what was said before: answer, label and whether it is withdrawn.
export function draw(asked) {
  const {now, earlier, task, guessShown} = asked;
  const word = earlier ? wordOf(earlier.answer, earlier.label) : '';
  const lines = [];
  if (task && now.said) {
    const said = Object.entries(now.said).map(
      ([who, label]) => text('says', {who, word: wordOf(label === null ? 'unsure' : 'label', label)}),
    );
    lines.push(text(`task.${task}`, {said: said.join(', '), key: keyOf(task === 'review' ? 'agree' : 'leave')}));
  }
  if (earlier) lines.push(text(earlier.withdrawn ? 'takenBack' : 'said', {word}));
  const own = beside.commentOf(now);
  if (own) lines.push(text('yourComment', {comment: own}));
  for (const [who, comment] of Object.entries(now.comments ?? {})) {
    if (who !== session.annotator) lines.push(text('commentOf', {who, comment}));
  }
  if (guessShown && task !== 'review') {
    const guess = session.classes[now.guess]?.name ?? text('nothing');
    lines.push(text('guessed', {word: guess, key: keyOf('agree')}));
  }
  $('hint').textContent = lines.join(' ');
  const label = inSight(asked);
  $('agree').hidden = label === undefined;
  $('leave').hidden = !earlier && !task;
  $('withdraw').hidden = !earlier || earlier.withdrawn;
  if (earlier) $('leave').textContent = earlier.withdrawn ? text('putBack', {word}) : text('keep');
  else if (task) $('leave').textContent = text('endTask');
  $('note').hidden = !lines.length;
  const before = earlier?.answer === 'label' ? earlier.label : null;
  classes.mark(before, label ?? null);
}

const keyOf = (command) => keyName(keysOf('command', command)[0] ?? '');

// Words that are over the image for a moment.
export function flash(words) {
  $('stage').classList.remove('shaken');
  say(words);
  $('flash').textContent = words;
  clearTimeout(flashing);
  flashing = setTimeout(() => {
    $('stage').classList.remove('shaken');
    $('flash').textContent = '';
  }, FLASH_MS);
}

// A key that means nothing is seen and heard.
export function feelWrong(key) {
  flash(text('noMeaning', {key: keyName(key)}));
  void $('stage').offsetWidth; // begins anew
  $('stage').classList.add('shaken');
}
