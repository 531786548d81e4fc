// A chart of answer times: seconds to the right, milliseconds upwards on a
// logarithmic scale, so that 3 ms and 3 s are both seen.
"use strict";

class LatencyChart {
  static #SVG = "http://www.w3.org/2000/svg";
  static #LEFT = 48;
  static #RIGHT = 10;
  static #TOP = 20;
  static #BOTTOM = 24;
  // The shortest span of time shown, and the range of the scale in ms.
  static #SECONDS = 10;
  static #LOW = 1;
  static #HIGH = 10000;

  #box;
  #svg;
  #frame = 0;

  constructor(box) {
    this.#box = box;
    this.#svg = this.#make("svg", { role: "img", "aria-label": "Answer times of the home page" });
    box.replaceChildren(this.#svg);
    this.reset();
    new ResizeObserver(() => this.draw()).observe(box);
  }

  reset() {
    this.now = 0;
    this.points = []; // { t, ms, kind: "" | "during" | "skipped" | "failed" }
    this.waiting = new Set(); // start times of visits under way
    this.band = null; // [from, to]; to is null while PDFs render
    this.done = []; // times at which a PDF was complete
    this.draw();
  }

  // Draws once before the next repaint, however often it is called.
  draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#render();
    });
  }

  #make(name, attributes, text) {
    const made = document.createElementNS(LatencyChart.#SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  #render() {
    const { clientWidth: width, clientHeight: height } = this.#box;
    const left = LatencyChart.#LEFT;
    const right = width - LatencyChart.#RIGHT;
    const top = LatencyChart.#TOP;
    const bottom = height - LatencyChart.#BOTTOM;
    const seconds = Math.max(LatencyChart.#SECONDS, this.now);
    const decades = Math.log10(LatencyChart.#HIGH / LatencyChart.#LOW);
    const x = (t) => left + (t / seconds) * (right - left);
    const y = (ms) => {
      const inside = Math.min(Math.max(ms, LatencyChart.#LOW), LatencyChart.#HIGH);
      return bottom - (Math.log10(inside / LatencyChart.#LOW) / decades) * (bottom - top);
    };
    const parts = [];
    const add = (...made) => parts.push(this.#make(...made));

    if (this.band) {
      const from = x(this.band[0]);
      const to = x(this.band[1] ?? this.now);
      add("rect", { class: "band", x: from, y: top, width: Math.max(0, to - from), height: bottom - top });
      add("text", { class: "band-label", x: from + 6, y: top - 6 }, "PDFs rendering");
    }
    for (let ms = LatencyChart.#LOW; ms <= LatencyChart.#HIGH; ms *= 10) {
      add("line", { class: "grid", x1: left, x2: right, y1: y(ms), y2: y(ms) });
      const label = ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;
      add("text", { x: left - 8, y: y(ms) + 4, "text-anchor": "end" }, label);
    }
    const step = [1, 2, 5, 10, 20, 30, 60].find((s) => (seconds / s) * 34 < right - left) ?? 120;
    for (let t = 0; t <= seconds; t += step) {
      add("text", { x: x(t), y: height - 6, "text-anchor": "middle" }, `${t} s`);
    }
    for (const t of this.done) {
      add("line", { class: "done", x1: x(t), x2: x(t), y1: bottom - 7, y2: bottom });
    }
    for (const t of this.waiting) {
      // Short waits are the dots of a moment later; only long ones show.
      const ms = (this.now - t) * 1000;
      if (ms < 100) continue;
      add("line", { class: "waiting", x1: x(t), x2: x(t), y1: y(100), y2: y(ms) });
    }
    for (const { t, ms, kind } of this.points) {
      add("circle", { class: `dot ${kind}`, cx: x(t), cy: y(ms), r: 3 });
    }
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.replaceChildren(...parts);
  }
}
