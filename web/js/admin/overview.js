import { build } from './build.js';
import { Chart } from './chart.js';
import { Place } from './place.js';
import { millis, short, span } from './words.js';

/** Samples that are kept: an hour of them. */
const SAMPLES_MAX = 360;

const rate = (/** @type {number} */ value) => short(value, 'bit/s');
const packets = (/** @type {number} */ value) => short(value, '/s');
const count = (/** @type {number} */ value) => short(Math.round(value));

/** Numbers of now, and charts of the last hour; from here the node is drained. */
export class Overview extends Place {
  #desk;
  #tiles = build('dl', { class: 'tiles' });
  /** @type {any[]} */
  #samples = [];
  #charts = [
    new Chart('Relayed', [{ name: 'throughput', value: (sample) => sample.relay_bits_per_s }], rate, 1_000),
    new Chart(
      'Packets',
      [
        { name: 'relayed', value: (sample) => sample.relay_packets_per_s },
        { name: 'discarded', value: (sample) => sample.relay_dropped_per_s },
      ],
      packets,
      10,
    ),
    new Chart(
      'People',
      [
        { name: 'online', value: (sample) => sample.users_online },
        { name: 'calls', value: (sample) => sample.sessions },
        { name: 'waiting', value: (sample) => sample.waiting },
      ],
      count,
      4,
    ),
    new Chart(
      '99 of 100 within',
      [
        { name: 'match', value: (sample) => sample.match_p99_ms },
        { name: 'round trip', value: (sample) => sample.round_trip_p99_ms },
        { name: 'write', value: (sample) => sample.commit_p99_ms },
      ],
      millis,
      10,
    ),
  ];

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('overview', 'Overview', 5_000);
    this.#desk = desk;
    const drain = build('button', { class: 'button small danger', type: 'button', 'data-testid': 'drain', onclick: () => this.#drain() }, 'Drain this node…');
    this.tools.append(drain);
    const charts = build('div', { class: 'charts' }, ...this.#charts.map((chart) => chart.element));
    this.content.append(this.#tiles, charts);
  }

  /** @override */
  async refresh() {
    const after = this.#samples.at(-1)?.at ?? 0;
    const [stats, series, ready] = await Promise.all([
      this.#desk.request('GET', '/v1/stats'),
      this.#desk.request('GET', `/v1/admin/series?after=${after}`),
      isReady(),
    ]);
    // Another look may have brought some of them meanwhile.
    const known = this.#samples.at(-1)?.at ?? 0;
    const fresh = series.samples.filter((/** @type {any} */ sample) => sample.at > known);
    this.#samples = [...this.#samples, ...fresh].slice(-SAMPLES_MAX);
    const last = this.#samples.at(-1);
    const tiles = {
      'Live calls': String(stats.sessions),
      Waiting: String(stats.waiting),
      'People online': String(stats.users_online),
      Connections: String(stats.connections),
      Rooms: String(stats.rooms),
      Allocations: String(last?.allocations ?? 0),
      Relayed: rate(last?.relay_bits_per_s ?? 0),
      'Average wait': stats.average_wait_ms === null ? '–' : span(stats.average_wait_ms),
    };
    const shown = Object.entries(tiles).map(([name, value]) => {
      const testId = `tile-${name.toLowerCase().replaceAll(' ', '-')}`;
      return build('div', {}, build('dt', {}, name), build('dd', { 'data-testid': testId }, value));
    });
    this.#tiles.replaceChildren(...shown);
    for (const chart of this.#charts) chart.show(this.#samples);
    this.say(ready);
  }

  #drain() {
    this.#desk.confirm.ask({
      title: 'Drain this node?',
      text: 'Nobody new is let in, everybody here is told to go elsewhere, and then the server ends. Calls go on at the server that starts next.',
      yes: 'Drain and stop',
      act: async () => {
        const { grace_ms: graceMs } = await this.#desk.request('POST', '/v1/admin/drain');
        this.#desk.announce(`The node drains and ends within ${span(graceMs)}.`);
      },
    });
  }
}

/** Whether the node takes new clients, in words. */
async function isReady() {
  const response = await fetch('/health/ready', { cache: 'no-store' }).catch(() => null);
  if (response?.ok) return 'The node is ready.';
  const problem = await response?.json().catch(() => null);
  return problem?.check ? `The node is not ready: ${problem.check}.` : 'The node does not answer.';
}
