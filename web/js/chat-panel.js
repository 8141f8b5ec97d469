import { ChatItem } from './chat-item.js';
import { element } from './page.js';
import { VoiceNotes } from './voice-note.js';

/** What went wrong with a message, in the words of the page. */
const COMPLAINTS = {
  too_large: 'This is too big',
  conflict: 'Your space for files is full. Delete some first',
  rate_limited: 'Too much at once. Wait a moment',
  unavailable: 'Not sent. The server cannot take it now',
};

/**
 * The chat of a call or room.
 *
 * @typedef {object} Place Where people write: a session or a room.
 * @property {string} self Our own alias there.
 * @property {import('/sdk/index.js').Chat} chat
 *
 * @typedef {object} PanelAround
 * @property {() => MediaStreamTrack | null} microphone
 * @property {() => boolean} takesFiles Whether the server does.
 * @property {string} over What is said of a message that comes too late.
 * @property {(alias: string) => string} [nameOf] What people are called, where there are several: their messages bear
 *   it then, and what was said before we came is shown.
 *
 * @typedef {{ blob: File, kind: 'voice' | 'image' | 'file', signal: AbortController } | null} Parcel
 */
export class ChatPanel {
  #panel = element('chat-panel');
  #button = element('toggle-chat');
  #list = element('messages');
  #input = element('chat-input');
  #voice;
  #around;
  #unread = 0;
  /** @type {Place | null} */
  #place = null;
  /** Who writes now, by alias. @type {Set<string>} */
  #writing = new Set();
  /** Everything said so far, in the order of sending. @type {ChatItem[]} */
  #items = [];
  /** What own items carry. @type {WeakMap<ChatItem, NonNullable<Parcel>>} */
  #parcelByItem = new WeakMap();
  /** @type {string[]} */
  #objectUrls = [];
  /** @type {ChatItem | null} */
  #answered = null;
  /** How far the other side has got. */
  #peer = { delivered: '', read: '' };

  /** @param {PanelAround} around */
  constructor(around) {
    this.#around = around;
    this.#button.addEventListener('click', () => this.toggle(this.#panel.hidden));
    this.#panel.querySelector('[data-close]').addEventListener('click', () => {
      this.toggle(false);
      this.#button.focus();
    });
    element('composer').addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#sendText();
    });
    this.#input.addEventListener('input', () => this.#place?.chat.typing(this.#input.value !== ''));
    this.#input.addEventListener('blur', () => this.#place?.chat.typing(false));
    this.#input.addEventListener('paste', (/** @type {ClipboardEvent} */ event) => this.#onFiles(event, event.clipboardData));
    this.#panel.addEventListener('dragover', (/** @type {Event} */ event) => event.preventDefault());
    this.#panel.addEventListener('drop', (/** @type {DragEvent} */ event) => this.#onFiles(event, event.dataTransfer));
    element('attach').addEventListener('click', () => element('attach-input').click());
    element('attach-input').addEventListener('change', (/** @type {Event} */ { target }) => {
      const input = /** @type {HTMLInputElement} */ (target);
      for (const file of input.files ?? []) this.#sendFile(file);
      input.value = '';
    });
    element('reply-cancel').addEventListener('click', () => this.#answer(null));
    this.#voice = new VoiceNotes({
      track: around.microphone,
      send: (file) => this.#sendFile(file, 'voice'),
      complain: (text) => this.#complain(text),
    });
    // Pictures have no height before they are there.
    this.#list.addEventListener('load', () => this.#scrollDown(), true);
    document.addEventListener('visibilitychange', () => this.#markRead());
  }

  get open() {
    return !this.#panel.hidden;
  }

  /** Everything said so far, for the counters of the page. */
  get log() {
    return this.#items.map(({ own, mid, content, state }) => ({ own, mid, kind: content.kind, text: content.text, state }));
  }

  /** @param {Place} place */
  follow(place) {
    this.#place = place;
    for (const id of ['attach', 'voice-record']) element(id).hidden = !this.#around.takesFiles();
    this.#items = [];
    this.#peer = { delivered: '', read: '' };
    for (const url of this.#objectUrls.splice(0)) URL.revokeObjectURL(url);
    this.#list.replaceChildren();
    this.#writing.clear();
    this.#input.value = '';
    this.#answer(null);
    this.#complain('');
    this.#voice.discard();
    this.#setUnread(0);
    const { chat } = place;
    chat.on('message', (message) => {
      if (!this.#receive(message, place)) return;
      if (this.open) this.#markRead();
      else this.#setUnread(this.#unread + 1);
    });
    // Of several nobody says who has got how far.
    if (!this.#around.nameOf) {
      chat.on('receipt', ({ deliveredTo, readTo }) => this.#onReceipt(deliveredTo ?? '', readTo ?? ''));
    }
    chat.on('reaction', ({ mid, from, emoji, remove }) => {
      if (mid) this.#find(mid)?.react(from, emoji, remove, place.self);
    });
    chat.on('deleted', ({ mid }) => this.#find(mid)?.erase());
    if (this.#around.nameOf) this.#catchUp(place);
  }

  /**
   * Shows who writes.
   *
   * @param {string} who An alias.
   * @param {boolean} on
   */
  setWriting(who, on) {
    if (on) this.#writing.add(who);
    else this.#writing.delete(who);
    const { nameOf } = this.#around;
    const names = [...this.#writing].map((alias) => nameOf?.(alias) ?? 'They');
    const text = names.length > 2 ? 'Several people' : names.join(' and ');
    const isOne = names.length === 1 && nameOf;
    this.#complain(names.length > 0 ? `${text} ${isOne ? 'is' : 'are'} writing…` : '');
  }

  /** @param {boolean} open */
  toggle(open) {
    this.#panel.hidden = !open;
    this.#button.setAttribute('aria-expanded', String(open));
    if (!open) return;
    this.#setUnread(0);
    this.#markRead();
    this.#scrollDown();
    this.#input.focus();
  }

  /** @param {string} text A line below the messages. */
  #complain(text) {
    element('typing').textContent = text;
  }

  /**
   * Shows what was said before we came.
   *
   * @param {Place} place
   */
  async #catchUp(place) {
    try {
      const { messages, lost } = await place.chat.history();
      if (this.#place !== place) return;
      for (const { deleted, reactions, ...message } of messages) {
        if (deleted || !this.#receive(message, place)) continue;
        for (const { from, emoji } of reactions) this.#find(message.mid)?.react(from, emoji, false, place.self);
      }
      if (lost) this.#complain(lost.count === 1 ? 'One earlier message was not kept' : `${lost.count} earlier messages were not kept`);
    } catch (error) {
      console.warn('chat.history', error);
    }
  }

  #sendText() {
    const text = this.#input.value.trim();
    if (!text || !this.#place) return;
    this.#input.value = '';
    this.#send({ kind: 'text', text, file: null, replyTo: this.#takeAnswered() }, null);
  }

  /**
   * @param {Event} event
   * @param {DataTransfer | null} data
   */
  #onFiles(event, data) {
    const files = [...(data?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    for (const file of files) this.#sendFile(file);
  }

  /**
   * @param {File} blob
   * @param {'voice' | 'image' | 'file'} [kind]
   */
  #sendFile(blob, kind = isPicture(blob) ? 'image' : 'file') {
    if (!this.#place || !this.#around.takesFiles()) return;
    const url = URL.createObjectURL(blob);
    this.#objectUrls.push(url);
    const file = { name: blob.name, size: blob.size, url };
    const parcel = { blob, kind, signal: new AbortController() };
    this.#send({ kind, text: '', file, replyTo: this.#takeAnswered() }, parcel);
  }

  /**
   * @param {import('./chat-item.js').ItemContent} content
   * @param {Parcel} parcel
   */
  #send(content, parcel) {
    const item = this.#makeItem(null, content);
    if (parcel) this.#parcelByItem.set(item, parcel);
    this.#items.push(item);
    this.#list.append(item.element);
    this.#scrollDown();
    this.#dispatch(item);
  }

  /** @param {ChatItem} item */
  async #dispatch(item) {
    const place = this.#place;
    if (!place) return;
    const { chat } = place;
    const { text, replyTo } = item.content;
    const options = replyTo ? { replyTo } : {};
    const parcel = this.#parcelByItem.get(item);
    item.settle();
    item.become('pending');
    try {
      const sent = parcel
        ? await chat.sendFile(parcel.blob, {
            ...options,
            kind: parcel.kind,
            signal: parcel.signal.signal,
            onProgress: ({ sent: bytes, total }) => item.progress(bytes / total),
          })
        : await chat.send(text, options);
      // It may be of the call before.
      if (this.#place !== place) return;
      // What was loaded meanwhile is the same message.
      const loaded = this.#find(sent.mid);
      if (loaded && loaded !== item) this.#drop(loaded);
      item.at(sent.ts);
      item.settle();
      this.#put(item, sent.mid);
      this.#tick(item);
    } catch (error) {
      const code = /** @type {{ code?: string }} */ (error).code ?? '';
      if (code === 'cancelled') this.#drop(item);
      else item.fail(this.#reason(code) ?? (parcel ? 'This file is not taken' : 'Not sent'));
    }
  }

  /** @param {string} code */
  #reason(code) {
    if (code === 'ended') return this.#around.over;
    return COMPLAINTS[/** @type {keyof typeof COMPLAINTS} */ (code)];
  }

  /**
   * @param {import('/sdk/index.js').ChatMessage} message
   * @param {Place} place
   * @returns {boolean} Whether it is a new one.
   */
  #receive({ mid, from, ts, kind, text, file, replyTo }, place) {
    if (this.#find(mid)) return false;
    const item = this.#makeItem(from === place.self ? null : from, { kind, text, file, replyTo });
    item.at(ts);
    item.become('sent');
    this.#items.push(item);
    this.#put(item, mid);
    this.#scrollDown();
    return true;
  }

  /**
   * @param {string | null} from An alias; null: ourselves.
   * @param {import('./chat-item.js').ItemContent} content
   */
  #makeItem(from, content) {
    const item = new ChatItem(from === null, content, {
      reply: (answered) => this.#answer(answered),
      react: (to, emoji, remove) => this.#react(to, emoji, remove),
      remove: (unwanted) => this.#remove(unwanted),
      retry: (failed) => this.#dispatch(failed),
      breakOff: (sending) => this.#parcelByItem.get(sending)?.signal.abort(),
      find: (mid) => this.#find(mid),
    });
    const { nameOf } = this.#around;
    const who = item.element.querySelector('.visually-hidden');
    if (nameOf && from !== null && who) {
      who.className = 'message-from';
      who.textContent = `${nameOf(from)}: `;
    }
    return item;
  }

  /**
   * Puts an item where it belongs: what was missed may come after what is new.
   *
   * @param {ChatItem} item
   * @param {string} mid
   */
  #put(item, mid) {
    item.mid = mid;
    item.element.dataset.mid = mid;
    this.#items.splice(this.#items.indexOf(item), 1);
    const later = this.#items.findIndex((other) => other.mid === null || other.mid > mid);
    const at = later < 0 ? this.#items.length : later;
    const before = this.#items[at]?.element ?? null;
    this.#items.splice(at, 0, item);
    if (item.element.nextElementSibling !== before || !item.element.isConnected) this.#list.insertBefore(item.element, before);
  }

  /** @param {ChatItem} item */
  #drop(item) {
    item.element.remove();
    this.#items = this.#items.filter((other) => other !== item);
  }

  /** @param {string} mid */
  #find(mid) {
    return this.#items.find((item) => item.mid === mid) ?? null;
  }

  /** @param {ChatItem | null} item */
  #answer(item) {
    this.#answered = item;
    element('reply-bar').hidden = item === null;
    element('reply-quote').textContent = item?.summary ?? '';
    if (item) this.#input.focus();
  }

  #takeAnswered() {
    const mid = this.#answered?.mid ?? null;
    this.#answer(null);
    return mid;
  }

  /**
   * @param {ChatItem} item
   * @param {string} emoji
   * @param {boolean} remove
   */
  async #react(item, emoji, remove) {
    const place = this.#place;
    if (!place || !item.mid) return;
    item.react(place.self, emoji, remove, place.self);
    try {
      await place.chat.react(emoji, item.mid, { remove });
    } catch {
      item.react(place.self, emoji, !remove, place.self);
    }
  }

  /** @param {ChatItem} item */
  async #remove(item) {
    if (!item.mid) return this.#drop(item);
    try {
      await this.#place?.chat.remove(item.mid);
      item.erase();
    } catch {
      this.#complain('Not deleted');
    }
  }

  /**
   * @param {string} delivered
   * @param {string} read
   */
  #onReceipt(delivered, read) {
    if (delivered > this.#peer.delivered) this.#peer.delivered = delivered;
    if (read > this.#peer.read) this.#peer.read = read;
    for (const item of this.#items) this.#tick(item);
  }

  /** @param {ChatItem} item */
  #tick(item) {
    if (!item.own || !item.mid) return;
    if (item.mid <= this.#peer.read) item.become('seen');
    else item.become(item.mid <= this.#peer.delivered ? 'delivered' : 'sent');
  }

  #markRead() {
    if (this.open && document.visibilityState === 'visible') this.#place?.chat.markRead();
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

/** @param {File} file */
function isPicture({ type }) {
  return ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'].includes(type);
}
