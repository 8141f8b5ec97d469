import { clockText, element } from './page.js';

/** A loss that is over sooner is nobody's business. */
const SHOW_AFTER_MS = 1_000;

/** The line that says that the other person's connection is lost, and how long it is waited for. */
export class Away {
  #line = element('peer-away');
  #since = 0;

  /** @param {import('/sdk/index.js').Session} session */
  follow(session) {
    this.#since = 0;
    this.show(session);
    session.on('peer-left', () => this.show(session));
    session.on('peer-resumed', () => this.show(session));
  }

  /**
   * Shows how it stands now; to be called as time passes.
   *
   * @param {import('/sdk/index.js').Session} session
   */
  show({ peerLostUntil, state }) {
    if (peerLostUntil === null) this.#since = 0;
    else this.#since ||= Date.now();
    const shown = peerLostUntil !== null && Date.now() - this.#since >= SHOW_AFTER_MS;
    this.#line.hidden = !shown;
    if (!shown) return;
    const words =
      state === 'connected'
        ? 'They lost the server. Your call goes on while we wait for them'
        : 'They dropped off. Waiting for them to come back';
    const text = element('peer-away-text');
    // The same words again would make a screen reader repeat them.
    if (text.textContent !== words) text.textContent = words;
    element('peer-away-left').textContent = clockText(peerLostUntil - Date.now());
  }
}
