import { element } from '../page.js';

/**
 * Asks before something is done that cannot be taken back.
 *
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text
 * @property {string} yes What the button says.
 * @property {boolean} [asksWhy] Whether a reason may be given.
 * @property {(reason: string) => Promise<void>} act Its error is shown, and the question stays.
 */
export class Confirm {
  #dialog = element('confirm');
  #yes = element('confirm-yes');
  #reason = element('confirm-reason');
  #problem = element('confirm-problem');
  /** @type {Question | null} */
  #question = null;

  constructor() {
    element('confirm-no').addEventListener('click', () => this.#dialog.close());
    element('confirm-form').addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#act();
    });
  }

  /** @param {Question} question */
  ask(question) {
    this.#question = question;
    element('confirm-title').textContent = question.title;
    element('confirm-text').textContent = question.text;
    element('confirm-field').hidden = question.asksWhy !== true;
    this.#yes.textContent = question.yes;
    this.#yes.disabled = false;
    this.#reason.value = '';
    this.#problem.textContent = '';
    this.#dialog.showModal();
  }

  async #act() {
    const question = this.#question;
    if (!question) return;
    this.#yes.disabled = true;
    try {
      await question.act(this.#reason.value.trim());
      this.#dialog.close();
    } catch (error) {
      this.#problem.textContent = error instanceof Error ? error.message : String(error);
    } finally {
      this.#yes.disabled = false;
    }
  }
}
