import { StatsReader } from './stats.js';

const SAMPLE_EVERY_MS = 1_000;
/** `rtc.quality` at most once per 5 s. PROTOCOL, client to server. */
const REPORT_EVERY_MS = 5_000;

/**
 * Reads the statistics of one connection every second and tells the server what it needs to know:
 * `rtc.state` when the state or the path changes, `rtc.quality` every 5 s while connected.
 *
 * @typedef {object} MonitorOptions
 * @property {RTCPeerConnection} pc
 * @property {import('./clock.js').Clock} clock
 * @property {(type: 'rtc.state' | 'rtc.quality', data: object) => void} report
 * @property {(quality: import('./stats.js').Quality) => void} onQuality
 */
export class Monitor {
  #options;
  #reader = new StatsReader();
  #startedAt;
  /** @type {number | null} */
  #setupMs = null;
  #reported = '';
  #qualityReportedAt;
  #closed = false;
  /** @type {unknown} */
  #timer = null;
  /** @type {import('./stats.js').Quality | null} */
  latest = null;

  /** @param {MonitorOptions} options */
  constructor(options) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#qualityReportedAt = this.#startedAt;
    options.pc.addEventListener('connectionstatechange', () => this.#onState());
  }

  close() {
    this.#closed = true;
    if (this.#timer !== null) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Reads at once; the timer's rhythm goes on unchanged. */
  async sample() {
    const { pc, clock, onQuality } = this.#options;
    const report = await pc.getStats();
    if (this.#closed) return;
    this.latest = this.#reader.read(report.values(), clock.now());
    onQuality(this.latest);
    this.#reportState();
    this.#reportQuality(this.latest);
  }

  #onState() {
    if (this.#closed) return;
    const connected = this.#options.pc.connectionState === 'connected';
    if (connected && this.#setupMs === null) {
      this.#setupMs = this.#options.clock.now() - this.#startedAt;
    }
    // The path is known only after a reading; a connected state without it would be half a report.
    if (connected && this.#timer === null) this.#tick();
    else this.#reportState();
  }

  async #tick() {
    this.#timer = this.#options.clock.setTimeout(() => this.#tick(), SAMPLE_EVERY_MS);
    try {
      await this.sample();
    } catch {
      // A connection closed under the reading has no statistics.
    }
  }

  #reportState() {
    const state = this.#options.pc.connectionState;
    const path = this.latest?.path ?? null;
    const relayProtocol = this.latest?.relayProtocol ?? null;
    const key = `${state} ${path}`;
    if (key === this.#reported || state === 'new' || state === 'closed') return;
    this.#reported = key;
    this.#options.report('rtc.state', {
      state,
      ...(path && { path }),
      ...(path === 'relay' && relayProtocol && { relay_protocol: relayProtocol }),
      ...(this.#setupMs !== null && { setup_ms: this.#setupMs }),
      ...(state === 'failed' && { fail_reason: this.#setupMs === null ? 'no_path' : 'path_lost' }),
    });
  }

  /** @param {import('./stats.js').Quality} quality */
  #reportQuality(quality) {
    const { clock, report, pc } = this.#options;
    const now = clock.now();
    if (pc.connectionState !== 'connected') return;
    if (now - this.#qualityReportedAt < REPORT_EVERY_MS) return;
    this.#qualityReportedAt = now;
    report('rtc.quality', {
      score: quality.score,
      rtt_ms: Math.round(quality.rttMs ?? 0),
      loss: Math.round(quality.loss * 10_000) / 10_000,
      jitter_ms: Math.round(quality.jitterMs),
      bitrate: quality.receivedBps,
    });
  }
}
