import { element } from '../page.js';

/**
 * What a link to a room says, behind its `#`: browsers keep that part to themselves, so no server or
 * proxy ever has the ticket in its log.
 *
 * @typedef {{ room: string, ticket: string | null }} Invitation
 */

/** @returns {Invitation | null} */
export function readInvitation() {
  const said = new URLSearchParams(location.hash.slice(1));
  const room = said.get('room');
  return room ? { room, ticket: said.get('ticket') } : null;
}

/** @param {Invitation} invitation */
export function linkTo({ room, ticket }) {
  const said = new URLSearchParams({ room, ...(ticket && { ticket }) });
  return `${location.origin}${location.pathname}#${said}`;
}

/** The panel that makes a link for others and copies it. */
export class InvitePanel {
  #panel = element('invite-panel');
  #button = element('open-invite');
  #link = element('invite-link');
  #makeLink;

  /** @param {() => Promise<string>} makeLink */
  constructor(makeLink) {
    this.#makeLink = makeLink;
    this.#button.addEventListener('click', () => this.toggle(this.#panel.hidden));
    element('alone-invite').addEventListener('click', () => this.toggle(true));
    this.#panel.querySelector('[data-close]').addEventListener('click', () => {
      this.toggle(false);
      this.#button.focus();
    });
    element('copy-invite').addEventListener('click', () => this.#copy());
    this.#link.addEventListener('focus', () => this.#link.select());
  }

  get open() {
    return !this.#panel.hidden;
  }

  /** @param {boolean} open */
  async toggle(open) {
    this.#panel.hidden = !open;
    this.#button.setAttribute('aria-expanded', String(open));
    if (!open) return;
    this.#say('Making a link…');
    element('copy-invite').focus();
    try {
      this.#link.value = await this.#makeLink();
      this.#say('Whoever has this link can come in, for a day from now.');
    } catch {
      this.#link.value = '';
      this.#say('No link could be made. Try again in a moment.');
    }
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#link.value);
      this.#say('Copied. Send it to those you want here.');
    } catch {
      // Not every page may write there; then the hand does it.
      this.#link.focus();
      this.#say('Copy the link above with your keyboard.');
    }
  }

  /** @param {string} text */
  #say(text) {
    element('invite-note').textContent = text;
  }
}
