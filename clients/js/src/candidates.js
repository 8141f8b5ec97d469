import { MAX_CANDIDATES } from './protocol.js';

/** The first batch leaves early, because a host pair is worth having at once. */
const FIRST_DELAY_MS = 50;
const NEXT_DELAY_MS = 200;

/**
 * Collects local candidates into few messages.
 *
 * @typedef {{ ufrag?: string, candidates: RTCIceCandidateInit[], end?: boolean }} Batch
 */
export class CandidateBatch {
  #clock;
  #send;
  /** @type {RTCIceCandidateInit[]} */
  #waiting = [];
  #end = false;
  #first = true;
  /** @type {unknown} */
  #timer = null;

  /**
   * @param {import('./clock.js').Clock} clock
   * @param {(batch: Batch) => void} send
   */
  constructor(clock, send) {
    this.#clock = clock;
    this.#send = send;
  }

  /** @param {RTCIceCandidateInit | null} candidate Null: gathering has ended. */
  add(candidate) {
    if (candidate === null) {
      this.#end = true;
      this.flush();
      return;
    }
    this.#waiting.push(candidate);
    this.#timer ??= this.#clock.setTimeout(
      () => this.flush(),
      this.#first ? FIRST_DELAY_MS : NEXT_DELAY_MS,
    );
  }

  /** Sends what has been collected. */
  flush() {
    this.#clear();
    const waiting = this.#waiting;
    const end = this.#end;
    this.#waiting = [];
    this.#end = false;
    if (waiting.length > 0) this.#first = false;
    const batches = split(waiting);
    if (end && batches.length === 0) batches.push({ candidates: [] });
    batches.forEach((batch, index) => {
      this.#send(end && index === batches.length - 1 ? { ...batch, end: true } : batch);
    });
  }

  /** Starts over for a new generation of candidates, whose first batch is urgent again. */
  restart() {
    this.flush();
    this.#first = true;
  }

  /** Forgets everything. */
  close() {
    this.#clear();
    this.#waiting = [];
    this.#end = false;
  }

  #clear() {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/**
 * Cuts at the message limit and wherever the ufrag changes: a batch belongs to one generation.
 *
 * @param {RTCIceCandidateInit[]} candidates
 * @returns {Batch[]}
 */
function split(candidates) {
  /** @type {Batch[]} */
  const batches = [];
  for (const candidate of candidates) {
    const ufrag = candidate.usernameFragment ?? undefined;
    let last = batches.at(-1);
    if (!last || last.ufrag !== ufrag || last.candidates.length >= MAX_CANDIDATES) {
      last = ufrag === undefined ? { candidates: [] } : { ufrag, candidates: [] };
      batches.push(last);
    }
    last.candidates.push(candidate);
  }
  return batches;
}
