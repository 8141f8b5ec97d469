import { element } from './page.js';

/** The chat of a call. */
export class ChatPanel {
  #panel = element('chat-panel');
  #button = element('toggle-chat');
  #list = element('messages');
  #input = element('chat-input');
  #unread = 0;
  /** @type {import('/sdk/index.js').Session | null} */
  #session = null;
  /** Everything said so far, in the order shown. @type {{ own: boolean, text: string }[]} */
  log = [];

  constructor() {
    this.#button.addEventListener('click', () => this.toggle(this.#panel.hidden));
    this.#panel.querySelector('[data-close]').addEventListener('click', () => {
      this.toggle(false);
      this.#button.focus();
    });
    element('composer').addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#send();
    });
    this.#input.addEventListener('input', () => this.#session?.chat.typing(this.#input.value !== ''));
    this.#input.addEventListener('blur', () => this.#session?.chat.typing(false));
  }

  get open() {
    return !this.#panel.hidden;
  }

  /** @param {import('/sdk/index.js').Session} session */
  follow(session) {
    this.#session = session;
    this.log = [];
    this.#list.replaceChildren();
    this.#input.value = '';
    this.#setUnread(0);
    element('typing').textContent = '';
    session.on('message', ({ text }) => this.#receive(text));
    session.on('typing', ({ on }) => {
      element('typing').textContent = on ? 'They are writing…' : '';
    });
  }

  /** @param {boolean} open */
  toggle(open) {
    this.#panel.hidden = !open;
    this.#button.setAttribute('aria-expanded', String(open));
    if (!open) return;
    this.#setUnread(0);
    this.#scrollDown();
    this.#input.focus();
  }

  async #send() {
    const text = this.#input.value.trim();
    const session = this.#session;
    if (!text || !session) return;
    this.#input.value = '';
    const item = this.#append(text, true);
    item.classList.add('pending');
    try {
      await session.chat.send(text);
      item.classList.remove('pending');
    } catch {
      item.classList.replace('pending', 'failed');
      item.append(small('Not sent'));
    }
  }

  /** @param {string} text */
  #receive(text) {
    this.#append(text, false);
    if (!this.open) this.#setUnread(this.#unread + 1);
  }

  /**
   * @param {string} text
   * @param {boolean} own
   */
  #append(text, own) {
    this.log.push({ own, text });
    const item = document.createElement('li');
    item.className = own ? 'message own' : 'message';
    item.dataset.testid = own ? 'message-own' : 'message-peer';
    const who = document.createElement('span');
    who.className = 'visually-hidden';
    who.textContent = own ? 'You: ' : 'They: ';
    const words = document.createElement('span');
    words.textContent = text;
    item.append(who, words, small(new Date().toLocaleTimeString([], { timeStyle: 'short' })));
    this.#list.append(item);
    this.#scrollDown();
    return item;
  }

  #scrollDown() {
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** @param {number} unread */
  #setUnread(unread) {
    this.#unread = unread;
    const badge = element('chat-badge');
    badge.hidden = unread === 0;
    badge.textContent = unread > 9 ? '9+' : String(unread);
    this.#button.setAttribute('aria-label', unread > 0 ? `Chat, ${unread} unread` : 'Chat');
  }
}

/** @param {string} text */
function small(text) {
  const time = document.createElement('time');
  time.textContent = text;
  return time;
}
