// Plan, and the figures of annotators.
import {call} from './server.js';
import {$, decimal, duration, figure, notice, percent, text} from './strings.js';

function row(texts) {
  const row = document.createElement('tr');
  for (const words of texts) {
    const cell = document.createElement('td');
    cell.textContent = words;
    row.append(cell);
  }
  return row;
}

export async function openPlan() {
  const plan = await call('/api/plan');
  if (plan.code !== 200) return notice(text('noPlan', {error: plan.error}));
  const work = text('planWork', {
    given: figure(plan.given), needed: figure(plan.needed), left: figure(plan.needed - plan.given),
  });
  const twice = plan.needed > plan.points ? text('planTwice', {points: figure(plan.points)}) : '';
  $('plan-work').textContent = `${work} ${twice}`.trim();
  $('plan-pace').textContent = paceOf(plan);
  const rows = plan.rows.map((one, i) => {
    const cells = row([
      `${i === plan.now ? `${text('now')}  ` : ''}${percent(one.percent / 100)}`, figure(one.points),
      figure(one.images), figure(one.patches), percent(one.worth),
      one.left ? duration(one.hours * 3600) : text('done'),
    ]);
    if (i === plan.now) cells.setAttribute('aria-current', 'step');
    return cells;
  });
  $('budgets').replaceChildren(...rows);
  $('plan-sheet').showModal();
}

function paceOf({pace, needed, given, hours}) {
  const seconds = decimal(pace.seconds);
  const time = needed > given
    ? text('planTime', {time: duration(hours * 3600), seconds}) : text('planPace', {seconds});
  if (!pace.answers) return text('paceAssumed', {time});
  return text(pace.annotator ? 'paceYours' : 'paceAll', {time, count: figure(pace.answers)});
}

export async function openAgreement() {
  const reply = await call('/api/agreement');
  if (reply.code !== 200) return;
  const share = (part, all) => (all ? percent(part / all) : '');
  $('people').replaceChildren(...reply.people.map((one) => row([
    one.annotator, figure(one.answers),
    one.median === null ? '' : text('seconds', {seconds: decimal(one.median)}),
    share(one.unsure, one.answers), share(one.same, one.shared),
  ])));
  const rows = reply.pairs.map((pair) => row([
    pair.annotators.join(', '), pair.points,
    share(pair.same, pair.points),
    pair.kappa === null ? text('notDefined') : decimal(pair.kappa, 2),
  ]));
  $('pairs').replaceChildren(...rows);
  $('disputed').textContent = reply.pairs.length
    ? text('disputed', {count: reply.disputed}) : text('nobodyShares');
  $('settle').hidden = !reply.disputed;
  $('agreement-sheet').showModal();
}

// Resolves to the disputed points.
export async function disputes() {
  const reply = await call('/api/disputes', {want: 50});
  $('agreement-sheet').close();
  return reply.code === 200 ? reply.points : [];
}
