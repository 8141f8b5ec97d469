const POLITE_EXTRA_MS = 1_500;
const DISCONNECTED_MS = 2_000;
const FIRST_CONNECT_MS = 15_000;
const NEXT_TRY_MS = 10_000;
const MAX_TRIES = 4;
/** A call carries sound 50 times a second; the browser itself calls a dead path so after 5 s. */
const SILENCE_MS = 1_500;

/**
 * Watches a connection and asks for new paths when it stalls: after 2 s of `disconnected`, at once
 * on `failed`, after 15 s without a first connection, and when nothing comes although the network
 * may have changed. The polite side waits a little longer, so that usually only one side restarts.
 *
 * @typedef {object} RecoveryOptions
 * @property {RTCPeerConnection} pc
 * @property {boolean} polite
 * @property {import('./clock.js').Clock} clock
 * @property {() => void} restart
 * @property {() => void} giveUp
 */
export class Recovery {
  #options;
  #tries = 0;
  /** @type {unknown} */
  #timer = null;
  /** @type {unknown} */
  #look = null;

  /** @param {RecoveryOptions} options */
  constructor(options) {
    this.#options = options;
    options.pc.addEventListener('connectionstatechange', () => this.#onState());
    this.#arm(FIRST_CONNECT_MS);
  }

  close() {
    this.#disarm();
    if (this.#look !== null) this.#options.clock.clearTimeout(this.#look);
    this.#look = null;
  }

  /** Looks whether the path still carries anything, and asks for new ones if it does not. */
  async suspect() {
    const { pc, polite, clock, restart } = this.#options;
    if (pc.connectionState !== 'connected' || this.#look !== null) return;
    const before = await receivedBytes(pc);
    if (this.#look !== null) return;
    this.#look = clock.setTimeout(async () => {
      this.#look = null;
      const after = await receivedBytes(pc);
      if (after === before && pc.connectionState === 'connected') restart();
    }, SILENCE_MS + (polite ? POLITE_EXTRA_MS : 0));
  }

  #onState() {
    switch (this.#options.pc.connectionState) {
      case 'connected':
        this.#tries = 0;
        this.#disarm();
        break;
      case 'disconnected':
        if (this.#tries === 0) this.#arm(DISCONNECTED_MS);
        break;
      case 'failed':
        if (this.#tries === 0) this.#arm(0);
        break;
      case 'closed':
        this.close();
        break;
      default:
        // `new` and `connecting` are covered by the timer that already runs.
        break;
    }
  }

  /** @param {number} delayMs */
  #arm(delayMs) {
    this.#disarm();
    const waitMs = delayMs + (this.#options.polite ? POLITE_EXTRA_MS : 0);
    this.#timer = this.#options.clock.setTimeout(() => this.#onTimer(), waitMs);
  }

  #disarm() {
    if (this.#timer !== null) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #onTimer() {
    this.#timer = null;
    if (this.#tries >= MAX_TRIES) {
      this.#options.giveUp();
      return;
    }
    this.#tries += 1;
    this.#options.restart();
    this.#arm(NEXT_TRY_MS);
  }
}

/**
 * @param {RTCPeerConnection} pc
 * @returns {Promise<number>} Bytes of media so far; which entries count them differs between browsers.
 */
async function receivedBytes(pc) {
  let bytes = 0;
  for (const entry of (await pc.getStats()).values()) {
    if (entry.type === 'inbound-rtp' || entry.type === 'transport') bytes += entry.bytesReceived ?? 0;
  }
  return bytes;
}
