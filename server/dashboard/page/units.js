// Numbers as people read them. What is not known, or did not happen, is a dash.

export const none = '–';

const digits = (n, most) => n.toLocaleString('en', { maximumFractionDigits: most });

/** Three digits that count: 0.123, 1.23, 12.3, 123, 1,234. */
export const number = (n) => digits(n, n >= 100 || Number.isInteger(n) ? 0 : n >= 10 ? 1 : n >= 1 ? 2 : 3);

/** A count, short: 1,234 and 12.3k and 4.5M. */
export function count(n) {
  if (n < 10_000) return digits(n, 0);
  return n < 1e6 ? `${digits(n / 1e3, 1)}k` : `${digits(n / 1e6, 1)}M`;
}

/** A duration in seconds, in the unit that suits it. */
export function duration(s) {
  if (s < 0.001) return `${digits(s * 1e6, 0)} µs`;
  if (s < 1) return `${number(s * 1e3)} ms`;
  if (s < 60) return `${number(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** A long duration in few characters. */
export function rough(s) {
  const [length, unit] = s < 120 ? [1, 's'] : s < 7200 ? [60, 'min'] : s < 172800 ? [3600, 'h'] : [86400, 'd'];
  return `${digits(Math.floor(s / length), 0)} ${unit}`;
}

/** A duration of something that grows while one looks: no flicker of small units. */
export const age = (s) => (s < 60 ? `${digits(s, s < 10 ? 1 : 0)} s` : duration(s));

export function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1024;
  return `${number(n)} ${units[i]}`;
}

export const percent = (part) => `${digits(part * 100, part < 0.1 && part > 0 ? 1 : 0)} %`;

/** The time of day of a second since 1970. */
export const clock = (t) => new Date(t * 1000).toLocaleTimeString('en-GB');

/** Text from outside, without characters that change how what stands around them is read. */
export const plain = (text) =>
  String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
