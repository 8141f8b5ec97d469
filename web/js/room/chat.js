import { element } from '../page.js';
import { personOf } from './names.js';

/** The chat of a room: what was said before we came, and what is said now. */
export class RoomChat {
  #panel = element('chat-panel');
  #button = element('toggle-chat');
  #list = element('messages');
  #input = element('chat-input');
  #unread = 0;
  /** Who writes now, by alias. @type {Map<string, string>} */
  #writing = new Map();
  /** What is shown, by the server's name of it. @type {Map<string, HTMLElement>} */
  #itemByMid = new Map();
  /** @type {import('/sdk/index.js').Room | null} */
  #room = null;

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
    this.#input.addEventListener('input', () => this.#room?.chat.typing(this.#input.value !== ''));
    this.#input.addEventListener('blur', () => this.#room?.chat.typing(false));
  }

  get open() {
    return !this.#panel.hidden;
  }

  /** @param {import('/sdk/index.js').Room} room */
  follow(room) {
    this.#room = room;
    this.#list.replaceChildren();
    this.#itemByMid.clear();
    this.#writing.clear();
    this.#input.value = '';
    this.#setUnread(0);
    this.#showWriting();
    room.on('message', (message) => {
      if (!this.#receive(message, room)) return;
      if (!this.open) this.#setUnread(this.#unread + 1);
    });
    room.on('deleted', ({ mid }) => this.#itemByMid.get(mid)?.remove());
    room.on('typing', ({ peer, on }) => {
      if (on) this.#writing.set(peer.id, personOf(peer.id).name);
      else this.#writing.delete(peer.id);
      this.#showWriting();
    });
    room.on('rejoined', () => this.#catchUp(room));
    this.#catchUp(room);
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

  /**
   * Shows what was said before we came, or while we were away.
   *
   * @param {import('/sdk/index.js').Room} room
   */
  async #catchUp(room) {
    try {
      const { messages } = await room.history();
      if (this.#room !== room) return;
      for (const message of messages) this.#receive(message, room);
    } catch (error) {
      console.warn('chat.history', error);
    }
  }

  async #send() {
    const text = this.#input.value.trim();
    const room = this.#room;
    if (!text || !room) return;
    this.#input.value = '';
    const item = this.#append({ text, ts: Date.now(), own: true, who: 'You', mid: '' });
    item.classList.add('pending');
    try {
      const { mid } = await room.chat.send(text);
      item.classList.remove('pending');
      this.#name(item, mid);
    } catch {
      item.classList.replace('pending', 'failed');
      item.append(small('Not sent'));
    }
  }

  /**
   * @param {{ mid: string, from: string, ts: number, text: string, deleted?: boolean }} message
   * @param {import('/sdk/index.js').Room} room
   * @returns {boolean} Whether it is a new one.
   */
  #receive({ mid, from, ts, text, deleted = false }, room) {
    if (deleted || this.#itemByMid.has(mid)) return false;
    const own = from === room.self;
    this.#append({ text, ts, own, who: own ? 'You' : personOf(from).name, mid });
    return true;
  }

  /** @param {{ text: string, ts: number, own: boolean, who: string, mid: string }} line */
  #append({ text, ts, own, who, mid }) {
    const item = document.createElement('li');
    item.className = own ? 'message own' : 'message';
    item.dataset.testid = own ? 'message-own' : 'message-peer';
    const name = document.createElement('span');
    name.className = own ? 'visually-hidden' : 'message-from';
    name.textContent = `${who}: `;
    const words = document.createElement('span');
    words.textContent = text;
    item.append(name, words, small(new Date(ts).toLocaleTimeString([], { timeStyle: 'short' })));
    this.#list.insertBefore(item, this.#later(mid));
    if (mid) this.#name(item, mid);
    this.#scrollDown();
    return item;
  }

  /**
   * The first item that was said after a message; names sort in the order of the room.
   *
   * @param {string} mid Empty: nothing is later.
   * @returns {HTMLElement | null}
   */
  #later(mid) {
    if (!mid) return null;
    const items = /** @type {HTMLElement[]} */ ([...this.#list.children]);
    return items.find(({ dataset }) => dataset.mid !== undefined && dataset.mid > mid) ?? null;
  }

  /**
   * @param {HTMLElement} item
   * @param {string} mid
   */
  #name(item, mid) {
    item.dataset.mid = mid;
    // What was loaded meanwhile is the same message.
    this.#itemByMid.get(mid)?.remove();
    this.#itemByMid.set(mid, item);
  }

  #scrollDown() {
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  #showWriting() {
    const names = [...this.#writing.values()];
    const verb = names.length === 1 ? 'is' : 'are';
    const who = names.length > 2 ? 'Several people' : names.join(' and ');
    element('typing').textContent = names.length > 0 ? `${who} ${verb} writing…` : '';
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
