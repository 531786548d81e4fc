// Charts of the last seconds, as SVG. The newest second is at the right edge, so what stands at the axes does not move.

import { make, say, show } from './dom.js';
import { none } from './units.js';

const svg = 'http://www.w3.org/2000/svg';
const height = 150;
const gap = 5; // so many seconds without a value interrupt a line
const pad = { left: 52, right: 8, top: 8, bottom: 18 };

/** The second that is read off, counted back from the last one; all charts read the same. null: the last. */
let cursor = null;
const all = [];

function point(back) {
  cursor = back;
  for (const chart of all) chart.read();
}

function shape(name, attributes, parent) {
  const node = document.createElementNS(svg, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
}

function set(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/**
 * options: title; unit(value): how a value is written, and tick(value): how at the axis if not so; log: the scale is logarithmic; stack: the
 * lines are areas on one another; steps: values hold for their second; empty: what is said when there is nothing to draw; least: the
 * highest value of the scale is this one at least; whole: there are no halves; base: 1024 for bytes.
 */
export class Chart {
  constructor(parent, options) {
    this.options = options;
    this.data = { lines: [], marks: [] };
    this.span = 300;
    this.width = 0;
    this.plot = shape('svg', { height, role: 'img', 'aria-label': options.title });
    this.grid = shape('g', { class: 'grid' }, this.plot);
    this.marks = shape('g', { class: 'marks' }, this.plot);
    this.paths = shape('g', { class: 'lines' }, this.plot);
    this.line = shape('line', { class: 'cursor', y1: pad.top, y2: height - pad.bottom }, this.plot);
    this.legend = make('ul', { className: 'legend' });
    this.moment = make('small');
    this.empty = make('p', { className: 'empty' }, options.empty ?? '');
    this.figure = make('figure', { className: 'panel chart', tabIndex: 0 },
      make('figcaption', {}, make('h3', {}, options.title), this.moment), this.plot, this.empty, this.legend);
    parent.append(this.figure);
    this.listen();
    all.push(this);
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width === this.width) return;
      this.width = width;
      set(this.plot, 'viewBox', `0 0 ${width} ${height}`);
      this.redraw();
    }).observe(this.figure);
  }

  listen() {
    const inside = () => this.width - pad.left - pad.right;
    this.plot.addEventListener('pointermove', (e) => {
      const x = e.clientX - this.plot.getBoundingClientRect().left - pad.left;
      point(Math.min(this.span - 1, Math.max(0, Math.round((1 - x / inside()) * (this.span - 1)))));
    });
    this.plot.addEventListener('pointerleave', () => point(null));
    this.figure.addEventListener('blur', () => point(null));
    this.figure.addEventListener('keydown', (e) => {
      const step = { ArrowLeft: 1, ArrowRight: -1 }[e.key] * (e.shiftKey ? 10 : 1);
      if (e.key === 'Escape') point(null);
      if (!step) return;
      e.preventDefault();
      point(Math.min(this.span - 1, Math.max(0, (cursor ?? 0) + step)));
    });
  }

  /**
   * data: {lines: [{name, colour, values, thin}], marks: [{back, text}]}; values are oldest first, null where there is none. A thin line goes
   * with the one of its name.
   */
  show(data, span) {
    this.data = data;
    this.span = span;
    this.redraw();
  }

  x(back) { return this.width - pad.right - (back / (this.span - 1)) * (this.width - pad.left - pad.right); }

  redraw() {
    if (this.width < 80) return;
    const lines = this.data.lines.map((l) => ({ ...l, values: l.values.slice(-this.span) }));
    if (this.options.stack) stack(lines);
    const values = lines.flatMap((l) => l.values).filter((v) => v !== null && (v > 0 || !this.options.log));
    const scale = this.options.log ? logarithmic(values) : linear(values, this.options);
    const y = (v) => pad.top + (1 - scale.at(v)) * (height - pad.top - pad.bottom);
    this.axes(scale.ticks, y);
    const bottom = height - pad.bottom;
    fill(this.paths, lines.length, () => shape('path', {}));
    // The last of a stack lies on all others, so it is drawn first.
    lines.forEach((l, i) => {
      const path = this.paths.children[this.options.stack ? lines.length - 1 - i : i];
      set(path, 'class', `${this.options.stack ? 'area' : 'line'} ${l.colour}${l.thin ? ' thin' : ''}`);
      set(path, 'd', this.path(l.values, y, bottom));
    });
    const marks = this.data.marks ?? [];
    fill(this.marks, marks.length, () => shape('line', { y1: pad.top, y2: bottom }));
    marks.forEach((m, i) => {
      const x = m.back < this.span ? this.x(m.back) : -10;
      set(this.marks.children[i], 'x1', x);
      set(this.marks.children[i], 'x2', x);
    });
    show(this.empty, Boolean(this.options.empty) && !values.some((v) => v > 0));
    this.read();
  }

  path(values, y, bottom) {
    let d = '';
    let missing = gap; // values since the last one
    const back = (i) => values.length - 1 - i;
    values.forEach((v, i) => {
      if (v === null || (this.options.log && v <= 0)) {
        missing++;
        return;
      }
      const at = `${this.x(back(i)).toFixed(1)} ${y(v).toFixed(1)}`;
      if (missing >= gap) d += `M${at}h0`;
      else if (this.options.steps) d += `H${this.x(back(i)).toFixed(1)}V${y(v).toFixed(1)}`;
      else d += `L${at}`;
      missing = 0;
    });
    if (this.options.stack && d) d += `V${bottom}H${this.x(values.length - 1).toFixed(1)}Z`;
    return d;
  }

  axes(ticks, y) {
    const times = this.span > 60 ? [240, 180, 120, 60, 0] : [45, 30, 15, 0];
    const texts = [
      ...ticks.map((v) => ({ x: pad.left - 6, y: y(v) + 3.5, text: (this.options.tick ?? this.options.unit)(v), anchor: 'end', rule: y(v) })),
      ...times.map((s) => ({
        x: this.x(s), y: height - 4, text: s === 0 ? 'now' : s >= 60 ? `−${s / 60} min` : `−${s} s`, anchor: s === 0 ? 'end' : 'middle',
      })),
    ];
    fill(this.grid, texts.length, () => {
      const g = shape('g', {});
      shape('line', { x1: pad.left }, g);
      shape('text', {}, g);
      return g;
    });
    texts.forEach((t, i) => {
      const [rule, text] = this.grid.children[i].children;
      set(rule, 'x2', t.rule === undefined ? pad.left : this.width - pad.right);
      set(rule, 'y1', t.rule ?? 0);
      set(rule, 'y2', t.rule ?? 0);
      set(text, 'x', t.x);
      set(text, 'y', t.y);
      set(text, 'text-anchor', t.anchor);
      say(text, t.text);
    });
  }

  /** Writes the values of the second that is read off. */
  read() {
    const back = cursor ?? 0;
    const x = this.width ? this.x(back) : -10;
    set(this.line, 'x1', x);
    set(this.line, 'x2', x);
    this.line.style.visibility = cursor === null || cursor >= this.span ? 'hidden' : 'visible';
    const mark = cursor !== null && this.data.marks?.find((m) => Math.abs(m.back - cursor) <= this.span / 150);
    say(this.moment, (cursor === null ? '' : cursor === 0 ? 'now' : `${cursor} s ago`) + (mark ? `: ${mark.text}` : ''));
    const value = (l) => {
      const v = l.values.at(-1 - back) ?? null;
      return v === null || (this.options.log && v <= 0) ? none : this.options.unit(v);
    };
    const named = this.data.lines.filter((l) => !l.thin);
    fill(this.legend, named.length, () => make('li', {}, make('i'), make('span'), make('b'), make('small')));
    named.forEach((l, i) => {
      const [swatch, name, main, second] = this.legend.children[i].children;
      const thin = this.data.lines.find((t) => t.thin && t.name === l.name);
      if (swatch.className !== l.colour) swatch.className = l.colour;
      say(name, l.name);
      say(main, value(l));
      say(second, thin && value(thin) !== none ? value(thin) : '');
    });
  }
}

/** Gives a node so many children. */
function fill(parent, n, build) {
  while (parent.childElementCount < n) parent.append(build());
  while (parent.childElementCount > n) parent.lastElementChild.remove();
}

function stack(lines) {
  let below = null;
  for (const l of lines) {
    l.values = l.values.map((v, i) => (v ?? 0) + (below?.[i] ?? 0));
    below = l.values;
  }
}

/** A scale from 0 with three to five ticks of 1, 2 or 5 times a power. */
function linear(values, { least = 1, base = 10, whole }) {
  const top = values.reduce((a, b) => Math.max(a, b), least);
  const power = Math.max(whole ? 1 : 0, base ** Math.floor(Math.log(top / 4) / Math.log(base)));
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((n) => n * power).find((s) => top / s <= 4);
  const end = Math.ceil(top / step) * step;
  return { at: (v) => v / end, ticks: Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step) };
}

/** A scale of powers of ten around the values, two at least. */
function logarithmic(values) {
  const low = values.reduce((a, b) => Math.min(a, b), 0.001);
  const high = values.reduce((a, b) => Math.max(a, b), 0.1);
  const from = Math.max(-6, Math.floor(Math.log10(low) + 1e-6));
  const to = Math.ceil(Math.log10(high) - 1e-6);
  return {
    at: (v) => Math.max(0, (Math.log10(v) - from) / (to - from)),
    ticks: Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i)),
  };
}
