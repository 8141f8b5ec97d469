/** Reactions that the page offers. */
export const EMOJI = ['👍', '❤️', '😂', '😮', '😢', '🎉'];

/** Words for how far an own message has got. */
const TICKS = { pending: '', sent: '✓', delivered: '✓✓', seen: '✓✓', failed: '' };
const TICK_NAMES = { pending: 'Sending', sent: 'Sent', delivered: 'Delivered', seen: 'Seen', failed: 'Not sent' };

/**
 * What an item shows of a message, sent or on its way.
 *
 * @typedef {object} ItemContent
 * @property {import('/sdk/index.js').ChatKind} kind
 * @property {string} text
 * @property {{ name: string, size: number, url: string } | null} file
 * @property {string | null} replyTo
 *
 * @typedef {object} ItemActions
 * @property {(item: ChatItem) => void} reply
 * @property {(item: ChatItem, emoji: string, remove: boolean) => void} react
 * @property {(item: ChatItem) => void} remove
 * @property {(item: ChatItem) => void} retry
 * @property {(item: ChatItem) => void} breakOff
 * @property {(mid: string) => ChatItem | null} find
 */

/** One message in the list. */
export class ChatItem {
  /** Its place in the list. */
  element = document.createElement('li');
  /** The name that the server gave it. @type {string | null} */
  mid = null;
  deleted = false;
  #actions;
  /** @type {keyof typeof TICKS} */
  #state = 'sent';
  #ticks = node('span', 'ticks');
  #time = document.createElement('time');
  #body = node('div', 'body');
  #note = node('div', 'note');
  #reactions = node('ul', 'reactions');
  #picker = node('div', 'picker');
  /** Who reacted with what. @type {Map<string, Set<string>>} */
  #reactorsByEmoji = new Map();

  /**
   * @param {boolean} own
   * @param {ItemContent} content
   * @param {ItemActions} actions
   */
  constructor(own, content, actions) {
    this.own = own;
    this.content = content;
    this.#actions = actions;
    this.element.className = own ? 'message own' : 'message';
    this.element.dataset.testid = own ? 'message-own' : 'message-peer';
    this.element.dataset.kind = content.kind;
    this.element.tabIndex = -1;
    const who = node('span', 'visually-hidden');
    who.textContent = own ? 'You: ' : 'They: ';
    this.#ticks.dataset.testid = 'ticks';
    const foot = node('div', 'foot');
    foot.append(this.#time, this.#ticks);
    this.#picker.hidden = true;
    this.#reactions.dataset.testid = 'reactions';
    this.element.append(who, this.#body, this.#note, this.#reactions, foot, this.#makeActions(), this.#picker);
    this.#fill();
    this.at(Date.now());
  }

  /** What others see of it in a quote. */
  get summary() {
    if (this.deleted) return 'A deleted message';
    const { kind, text, file } = this.content;
    if (kind === 'voice') return text || 'A voice note';
    if (kind === 'image') return text || 'A picture';
    return text || file?.name || '';
  }

  get state() {
    return this.#state;
  }

  /** @param {number} ts Unix milliseconds. */
  at(ts) {
    this.#time.textContent = new Date(ts).toLocaleTimeString([], { timeStyle: 'short' });
  }

  /**
   * How far it has got.
   *
   * @param {keyof typeof TICKS} state
   */
  become(state) {
    this.#state = state;
    for (const name of ['pending', 'failed']) this.element.classList.toggle(name, state === name);
    this.element.dataset.state = state;
    if (!this.own) return;
    this.#ticks.textContent = TICKS[state];
    this.#ticks.setAttribute('role', 'img');
    this.#ticks.setAttribute('aria-label', TICK_NAMES[state]);
  }

  /**
   * Shows how much of its file has left.
   *
   * @param {number} part 0 to 1.
   */
  progress(part) {
    let bar = this.#note.querySelector('progress');
    if (!bar) {
      bar = document.createElement('progress');
      bar.setAttribute('aria-label', 'Upload');
      bar.dataset.testid = 'upload-progress';
      const stop = button('Cancel', () => this.#actions.breakOff(this));
      stop.dataset.testid = 'upload-cancel';
      this.#note.replaceChildren(bar, stop);
    }
    bar.value = part;
  }

  /** It is there: no bar and no complaint any more. */
  settle() {
    this.#note.replaceChildren();
  }

  /** @param {string} why */
  fail(why) {
    this.become('failed');
    const words = node('span', 'why');
    words.textContent = why;
    words.setAttribute('role', 'alert');
    this.#note.replaceChildren(words, button('Try again', () => this.#actions.retry(this)));
  }

  /**
   * @param {string} by An alias, or our own.
   * @param {string} emoji
   * @param {boolean} remove
   * @param {string} self
   */
  react(by, emoji, remove, self) {
    const reactors = this.#reactorsByEmoji.get(emoji) ?? new Set();
    if (remove) reactors.delete(by);
    else reactors.add(by);
    if (reactors.size > 0) this.#reactorsByEmoji.set(emoji, reactors);
    else this.#reactorsByEmoji.delete(emoji);
    this.#reactions.replaceChildren(
      ...[...this.#reactorsByEmoji].map(([shown, all]) => {
        const isOwn = all.has(self);
        const toggle = button(`${shown} ${all.size}`, () => this.#actions.react(this, shown, isOwn));
        toggle.setAttribute('aria-pressed', String(isOwn));
        const entry = document.createElement('li');
        entry.append(toggle);
        return entry;
      }),
    );
  }

  /** Takes away what it says. */
  erase() {
    this.deleted = true;
    this.element.classList.add('deleted');
    this.#body.replaceChildren(Object.assign(document.createElement('em'), { textContent: 'Deleted' }));
    this.#reactions.replaceChildren();
    this.#picker.hidden = true;
    this.element.querySelector('.actions-of-message')?.remove();
  }

  flash() {
    this.element.scrollIntoView({ block: 'nearest' });
    this.element.focus();
  }

  #fill() {
    const { kind, text, file, replyTo } = this.content;
    const quoted = replyTo ? this.#actions.find(replyTo) : null;
    if (replyTo) {
      const quote = button(quoted?.summary ?? 'An earlier message', () => quoted?.flash());
      quote.className = 'quote';
      quote.dataset.testid = 'quote';
      this.#body.append(quote);
    }
    if (file && kind === 'image') this.#body.append(picture(file));
    else if (file && kind === 'voice') this.#body.append(sound(file));
    else if (file) this.#body.append(attachment(file));
    if (!text) return;
    const words = document.createElement('span');
    words.textContent = text;
    this.#body.append(words);
  }

  #makeActions() {
    const actions = node('div', 'actions-of-message');
    const reply = button('Answer', () => this.#actions.reply(this));
    reply.dataset.testid = 'message-reply';
    const react = button('React', () => this.#togglePicker(react));
    react.dataset.testid = 'message-react';
    react.setAttribute('aria-expanded', 'false');
    actions.append(reply, react);
    if (this.own) {
      const remove = button('Delete', () => this.#actions.remove(this));
      remove.dataset.testid = 'message-delete';
      actions.append(remove);
    }
    return actions;
  }

  /** @param {HTMLButtonElement} opener */
  #togglePicker(opener) {
    const close = () => {
      this.#picker.hidden = true;
      opener.setAttribute('aria-expanded', 'false');
      opener.focus();
    };
    if (!this.#picker.hidden) return close();
    this.#picker.setAttribute('role', 'group');
    this.#picker.setAttribute('aria-label', 'Reactions');
    this.#picker.replaceChildren(
      ...EMOJI.map((emoji) => {
        const pick = button(emoji, () => {
          close();
          this.#actions.react(this, emoji, false);
        });
        pick.dataset.testid = 'pick';
        return pick;
      }),
    );
    this.#picker.onkeydown = (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      close();
    };
    this.#picker.hidden = false;
    opener.setAttribute('aria-expanded', 'true');
    /** @type {HTMLElement} */ (this.#picker.firstElementChild).focus();
  }
}

/** @param {{ name: string, url: string }} file */
function picture({ name, url }) {
  const link = document.createElement('a');
  link.className = 'picture';
  link.href = url;
  link.target = '_blank';
  link.rel = 'noopener';
  const image = document.createElement('img');
  image.src = url;
  image.alt = name;
  image.dataset.testid = 'picture';
  link.append(image);
  return link;
}

/** @param {{ url: string }} file */
function sound({ url }) {
  const audio = document.createElement('audio');
  audio.controls = true;
  audio.preload = 'metadata';
  audio.src = url;
  audio.dataset.testid = 'voice-note';
  audio.setAttribute('aria-label', 'Voice note');
  return audio;
}

/** @param {{ name: string, size: number, url: string }} file */
function attachment({ name, size, url }) {
  const link = document.createElement('a');
  link.className = 'attachment';
  link.href = url;
  link.download = name;
  link.dataset.testid = 'attachment';
  link.textContent = `${name} (${sizeText(size)})`;
  return link;
}

/** @param {number} bytes */
function sizeText(bytes) {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} KB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/**
 * @param {string} tag
 * @param {string} className
 */
function node(tag, className) {
  return Object.assign(document.createElement(tag), { className });
}

/**
 * @param {string} label
 * @param {() => void} onClick
 */
function button(label, onClick) {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = label;
  made.addEventListener('click', onClick);
  return made;
}

