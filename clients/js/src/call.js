import { isRetryable } from './errors.js';
import { addMedia } from './media.js';
import { Negotiator } from './negotiator.js';
import { Recovery } from './recovery.js';

const RESEND_MS = 1_000;
const MAX_RESENDS = 3;

/**
 * The connection with one other person: made, negotiated, mended, closed. A description that the
 * server could not pass on is said again while it is still the latest word.
 *
 * @typedef {object} CallSignals
 * @property {(description: { kind: 'offer' | 'answer', neg: number, sdp: string }) => Promise<unknown>} description
 * @property {(candidates: import('./candidates.js').Batch & { neg: number }) => void} candidates
 *
 * @typedef {object} CallOptions
 * @property {typeof RTCPeerConnection} PeerConnection
 * @property {RTCIceServer[]} iceServers
 * @property {'all' | 'relay'} icePolicy
 * @property {boolean} polite
 * @property {boolean} initiator
 * @property {MediaStream | undefined} stream What is sent.
 * @property {CallSignals} signals
 * @property {(track: MediaStreamTrack) => void} onTrack
 * @property {(state: RTCPeerConnectionState) => void} onState
 * @property {() => void} giveUp No path was found.
 * @property {import('./clock.js').Clock} clock
 * @property {import('./client.js').Logger} logger
 */
export class Call {
  #options;
  #negotiator;
  #recovery;
  #closed = false;
  /** @type {Set<unknown>} */
  #timers = new Set();

  /** @param {CallOptions} options */
  constructor(options) {
    this.#options = options;
    const { PeerConnection, polite, initiator, clock, logger } = options;
    const pc = new PeerConnection({
      iceServers: options.iceServers,
      iceTransportPolicy: options.icePolicy,
      bundlePolicy: 'max-bundle',
    });
    /** For reading; its negotiation belongs to the call. @readonly */
    this.pc = pc;
    this.#negotiator = new Negotiator({
      pc,
      polite,
      initiator,
      signals: {
        description: (description) => this.#send(description, 0),
        candidates: (candidates) => options.signals.candidates(candidates),
      },
      clock,
      logger,
    });
    const { giveUp } = options;
    this.#recovery = new Recovery({ pc, polite, clock, restart: () => this.restart(), giveUp });
    pc.addEventListener('track', ({ track }) => options.onTrack(track));
    pc.addEventListener('connectionstatechange', () => {
      if (!this.#closed) options.onState(pc.connectionState);
    });
    addMedia(pc, options.stream, initiator);
  }

  /** @param {import('./protocol.js').WireDescription} description */
  handleDescription(description) {
    return this.#negotiator.handleDescription(description);
  }

  /** @param {import('./protocol.js').WireCandidates} candidates */
  handleCandidates(candidates) {
    return this.#negotiator.handleCandidates(candidates);
  }

  /** Says again what a lost connection may have swallowed, and replaces a path that died. */
  recover() {
    this.#negotiator.recover();
    this.#recovery.suspect();
  }

  /** Asks for new paths. */
  restart() {
    this.#negotiator.restart();
  }

  /** @param {RTCIceServer[]} iceServers For the paths that are looked for from now on. */
  setIceServers(iceServers) {
    if (!this.#closed) this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer);
    this.#timers.clear();
    this.#negotiator.close();
    this.#recovery.close();
    this.pc.close();
  }

  /**
   * @param {{ kind: 'offer' | 'answer', neg: number, sdp: string }} description
   * @param {number} attempt
   */
  async #send(description, attempt) {
    const { signals, clock, logger } = this.#options;
    try {
      await signals.description(description);
    } catch (error) {
      if (this.#closed) return;
      logger.debug('rtc.description', error);
      if (!isRetryable(error) || attempt >= MAX_RESENDS) return;
      const timer = clock.setTimeout(() => {
        this.#timers.delete(timer);
        if (this.#negotiator.isCurrent(description)) this.#send(description, attempt + 1);
      }, RESEND_MS);
      this.#timers.add(timer);
    }
  }
}
