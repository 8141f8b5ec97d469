import { DuologueError } from '/sdk/index.js';
import { announce, element } from './page.js';

/** Where the report stands. */
const SENT = 'Thank you. Somebody will look at it, and you two will not meet again.';
const TWICE = 'You have reported this conversation before.';
const FAILED = 'That did not work. Try again.';

/** Complains about the other side of the call that is on, or of the last one. */
export class ReportDialog {
  #onSent;
  #dialog = element('report');
  #form = element('report-form');
  #outcome = element('report-outcome');
  /** @type {import('/sdk/index.js').Session | null} */
  #session = null;
  /** The session that the open dialog is about. @type {import('/sdk/index.js').Session | null} */
  #about = null;

  /** @param {() => void} onSent Called before a call that is on ends by it. */
  constructor(onSent) {
    this.#onSent = onSent;
    for (const opener of ['report-call', 'report-ended']) element(opener).addEventListener('click', () => this.#open());
    element('report-close').addEventListener('click', () => this.#dialog.close());
    this.#form.addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#send();
    });
  }

  /** @param {import('/sdk/index.js').Session} session */
  follow(session) {
    this.#session = session;
  }

  #open() {
    this.#about = this.#session;
    this.#form.reset();
    this.#say('');
    element('report-send').disabled = false;
    this.#dialog.showModal();
  }

  async #send() {
    const session = this.#about;
    if (!session) return;
    const form = new FormData(this.#form);
    const reason = /** @type {import('/sdk/index.js').ReportReason} */ (String(form.get('reason')));
    element('report-send').disabled = true;
    try {
      await session.report(reason, { comment: String(form.get('comment')).trim() });
      this.#onSent();
      this.#say(SENT);
    } catch (error) {
      const isTwice = error instanceof DuologueError && error.code === 'conflict';
      element('report-send').disabled = isTwice;
      this.#say(isTwice ? TWICE : FAILED);
    }
  }

  /** @param {string} text */
  #say(text) {
    this.#outcome.textContent = text;
    this.#outcome.hidden = text === '';
    if (text) announce(text);
  }
}
