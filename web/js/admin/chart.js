import { build } from './build.js';
import { clockTime } from './words.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 360;
const HEIGHT = 100;
/** What a chart shows: the last hour. */
const SPAN_MS = 3_600_000;
/** Above the highest value, so that a line never hides at the edge. */
const HEADROOM = 1.1;

/**
 * Lines over the last hour, told in words too.
 *
 * @typedef {object} Line
 * @property {string} name
 * @property {(sample: any) => number | null} value Null where nothing is known: the line has a gap.
 */
export class Chart {
  #lines;
  #words;
  #least;
  #title;
  #svg = document.createElementNS(SVG, 'svg');
  /** @type {SVGPathElement[]} */
  #paths = [];
  /** @type {HTMLElement[]} */
  #keys = [];
  #from = build('span');
  #top = build('span', { class: 'muted' });

  /**
   * @param {string} title
   * @param {Line[]} lines
   * @param {(value: number) => string} words How a value is written.
   * @param {number} least The least that the height of the chart stands for.
   */
  constructor(title, lines, words, least) {
    this.#title = title;
    this.#lines = lines;
    this.#words = words;
    this.#least = least;
    this.#svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.#svg.setAttribute('preserveAspectRatio', 'none');
    this.#svg.setAttribute('role', 'img');
    for (const share of [0.25, 0.5, 0.75]) {
      const y = String(HEIGHT * share);
      this.#draw('line', { class: 'grid', x1: '0', x2: String(WIDTH), y1: y, y2: y });
    }
    lines.forEach((line, index) => {
      const path = /** @type {SVGPathElement} */ (this.#draw('path', { class: `line tone-${index}` }));
      this.#paths.push(path);
      this.#keys.push(build('span', { class: `key tone-${index}` }, line.name));
    });
    const caption = build('figcaption', {}, build('b', {}, title), build('span', { class: 'row' }, ...this.#keys));
    const axis = build('div', { class: 'axis', 'aria-hidden': 'true' }, this.#from, this.#top, build('span', {}, 'now'));
    this.element = build('figure', { class: 'chart card' }, caption, this.#svg, axis);
  }

  /** @param {any[]} samples In the order of time. */
  show(samples) {
    const end = samples.at(-1)?.at ?? Date.now();
    const start = Math.max(end - SPAN_MS, Math.min(samples[0]?.at ?? end, end - 60_000));
    const values = this.#lines.map(({ value }) => samples.map(value));
    const highest = Math.max(this.#least, ...values.flat().map((value) => (value ?? 0) * HEADROOM));
    values.forEach((column, index) => {
      this.#paths[index]?.setAttribute('d', this.#path(samples, column, start, end, highest));
      const key = this.#keys[index];
      if (key) key.textContent = `${this.#lines[index]?.name} ${this.#told(column.at(-1))}`;
    });
    this.#from.textContent = clockTime(start);
    this.#top.textContent = `top ${this.#words(highest)}`;
    const said = values.map((column, index) => {
      const known = column.filter((value) => value !== null);
      const most = known.length > 0 ? `, at most ${this.#words(Math.max(.../** @type {number[]} */ (known)))}` : '';
      return `${this.#lines[index]?.name}: now ${this.#told(column.at(-1))}${most}`;
    });
    this.#svg.setAttribute('aria-label', `${this.#title} since ${clockTime(start)}. ${said.join('. ')}.`);
  }

  /** @param {number | null | undefined} value */
  #told(value) {
    return value === null || value === undefined ? 'none' : this.#words(value);
  }

  /**
   * @param {any[]} samples
   * @param {(number | null)[]} column
   * @param {number} start
   * @param {number} end
   * @param {number} highest
   */
  #path(samples, column, start, end, highest) {
    let isDrawing = false;
    const steps = column.map((value, index) => {
      if (value === null) {
        isDrawing = false;
        return '';
      }
      const x = ((samples[index].at - start) / Math.max(1, end - start)) * WIDTH;
      const y = HEIGHT - (value / highest) * HEIGHT;
      const step = `${isDrawing ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
      // A single value between gaps would be a point of no length.
      const dot = !isDrawing && (column[index + 1] ?? null) === null ? 'h0.5' : '';
      isDrawing = true;
      return step + dot;
    });
    return steps.join('');
  }

  /**
   * @param {string} tag
   * @param {Record<string, string>} attributes
   */
  #draw(tag, attributes) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    this.#svg.append(made);
    return made;
  }
}
