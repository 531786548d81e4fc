// The connection to the server: the session, the stream of documents, and what the buttons ask for.

const marker = { 'X-Gounicorn-Dashboard': '1' };
const silence = 5000; // ms without a document after which the server counts as gone
const pauses = [1000, 2000, 4000, 8000]; // ms between two attempts
const kept = 300; // seconds of the series

/** What the server says, as a sentence. */
const sentence = (text) => text.replace(/^./, (c) => c.toUpperCase()).replace(/[^.!?]$/, '$&.');

/** Asks for something; the error that it throws has the server's sentence, and its status. */
async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? marker : { ...marker, 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw Object.assign(new Error('The server does not answer.'), { status: 0 });
  }
  if (answer.status === 204) return null;
  const said = await answer.json().catch(() => ({ error: `Something else than the dashboard answers here (${answer.status}).` }));
  if (!answer.ok) throw Object.assign(new Error(sentence(said.error)), { status: answer.status });
  return said;
}

export const logIn = (token) => ask('POST', 'session', { token });
export const logOut = () => ask('DELETE', 'session');
export const reload = () => ask('POST', 'reload');
export const scale = (by) => ask('POST', 'scale', { by });

/** Adds what a part of a document has to the document before it; null when something between them is missing. */
export function join(before, part) {
  const fresh = part.series.end - before.series.end;
  const total = (d) => d.events_dropped + d.events.length;
  const happened = total(part) - total(before);
  if (fresh < 0 || fresh > part.series.requests.length || happened < 0 || happened > part.events.length) return null;
  const lists = (old, now) => {
    const joined = { ...now };
    for (const [name, values] of Object.entries(now)) {
      if (Array.isArray(values) && name !== 'lanes') joined[name] = [...(old?.[name] ?? []), ...values.slice(values.length - fresh)].slice(-kept);
    }
    return joined;
  };
  const lane = (name) => before.series.lanes.find((l) => l.name === name);
  const series = lists(before.series, part.series);
  series.lanes = part.series.lanes.map((l) => lists(lane(l.name), l));
  const events = [...before.events, ...part.events.slice(part.events.length - happened)].slice(-200);
  return { ...part, series, events, events_dropped: total(part) - events.length };
}

/**
 * Watches the server as long as the page is to be seen. calls: document(d) for each, session(about) when there is one, stranger() when the
 * server wants a token, gone(why, since) while it does not answer.
 */
export class Link {
  constructor(calls) {
    this.calls = calls;
    this.source = null;
    this.document = null;
    this.heard = 0; // ms, of the last document
    this.tries = 0;
    this.timer = 0;
    setInterval(() => this.listen(), 1000);
    document.addEventListener('visibilitychange', () => (document.hidden ? this.close() : this.open()));
  }

  async open() {
    this.close();
    if (document.hidden) return;
    const mine = (this.turn = Symbol('turn'));
    try {
      const about = await ask('GET', 'session');
      if (mine !== this.turn) return;
      this.calls.session(about);
      this.begin();
    } catch (e) {
      if (mine !== this.turn) return;
      if (e.status === 401) this.calls.stranger();
      else this.fail(e.message);
    }
  }

  begin() {
    const source = (this.source = new EventSource('stream'));
    this.heard = Date.now();
    source.addEventListener('whole', (e) => this.take(JSON.parse(e.data)));
    source.addEventListener('part', (e) => this.take(this.document && join(this.document, JSON.parse(e.data))));
    source.addEventListener('error', () => {
      if (this.source !== source) return;
      source.close();
      this.refused();
    });
  }

  /** Finds out why the stream ended: it tells nobody. */
  async refused() {
    const mine = this.turn;
    let why = 'The server does not answer.';
    const stop = new AbortController();
    try {
      const answer = await fetch('stream', { signal: stop.signal });
      why = answer.ok ? 'The connection was cut.' : sentence((await answer.json()).error);
    } catch { /* it does not answer */ }
    stop.abort();
    if (mine === this.turn) this.fail(why);
  }

  take(d) {
    if (!d) {
      this.open();
      return;
    }
    this.document = d;
    this.heard = Date.now();
    this.tries = 0;
    this.calls.document(d);
  }

  listen() {
    if (this.source && Date.now() - this.heard > silence) this.fail('The server does not answer.');
  }

  fail(why) {
    this.close();
    this.turn = Symbol('turn');
    this.calls.gone(why, this.heard);
    this.timer = setTimeout(() => this.open(), pauses[Math.min(this.tries++, pauses.length - 1)]);
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    this.turn = null;
  }
}
