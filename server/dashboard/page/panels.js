// What the page shows of a document.

import { Chart } from './charts.js';
import { byId, keyed, make, say, show } from './dom.js';
import { Table } from './tables.js';
import { age, bytes, clock, count, duration, none, number, percent, plain, rough } from './units.js';

const slowRequest = 1; // seconds after which a request that runs is marked

/** Colours by lane: those of gounicorn have their own, others get what is left in their order. */
const laneColours = { fast: 'c0', new: 'c1', slow: 'c2' };
const laneColour = (name, i) => laneColours[name] ?? `c${3 + (i % 4)}`;

const sum = (values) => values.reduce((a, b) => a + b, 0);
const highest = (items, by) => items.reduce((a, b) => (by(b) > by(a) ? b : a), items[0]);
const tick = (s) => (s < 60 ? duration(s) : `${number(s)} s`);
const time = (s) => (s > 0 ? duration(s) : none);
const memoryOf = (p) => p?.pss_bytes || p?.rss_bytes || 0;

/** Text from outside, such as a path. */
const code = (text) => make('code', {}, plain(text));

export class Board {
  constructor() {
    this.span = 300;
    this.kinds = [];
    this.cpu = new Map(); // of each process: seconds used and when
    const charts = byId('charts');
    const nothing = 'No requests in these minutes.';
    this.charts = {
      requests: new Chart(charts, { title: 'Requests per second', unit: number, stack: true, empty: nothing }),
      latency: new Chart(charts, { title: 'Time of requests by lane, p99 and p50', unit: duration, tick, log: true, empty: nothing }),
      queue: new Chart(charts, { title: 'Waiting for a worker by lane, p99', unit: duration, tick, log: true, empty: nothing }),
      load: new Chart(charts, { title: 'Requests that run and wait', unit: number, whole: true, least: 4, steps: true }),
      workers: new Chart(charts, { title: 'Workers, and their restarts', unit: number, whole: true, least: 4, steps: true }),
      memory: new Chart(charts, { title: 'Memory of master and workers', unit: bytes, base: 1024, least: 1 << 20 }),
    };
    this.workers = new Table(byId('workers'), [
      { title: 'PID', text: (w) => String(w.pid), by: (w) => w.pid },
      { title: 'State', text: (w) => w.state + (w.overflow ? ', overflow' : ''), by: (w) => w.state },
      { title: 'Runs now', node: running, hint: 'The requests that it runs, and since when' },
      { title: 'CPU', kind: 'n', text: (w) => (w.cpu === null ? none : percent(w.cpu)), by: (w) => w.cpu ?? 0, minor: true, hint: 'Of one processor, in the last second' },
      { title: 'Memory', kind: 'n', text: (w) => (w.memory ? bytes(w.memory) : none), by: (w) => w.memory, hint: 'PSS: shared pages count in part' },
      { title: 'Age', kind: 'n', text: (w) => age(Math.floor(w.age_seconds)), by: (w) => w.age_seconds, minor: true },
      { title: 'Threads', kind: 'n', text: (w) => String(w.threads), by: (w) => w.threads, minor: true },
      { title: 'Files', kind: 'n', text: (w) => (w.files ? String(w.files) : none), by: (w) => w.files, minor: true, hint: 'Open descriptors' },
    ], { key: (w) => w.pid, empty: 'There are no workers.', most: 100 });
    this.lanes = new Table(byId('lanes'), [
      { title: 'Lane', node: (l, cell) => swatch(cell, l) },
      { title: 'Running', kind: 'n', text: (l) => count(l.running) },
      { title: 'Waiting', kind: 'n', text: (l) => count(l.waiting) },
      { title: 'Oldest', kind: 'n', text: (l) => (l.waiting ? age(l.oldest_seconds) : none), minor: true, hint: 'Of those that wait' },
      { title: 'Requests', kind: 'n', text: (l) => count(l.minute?.requests ?? 0), minor: true, hint: 'Of the last minute' },
      { title: 'p50', kind: 'n', text: (l) => time(l.minute?.total.p50), minor: true, hint: 'From the end of the head of a request to the end of its answer' },
      { title: 'p90', kind: 'n', text: (l) => time(l.minute?.total.p90), minor: true },
      { title: 'p99', kind: 'n', text: (l) => time(l.minute?.total.p99) },
      { title: 'Longest', kind: 'n', text: (l) => time(l.minute?.total.max), minor: true },
      { title: 'Wait p99', kind: 'n', text: (l) => time(l.minute?.queue.p99), hint: 'For a worker' },
      { title: 'Refused', kind: 'n', text: (l) => count(l.refused + l.expired), minor: true, hint: 'Since the start: there was no room, or it waited too long' },
    ], { key: (l) => l.name, empty: 'There are no lanes.' });
    this.routes = new Table(byId('routes'), [
      { title: 'Route', kind: 'code', node: (r, cell) => routeName(cell, r), by: (r) => r.key },
      { title: 'Lane', text: (r) => r.lane, by: (r) => r.lane, minor: true },
      { title: 'Requests', kind: 'n', text: (r) => count(r.requests), by: (r) => r.requests, hint: 'Since the start, older ones count less' },
      { title: 'p50', kind: 'n', text: (r) => time(r.own_p50), by: (r) => r.own_p50, minor: true, hint: 'Time in a worker' },
      { title: 'p90', kind: 'n', text: (r) => time(r.own_p90), by: (r) => r.own_p90, minor: true },
      { title: 'p99', kind: 'n', text: (r) => time(r.own_p99), by: (r) => r.own_p99 },
      { title: 'CPU', kind: 'n', text: (r) => time(r.cpu_mean), by: (r) => r.cpu_mean, minor: true, hint: 'Mean' },
      { title: 'Estimate', kind: 'n', text: (r) => time(r.estimate), by: (r) => r.estimate, hint: 'For the next request' },
    ], { key: (r) => `${r.key} ${r.lane}`, empty: 'No route is known yet.', most: 15, first: 'p99' });
    this.companions = new Table(byId('companions'), [
      { title: 'Name', text: (c) => c.name, by: (c) => c.name },
      { title: 'State', node: (c, cell) => badge(cell, c.state, c.healthy ? 'good' : 'bad'), by: (c) => c.state },
      { title: 'PID', kind: 'n', text: (c) => (c.pid ? String(c.pid) : none), minor: true },
      { title: 'Up', kind: 'n', text: (c) => (c.uptime ? age(Math.floor(c.uptime)) : none), by: (c) => c.uptime },
      { title: 'Restarts', kind: 'n', text: (c) => String(c.restarts), by: (c) => c.restarts },
      { title: 'Last exit', text: (c) => c.last_exit || none, minor: true },
      { title: 'Note', text: (c) => plain([c.note, c.next && `next run ${c.next}`].filter(Boolean).join('; ')) || none },
    ], { key: (c) => c.name, empty: 'None: this server runs web workers only.' });
  }

  show(d) {
    this.document = d;
    this.tiles(d);
    this.draw();
    this.tables(d);
    this.events();
    this.restarts(d);
    this.facts(d);
  }

  zoom(span) {
    this.span = span;
    if (this.document) this.draw();
  }

  filter(kinds) {
    this.kinds = kinds;
    if (this.document) this.events();
  }

  tiles(d) {
    const s = d.series;
    const seconds = Math.min(10, s.requests.length) || 1;
    const lately = (values) => sum(values.slice(-seconds)) / seconds;
    const minute = (values) => sum(values.slice(-60));
    const requests = minute(s.requests);
    const failed = minute(s.server_errors);
    const most = highest(d.last_minute, (l) => l.requests);
    const wait = highest(d.last_minute, (l) => l.queue.p99);
    const running = sum(d.lanes.map((l) => l.running));
    const waiting = sum(d.lanes.map((l) => l.waiting));
    const alive = d.workers.filter((w) => w.state === 'ready' && !w.overflow).length;
    const others = new Map();
    for (const w of d.workers) {
      if (w.state === 'ready' && !w.overflow) continue;
      const kind = w.state === 'ready' ? 'overflow' : w.state;
      others.set(kind, (others.get(kind) ?? 0) + 1);
    }
    const memory = memoryOf(d.master) + sum(Object.values(d.processes).map(memoryOf));
    const tiles = [
      ['Requests', `${number(lately(s.requests))} /s`, `${count(requests)} in 60 s`],
      ['Server errors', requests ? percent(failed / requests) : none, `${count(failed)} in 60 s`, failed > 0 && 'bad'],
      ['p99', most?.requests ? duration(most.total.p99) : none, most?.requests ? `lane ${most.name}, p50 ${duration(most.total.p50)}` : 'no requests'],
      ['Wait p99', wait?.requests ? duration(wait.queue.p99) : none, wait?.requests ? `lane ${wait.name}` : 'no requests'],
      ['Running', count(running), waiting ? `${count(waiting)} waiting` : 'nobody waits', waiting > d.workers.length && 'warn'],
      ['Workers', `${alive} of ${d.workers_wanted}`, [...others].map(([kind, n]) => `${n} ${kind}`).join(', ') || 'no others', alive < d.workers_wanted && 'warn'],
      ['Memory', bytes(memory), `${bytes(d.host.memory_left_bytes)} left`],
      ['Up', rough(d.uptime_seconds), `${d.reloads} ${d.reloads === 1 ? 'reload' : 'reloads'}`],
    ];
    keyed(byId('tiles'), tiles, (t) => t[0], ([name]) => {
      const value = make('dd');
      const note = make('dd', { className: 'muted' });
      const tile = make('div', { className: 'panel' }, make('dt', {}, name), value, note);
      tile.update = ([, is, more, mood]) => {
        say(value, is);
        say(note, more);
        tile.dataset.mood = mood || '';
      };
      return tile;
    });
  }

  draw() {
    const d = this.document;
    const s = d.series;
    const draw = (name, lines, marks = []) => this.charts[name].show({ lines, marks }, this.span);
    draw('requests', [
      { name: 'fine', colour: 'good', values: s.requests.map((n, i) => n - s.client_errors[i] - s.server_errors[i]) },
      { name: '4xx', colour: 'warn', values: s.client_errors },
      { name: '5xx', colour: 'bad', values: s.server_errors },
    ]);
    const some = (l, values) => values.map((v, i) => (l.requests[i] ? v : null));
    const lanes = s.lanes.map((l, i) => ({ ...l, colour: laneColour(l.name, i) }));
    draw('latency', lanes.flatMap((l) => [
      { name: l.name, colour: l.colour, values: some(l, l.p99) },
      { name: l.name, colour: l.colour, values: some(l, l.p50), thin: true },
    ]));
    draw('queue', lanes.map((l) => ({ name: l.name, colour: l.colour, values: some(l, l.queue_p99) })));
    draw('load', [{ name: 'run', colour: 'c0', values: s.running }, { name: 'wait', colour: 'warn', values: s.waiting }]);
    const marks = d.events.filter((e) => e.kind === 'restart' || e.kind === 'reload').map((e) => ({
      back: Math.max(0, Math.round(s.end - e.time)), text: e.kind === 'reload' ? plain(e.text) : `restart, ${plain(e.cause)}`,
    }));
    draw('workers', [{ name: 'workers', colour: 'c1', values: s.workers }], marks);
    draw('memory', [{ name: 'PSS', colour: 'c2', values: s.memory.map((n) => n || null) }]);
  }

  tables(d) {
    const now = Date.parse(d.time) / 1000;
    const used = new Map();
    this.workers.show(d.workers.map((w) => {
      const p = d.processes[w.pid];
      const before = this.cpu.get(w.pid);
      let cpu = null;
      if (p) {
        // The figures of a process are renewed once a second, so two documents may have the same ones.
        const same = before && before.seconds === p.cpu_seconds && now - before.at < 1.5;
        cpu = before ? (same ? before.share : Math.max(0, p.cpu_seconds - before.seconds) / Math.max(0.5, now - before.at)) : null;
        used.set(w.pid, same ? before : { seconds: p.cpu_seconds, at: now, share: cpu });
      }
      return { ...w, cpu, memory: memoryOf(p), files: p?.descriptors ?? 0 };
    }));
    this.cpu = used;
    const minute = new Map(d.last_minute.map((l) => [l.name, l]));
    this.lanes.show(d.lanes.map((l, i) => ({ ...l, minute: minute.get(l.name), colour: laneColour(l.name, i) })));
    this.routes.show(d.routes);
    this.companions.show(d.companions);
  }

  events() {
    const d = this.document;
    const first = d.events_dropped;
    const listed = d.events.map((e, i) => ({ ...e, number: first + i })).filter((e) => !this.kinds.length || this.kinds.includes(e.kind)).reverse();
    keyed(byId('events'), listed, (e) => e.number, eventOf);
    show(byId('uneventful'), listed.length === 0);
    show(byId('forgotten'), first > 0);
    say(byId('forgotten'), `${count(first)} older ones are forgotten; the log has them.`);
  }

  restarts(d) {
    const causes = new Map();
    for (const e of d.events) {
      if (e.kind !== 'restart') continue;
      const c = causes.get(e.cause) ?? { cause: e.cause, n: 0, last: 0 };
      causes.set(e.cause, { ...c, n: c.n + 1, last: e.time });
    }
    const list = [...causes.values()].sort((a, b) => b.n - a.n);
    const most = list[0]?.n;
    keyed(byId('restarts'), list, (c) => c.cause, (c) => {
      const bar = make('i');
      const text = make('span');
      const item = make('li', {}, code(c.cause), make('div', {}, bar), text);
      item.update = ({ n, last }) => {
        bar.style.inlineSize = percent(n / most);
        say(text, `${n}, last at ${clock(last)}`);
      };
      return item;
    });
    show(byId('unbroken'), list.length === 0);
  }

  facts(d) {
    const busy = d.slots.computing_busy;
    const facts = [
      ['Listens at', plain(d.listeners.join(', '))],
      ['Master', `pid ${d.pid}, ${bytes(memoryOf(d.master))}, ${d.master.descriptors} open files`],
      ['CPU of the master', duration(d.master.cpu_seconds)],
      ['Slots', `${busy} of ${d.slots.computing} busy, ${d.slots.spare_busy} of ${d.slots.spare} spare`],
      ['Processors', `${number(d.host.cpus)}, load ${number(d.host.load)}`],
      ['Memory of the host', `${bytes(d.host.memory_left_bytes)} left of ${bytes(d.host.memory_bytes)}`],
      ['Slow at first sight', `${percent(d.prior)} of new routes`],
    ];
    keyed(byId('host'), facts, (f) => f[0], ([name]) => {
      const value = make('dd');
      const fact = make('div', {}, make('dt', {}, name), value);
      fact.update = ([, text]) => say(value, text);
      return fact;
    });
  }
}

/** The requests of a worker, in its cell. */
function running(w, cell) {
  const most = 3;
  const rows = w.requests.slice(0, most).map((r) => ({ ...r, id: r.request }));
  if (w.requests.length > most) rows.push({ id: '…', more: w.requests.length - most });
  if (rows.length === 0) rows.push({ id: none, idle: true });
  keyed(cell, rows, (r) => r.id, (r) => {
    const since = make('b');
    const line = make('div', { className: r.idle || r.more ? 'muted' : 'request' });
    if (r.idle) line.append('idle');
    else if (!r.more) line.append(since, code(r.request), make('small', {}, r.lane));
    line.update = (is) => {
      if (is.more) say(line, `and ${is.more} more`);
      if (is.idle || is.more) return;
      say(since, age(is.seconds));
      line.classList.toggle('long', is.seconds >= slowRequest);
    };
    return line;
  });
}

function swatch(cell, l) {
  if (!cell.firstChild) cell.append(make('i', { className: `swatch ${l.colour}` }), plain(l.name));
}

function routeName(cell, r) {
  if (!cell.firstChild) cell.append(code(r.key), make('small'));
  say(cell.lastChild, [r.class, r.waits && 'waits', r.aliases > 1 && `${r.aliases} keys`].filter(Boolean).join(', '));
}

function badge(cell, text, mood) {
  if (!cell.firstChild) cell.append(make('span', { className: 'badge' }));
  say(cell.firstChild, text);
  cell.firstChild.dataset.mood = mood;
}

const moods = { error: 'bad', warning: 'warn', reload: 'good' };

/** An event never changes. What has several lines can be unfolded. */
function eventOf(e) {
  const [title, ...rest] = plain(e.text).split('\n');
  const kind = make('span', { className: 'badge' }, e.cause ? `${e.kind}: ${plain(e.cause)}` : e.kind);
  kind.dataset.mood = moods[e.kind] ?? '';
  const when = make('time', { dateTime: new Date(e.time * 1000).toISOString() }, clock(e.time));
  const words = [when, kind, make('span', { className: 'text' }, title)];
  if (e.pid) words.push(make('small', {}, `pid ${e.pid}`));
  const item = make('li');
  if (rest.length) item.append(make('details', {}, make('summary', {}, ...words), make('pre', {}, rest.join('\n'))));
  else item.append(...words);
  item.update = () => {};
  return item;
}
