import { ChatItem } from '../chat-item.js';
import { element } from '../page.js';
import { VoiceNotes } from '../voice-note.js';
import { personOf } from './names.js';

const PICTURES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'];

/** What went wrong with a message, in the words of the page. */
const COMPLAINTS = {
  too_large: 'This is too big',
  conflict: 'Your space for files is full. Delete some first',
  rate_limited: 'Too much at once. Wait a moment',
  unavailable: 'Not sent. The server cannot take it now',
  ended: 'Not sent. You are not in the room any more',
};

/**
 * The chat of a room: what was said before we came, and what is said now.
 *
 * @typedef {{ blob: File, kind: 'voice' | 'image' | 'file', signal: AbortController }} Parcel
 */
export class RoomChat {
  #panel = element('chat-panel');
  #button = element('toggle-chat');
  #list = element('messages');
  #input = element('chat-input');
  #takesFiles;
  #voice;
  #unread = 0;
  /** Who writes now, by alias. @type {Map<string, string>} */
  #writing = new Map();
  /** What is shown, by the server's name of it. @type {Map<string, ChatItem>} */
  #itemByMid = new Map();
  /** What own items carry. @type {WeakMap<ChatItem, Parcel>} */
  #parcelByItem = new WeakMap();
  /** @type {string[]} */
  #objectUrls = [];
  /** @type {ChatItem | null} */
  #answered = null;
  /** @type {import('/sdk/index.js').Room | null} */
  #room = null;

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
    this.#input.addEventListener('input', () => this.#room?.chat.typing(this.#input.value !== ''));
    this.#input.addEventListener('blur', () => this.#room?.chat.typing(false));
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
      complain: (text) => this.#say(text),
    });
    // Pictures have no height before they are there.
    this.#list.addEventListener('load', () => this.#scrollDown(), true);
  }

  get open() {
    return !this.#panel.hidden;
  }

  /** @param {import('/sdk/index.js').Room} room */
  follow(room) {
    this.#room = room;
    for (const id of ['attach', 'voice-record']) element(id).hidden = !this.#takesFiles();
    for (const url of this.#objectUrls.splice(0)) URL.revokeObjectURL(url);
    this.#list.replaceChildren();
    this.#itemByMid.clear();
    this.#writing.clear();
    this.#input.value = '';
    this.#answer(null);
    this.#voice.discard();
    this.#setUnread(0);
    this.#showWriting();
    room.on('message', (message) => {
      if (!this.#receive(message, room)) return;
      if (this.open) room.chat.markRead();
      else this.#setUnread(this.#unread + 1);
    });
    room.on('deleted', ({ mid }) => this.#itemByMid.get(mid)?.erase());
    room.on('reaction', ({ mid, from, emoji, remove }) => {
      if (mid) this.#itemByMid.get(mid)?.react(from, emoji, remove, room.self);
    });
    room.on('typing', ({ peer, on }) => {
      if (on) this.#writing.set(peer.id, personOf(peer.id).name);
      else this.#writing.delete(peer.id);
      this.#showWriting();
    });
    this.#catchUp(room);
  }

  /** @param {boolean} open */
  toggle(open) {
    this.#panel.hidden = !open;
    this.#button.setAttribute('aria-expanded', String(open));
    if (!open) return;
    this.#setUnread(0);
    this.#room?.chat.markRead();
    this.#scrollDown();
    this.#input.focus();
  }

  /**
   * Shows what was said before we came.
   *
   * @param {import('/sdk/index.js').Room} room
   */
  async #catchUp(room) {
    try {
      const { messages } = await room.history();
      if (this.#room !== room) return;
      for (const { deleted, reactions, ...message } of messages) {
        if (deleted || !this.#receive(message, room)) continue;
        for (const { from, emoji } of reactions) this.#itemByMid.get(message.mid)?.react(from, emoji, false, room.self);
      }
    } catch (error) {
      console.warn('chat.history', error);
    }
  }

  #sendText() {
    const text = this.#input.value.trim();
    if (!text || !this.#room) return;
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
  #sendFile(blob, kind = PICTURES.includes(blob.type) ? 'image' : 'file') {
    if (!this.#room || !this.#takesFiles()) return;
    const url = URL.createObjectURL(blob);
    this.#objectUrls.push(url);
    const file = { name: blob.name, size: blob.size, url };
    this.#send({ kind, text: '', file, replyTo: this.#takeAnswered() }, { blob, kind, signal: new AbortController() });
  }

  /**
   * @param {import('../chat-item.js').ItemContent} content
   * @param {Parcel | null} parcel
   */
  #send(content, parcel) {
    const item = this.#makeItem(null, content);
    if (parcel) this.#parcelByItem.set(item, parcel);
    this.#list.append(item.element);
    this.#scrollDown();
    this.#dispatch(item);
  }

  /** @param {ChatItem} item */
  async #dispatch(item) {
    const room = this.#room;
    if (!room) return;
    const { text, replyTo } = item.content;
    const options = replyTo ? { replyTo } : {};
    const parcel = this.#parcelByItem.get(item);
    item.settle();
    item.become('pending');
    try {
      const { mid, ts } = parcel
        ? await room.chat.sendFile(parcel.blob, {
            ...options,
            kind: parcel.kind,
            signal: parcel.signal.signal,
            onProgress: ({ sent, total }) => item.progress(sent / total),
          })
        : await room.chat.send(text, options);
      item.at(ts);
      item.settle();
      item.become('sent');
      // What was loaded meanwhile is the same message.
      this.#itemByMid.get(mid)?.element.remove();
      this.#place(item, mid);
    } catch (error) {
      const code = /** @type {{ code?: string }} */ (error).code ?? '';
      if (code === 'cancelled') item.element.remove();
      else item.fail(COMPLAINTS[/** @type {keyof typeof COMPLAINTS} */ (code)] ?? (parcel ? 'This file is not taken' : 'Not sent'));
    }
  }

  /**
   * @param {import('/sdk/index.js').ChatMessage} message
   * @param {import('/sdk/index.js').Room} room
   * @returns {boolean} Whether it is a new one.
   */
  #receive({ mid, from, ts, kind, text, file, replyTo }, room) {
    if (this.#itemByMid.has(mid)) return false;
    const item = this.#makeItem(from === room.self ? null : from, { kind, text, file, replyTo });
    item.at(ts);
    item.become('sent');
    this.#place(item, mid);
    this.#scrollDown();
    return true;
  }

  /**
   * @param {string | null} from An alias; null: ourselves.
   * @param {import('../chat-item.js').ItemContent} content
   */
  #makeItem(from, content) {
    const item = new ChatItem(from === null, content, {
      reply: (answered) => this.#answer(answered),
      react: (to, emoji, remove) => this.#react(to, emoji, remove),
      remove: (unwanted) => this.#remove(unwanted),
      retry: (failed) => this.#dispatch(failed),
      breakOff: (sending) => this.#parcelByItem.get(sending)?.signal.abort(),
      find: (mid) => this.#itemByMid.get(mid) ?? null,
    });
    const who = item.element.querySelector('.visually-hidden');
    if (from !== null && who) {
      who.className = 'message-from';
      who.textContent = `${personOf(from).name}: `;
    }
    return item;
  }

  /**
   * Puts an item where it belongs: names sort in the order of the room.
   *
   * @param {ChatItem} item
   * @param {string} mid
   */
  #place(item, mid) {
    item.mid = mid;
    item.element.dataset.mid = mid;
    this.#itemByMid.set(mid, item);
    const shown = /** @type {HTMLElement[]} */ ([...this.#list.children]);
    const later = shown.find(({ dataset }) => dataset.mid !== undefined && dataset.mid > mid) ?? null;
    if (!item.element.isConnected || later) this.#list.insertBefore(item.element, later);
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
    const room = this.#room;
    if (!room || !item.mid) return;
    item.react(room.self, emoji, remove, room.self);
    try {
      await room.chat.react(emoji, item.mid, { remove });
    } catch {
      item.react(room.self, emoji, !remove, room.self);
    }
  }

  /** @param {ChatItem} item */
  async #remove(item) {
    if (!item.mid) return item.element.remove();
    try {
      await this.#room?.chat.remove(item.mid);
      item.erase();
    } catch {
      this.#say('Not deleted');
    }
  }

  #scrollDown() {
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** @param {string} text A line below the messages. */
  #say(text) {
    element('typing').textContent = text;
  }

  #showWriting() {
    const names = [...this.#writing.values()];
    const who = names.length > 2 ? 'Several people' : names.join(' and ');
    this.#say(names.length > 0 ? `${who} ${names.length === 1 ? 'is' : 'are'} writing…` : '');
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
