import { element } from './page.js';

const LEVEL_WORDS = { excellent: 'Excellent', good: 'Good', poor: 'Weak', lost: 'Very weak' };

/** The panel that says how the call travels and how well. */
export class ConnectionPanel {
  #panel = element('connection-panel');
  #button = element('open-connection');

  constructor() {
    this.#button.addEventListener('click', () => this.toggle(this.#panel.hidden));
    this.#panel.querySelector('[data-close]').addEventListener('click', () => {
      this.toggle(false);
      this.#button.focus();
    });
  }

  get open() {
    return !this.#panel.hidden;
  }

  /** @param {boolean} open */
  toggle(open) {
    this.#panel.hidden = !open;
    this.#button.setAttribute('aria-expanded', String(open));
  }

  /** @param {import('/sdk/index.js').SessionState} state */
  showState(state) {
    if (state === 'connected') return;
    this.#button.dataset.level = state === 'connecting' ? 'unknown' : 'lost';
    element('signal-text').textContent = state === 'connecting' ? 'Connecting' : 'Reconnecting';
  }

  /** Blanks every number for a new call. */
  clear() {
    for (const id of ['path', 'protocol', 'rtt', 'down', 'up', 'loss', 'picture', 'score']) {
      element(`c-${id}`).textContent = '–';
    }
    element('c-note').textContent = '';
  }

  /** @param {import('/sdk/index.js').Quality} quality */
  show(quality) {
    this.#button.dataset.level = quality.level;
    element('signal-text').textContent = LEVEL_WORDS[quality.level];
    element('c-path').textContent = pathText(quality);
    element('c-path').dataset.path = quality.path ?? '';
    element('c-protocol').textContent = protocolText(quality);
    element('c-rtt').textContent = quality.rttMs === null ? '–' : `${Math.round(quality.rttMs)} ms`;
    element('c-down').textContent = rateText(quality.receivedBps);
    element('c-up').textContent = rateText(quality.sentBps);
    element('c-loss').textContent = `${(quality.loss * 100).toFixed(1)} %`;
    element('c-picture').textContent =
      quality.frameWidth > 0
        ? `${quality.frameWidth}×${quality.frameHeight}, ${Math.round(quality.framesPerSecond)}/s`
        : 'none';
    element('c-score').textContent = `${LEVEL_WORDS[quality.level]} (${quality.score})`;
    element('c-note').textContent =
      quality.path === 'relay'
        ? 'Through this server’s relay: neither of you learns the other’s address.'
        : 'Straight between the two of you, the shortest way there is.';
  }
}

/** @param {import('/sdk/index.js').Quality} quality */
function pathText({ path, localType, remoteType }) {
  if (path === null) return '–';
  return `${path === 'relay' ? 'Relayed' : 'Direct'} (${localType ?? '?'} → ${remoteType ?? '?'})`;
}

/** @param {import('/sdk/index.js').Quality} quality */
function protocolText({ relayProtocol, protocol }) {
  if (relayProtocol) return `${relayProtocol.toUpperCase()} to the relay`;
  return protocol ? protocol.toUpperCase() : '–';
}

/** @param {number} bitsPerSecond */
function rateText(bitsPerSecond) {
  if (bitsPerSecond >= 1_000_000) return `${(bitsPerSecond / 1_000_000).toFixed(1)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1_000)} kbit/s`;
}
