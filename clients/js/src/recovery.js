const POLITE_EXTRA_MS = 1_500;
const DISCONNECTED_MS = 2_000;
const FIRST_CONNECT_MS = 15_000;
const NEXT_TRY_MS = 10_000;
const MAX_TRIES = 4;

/**
 * Watches a connection and asks for new paths when it stalls: after 2 s of `disconnected`, at once
 * on `failed`, after 15 s without a first connection. The polite side waits a little longer, so that
 * usually only one side restarts.
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

  /** @param {RecoveryOptions} options */
  constructor(options) {
    this.#options = options;
    options.pc.addEventListener('connectionstatechange', () => this.#onState());
    this.#arm(FIRST_CONNECT_MS);
  }

  close() {
    if (this.#timer !== null) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #onState() {
    switch (this.#options.pc.connectionState) {
      case 'connected':
        this.#tries = 0;
        this.close();
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
    this.close();
    const waitMs = delayMs + (this.#options.polite ? POLITE_EXTRA_MS : 0);
    this.#timer = this.#options.clock.setTimeout(() => this.#onTimer(), waitMs);
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
