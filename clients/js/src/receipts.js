import { isRetryable } from './errors.js';

/** What comes together is confirmed together. */
const GATHER_MS = 100;
const RETRY_MS = 2_000;

/**
 * Tells the others how far we have got with what they wrote. Watermarks only ever rise.
 *
 * @typedef {object} ReceiptsPort
 * @property {(type: string, data: object) => Promise<any>} request
 * @property {() => boolean} ended
 * @property {import('./clock.js').Clock} clock
 */
export class Receipts {
  #port;
  /** @type {unknown} */
  #timer = null;
  #isSending = false;
  /** What we know, and what the server knows of it. */
  #delivered = { mark: '', told: '' };
  #read = { mark: '', told: '' };

  /** @param {ReceiptsPort} port */
  constructor(port) {
    this.#port = port;
  }

  /** @param {string} mid Everything up to here has arrived. */
  delivered(mid) {
    this.#raise(this.#delivered, mid);
  }

  /** @param {string} mid Everything up to here was seen. */
  read(mid) {
    this.#raise(this.#delivered, mid);
    this.#raise(this.#read, mid);
  }

  close() {
    if (this.#timer !== null) this.#port.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /**
   * @param {{ mark: string, told: string }} watermark
   * @param {string} mid
   */
  #raise(watermark, mid) {
    if (mid <= watermark.mark) return;
    watermark.mark = mid;
    this.#later(GATHER_MS);
  }

  /** @param {number} delayMs */
  #later(delayMs) {
    if (this.#timer !== null || this.#isSending || this.#port.ended()) return;
    this.#timer = this.#port.clock.setTimeout(() => {
      this.#timer = null;
      this.#tell();
    }, delayMs);
  }

  async #tell() {
    const [delivered, read] = [this.#delivered.mark, this.#read.mark];
    const news = {
      ...(delivered > this.#delivered.told && { delivered_to: delivered }),
      ...(read > this.#read.told && { read_to: read }),
    };
    if (this.#port.ended() || Object.keys(news).length === 0) return;
    this.#isSending = true;
    let delayMs = GATHER_MS;
    try {
      await this.#port.request('chat.receipt', news);
      this.#delivered.told = delivered;
      this.#read.told = read;
    } catch (error) {
      // What the server refuses for good is not said again.
      if (isRetryable(error)) delayMs = RETRY_MS;
      else [this.#delivered.told, this.#read.told] = [delivered, read];
    }
    this.#isSending = false;
    const isBehind = this.#delivered.mark > this.#delivered.told || this.#read.mark > this.#read.told;
    if (isBehind) this.#later(delayMs);
  }
}
