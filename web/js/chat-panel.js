import { CallReactions } from './call-reactions.js';
import { ChatItem } from './chat-item.js';
import { element } from './page.js';
import { VoiceNotes } from './voice-note.js';

/** What went wrong with a message, in the words of the page. */
const COMPLAINTS = {
  too_large: 'This is too big',
  conflict: 'Your space for files is full. Delete some first',
  rate_limited: 'Too much at once. Wait a moment',
  unavailable: 'Not sent. The server cannot take it now',
  ended: 'Not sent. The call is over',
};

/**
 * The chat of a call.
 *
 * @typedef {import('/sdk/index.js').Session} Session
 * @typedef {{ blob: File, kind: 'voice' | 'image' | 'file', signal: AbortController } | null} Parcel
 */
export class ChatPanel {
  #panel = element('chat-panel');
  #button = element('toggle-chat');
  #list = element('messages');
  #input = element('chat-input');
  #voice;
  #takesFiles;
  #reactions = new CallReactions();
  #unread = 0;
  /** @type {Session | null} */
  #session = null;
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

  /** @param {{ microphone: () => MediaStreamTrack | null, takesFiles: () => boolean }} around */
  constructor({ microphone, takesFiles }) {
    this.#takesFiles = takesFiles;
    this.#button.addEventListener('click', () => this.toggle(this.#panel.hidden));
    this.#panel.querySelector('[data-close]').addEventListener('click', () => {
      this.toggle(false);
      this.#button.focus();
    });
    element('composer').addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#sendText();
    });
    this.#input.addEventListener('input', () => this.#session?.chat.typing(this.#input.value !== ''));
    this.#input.addEventListener('blur', () => this.#session?.chat.typing(false));
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
      track: microphone,
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

  /** @param {Session} session */
  follow(session) {
    this.#session = session;
    this.#reactions.follow(session);
    for (const id of ['attach', 'voice-record']) element(id).hidden = !this.#takesFiles();
    this.#items = [];
    this.#peer = { delivered: '', read: '' };
    for (const url of this.#objectUrls.splice(0)) URL.revokeObjectURL(url);
    this.#list.replaceChildren();
    this.#input.value = '';
    this.#answer(null);
    this.#complain('');
    this.#voice.discard();
    this.#setUnread(0);
    session.on('message', (message) => this.#receive(message));
    session.on('receipt', ({ deliveredTo, readTo }) => this.#onReceipt(deliveredTo ?? '', readTo ?? ''));
    session.on('reaction', ({ mid, from, emoji, remove }) => {
      if (mid) this.#find(mid)?.react(from, emoji, remove, session.self);
    });
    session.on('deleted', ({ mid }) => this.#find(mid)?.erase());
    session.on('typing', ({ on }) => this.#complain(on ? 'They are writing…' : ''));
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

  #sendText() {
    const text = this.#input.value.trim();
    if (!text || !this.#session) return;
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
    if (!this.#session || !this.#takesFiles()) return;
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
    const item = this.#makeItem(true, content);
    if (parcel) this.#parcelByItem.set(item, parcel);
    this.#items.push(item);
    this.#list.append(item.element);
    this.#scrollDown();
    this.#dispatch(item);
  }

  /** @param {ChatItem} item */
  async #dispatch(item) {
    const session = this.#session;
    if (!session) return;
    const { text, replyTo } = item.content;
    const options = replyTo ? { replyTo } : {};
    const parcel = this.#parcelByItem.get(item);
    item.settle();
    item.become('pending');
    try {
      const sent = parcel
        ? await session.chat.sendFile(parcel.blob, {
            ...options,
            kind: parcel.kind,
            signal: parcel.signal.signal,
            onProgress: ({ sent: bytes, total }) => item.progress(bytes / total),
          })
        : await session.chat.send(text, options);
      item.mid = sent.mid;
      item.element.dataset.mid = sent.mid;
      item.at(sent.ts);
      item.settle();
      this.#place(item);
      this.#tick(item);
    } catch (error) {
      const code = /** @type {{ code?: string }} */ (error).code ?? '';
      if (code === 'cancelled') this.#drop(item);
      else item.fail(COMPLAINTS[/** @type {keyof typeof COMPLAINTS} */ (code)] ?? (parcel ? 'This file is not taken' : 'Not sent'));
    }
  }

  /** @param {import('/sdk/index.js').ChatMessage} message */
  #receive({ mid, ts, kind, text, file, replyTo }) {
    const item = this.#makeItem(false, { kind, text, file, replyTo });
    item.mid = mid;
    item.element.dataset.mid = mid;
    item.at(ts);
    item.become('sent');
    this.#items.push(item);
    this.#place(item);
    this.#scrollDown();
    if (this.open) this.#markRead();
    else this.#setUnread(this.#unread + 1);
  }

  /**
   * @param {boolean} own
   * @param {import('./chat-item.js').ItemContent} content
   */
  #makeItem(own, content) {
    return new ChatItem(own, content, {
      reply: (item) => this.#answer(item),
      react: (item, emoji, remove) => this.#react(item, emoji, remove),
      remove: (item) => this.#remove(item),
      retry: (item) => this.#dispatch(item),
      breakOff: (item) => this.#parcelByItem.get(item)?.signal.abort(),
      find: (mid) => this.#find(mid),
    });
  }

  /**
   * Puts an item where it belongs: what was missed may come after what is new.
   *
   * @param {ChatItem} item
   */
  #place(item) {
    this.#items.splice(this.#items.indexOf(item), 1);
    const later = this.#items.findIndex(({ mid }) => mid === null || (item.mid !== null && mid > item.mid));
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
    const session = this.#session;
    if (!session || !item.mid) return;
    item.react(session.self, emoji, remove, session.self);
    try {
      await session.chat.react(emoji, item.mid, { remove });
    } catch {
      item.react(session.self, emoji, !remove, session.self);
    }
  }

  /** @param {ChatItem} item */
  async #remove(item) {
    if (!item.mid) return this.#drop(item);
    try {
      await this.#session?.chat.remove(item.mid);
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
    if (this.open && document.visibilityState === 'visible') this.#session?.chat.markRead();
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
