// The page: who sees what when, and what the buttons do. What the panels show of a document is in panels.js.

import { byId, choice, say, show } from './dom.js';
import { Link, logIn, logOut, reload, scale } from './link.js';
import { Board } from './panels.js';
import { clock, plain } from './units.js';

const board = new Board();
let pending = null; // a reload that was asked for: the generation that served, and when
let known = null; // the last document

const link = new Link({
  session(about) {
    show(byId('login'), false);
    for (const id of ['reload', 'scale']) show(byId(id), !about.read_only);
    show(byId('leave'), true);
  },
  document(d) {
    pill('live', 'live');
    show(byId('notice'), false);
    show(byId('board'), true);
    byId('board').classList.remove('stale');
    head(d);
    board.show(d);
    told(d);
    known = d;
  },
  stranger() {
    pill('wait', 'not logged in');
    for (const id of ['board', 'notice', 'reload', 'scale', 'leave', 'state']) show(byId(id), false);
    show(byId('login'), true);
    byId('token').focus();
  },
  gone(why, since) {
    pill('gone', 'no connection');
    show(byId('state'), false);
    say(byId('notice'), `${why} Trying again.${known ? ` What you see is from ${clock(since / 1000)}.` : ''}`);
    show(byId('notice'), true);
    byId('board').classList.add('stale');
  },
});

function pill(state, text) {
  byId('link').dataset.state = state;
  say(byId('link'), text);
}

function head(d) {
  const name = plain(d.app);
  document.title = `${name} – gounicorn`;
  say(byId('app'), name);
  say(byId('build'), `gounicorn ${d.version} · Python ${d.python} · generation ${d.generation}`);
  say(byId('state'), d.state);
  byId('state').dataset.state = d.state;
  show(byId('state'), true);
  say(byId('wanted'), d.workers_wanted === 1 ? '1 worker' : `${d.workers_wanted} workers`);
  byId('fewer').disabled = d.workers_wanted <= 1;
}

/** Says what became of a reload. */
function told(d) {
  if (!pending) return;
  const failed = d.events.findLast((e) => e.kind === 'error' && e.time * 1000 > pending.asked);
  if (d.generation !== pending.generation) toast(`Generation ${d.generation} serves.`);
  else if (failed) toast(`Since the reload: ${plain(failed.text.split('\n')[0])}`);
  else return;
  pending = null;
}

let fading = 0;
function toast(text) {
  say(byId('toast'), text);
  byId('toast').classList.add('shown');
  clearTimeout(fading);
  fading = setTimeout(() => byId('toast').classList.remove('shown'), 6000);
}

/** A button that asks the server for something, and does not twice at once. */
function button(id, press) {
  byId(id).addEventListener('click', async () => {
    byId(id).disabled = true;
    try {
      await press();
    } catch (e) {
      toast(e.message);
      if (e.status === 401) link.open();
    }
    byId(id).disabled = false;
  });
}

button('reload', async () => {
  pending = { generation: known?.generation, asked: Date.parse(known?.time) };
  toast('The reload begins.');
  await reload();
});
for (const [id, by] of [['more', 1], ['fewer', -1]]) {
  button(id, async () => {
    const { before, after } = await scale(by);
    toast(before === after ? 'One worker stays in any case.' : `From ${before} to ${after} workers.`);
  });
}
button('leave', async () => {
  await logOut();
  link.open();
});

const themes = { auto: 'Theme: system', light: 'Theme: light', dark: 'Theme: dark' };
function paint(theme) {
  if (theme === 'auto') {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem('theme');
  } else {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem('theme', theme);
  }
  say(byId('theme'), themes[theme]);
}
paint(document.documentElement.dataset.theme ?? 'auto');
byId('theme').addEventListener('click', () => {
  const order = Object.keys(themes);
  paint(order[(order.indexOf(document.documentElement.dataset.theme ?? 'auto') + 1) % order.length]);
});

choice(byId('span'), (b) => board.zoom(Number(b.dataset.span)));
choice(byId('filter'), (b) => board.filter(b.dataset.kinds.split(' ').filter(Boolean)));

async function enter(token) {
  say(byId('wrong'), '');
  try {
    await logIn(token);
    byId('token').value = '';
    link.open();
  } catch (e) {
    link.calls.stranger();
    say(byId('wrong'), e.message);
  }
}
byId('login').addEventListener('submit', (e) => {
  e.preventDefault();
  enter(byId('token').value);
});

// The token of an URL is exchanged for a session, and nobody finds it in the history of the browser.
function arrive() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!given) return false;
  history.replaceState(null, '', location.pathname);
  enter(given);
  return true;
}
addEventListener('hashchange', arrive);
if (!arrive()) link.open();
