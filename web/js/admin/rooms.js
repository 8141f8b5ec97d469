import { KeyedList, build, factList, writeFacts } from './build.js';
import { Pages, Place } from './place.js';
import { counted, span } from './words.js';

/** Rooms with somebody in them, groups that were matched among them; from here they are cleared. */
export class Rooms extends Place {
  #desk;
  /** @type {Pages<any>} */
  #pages;
  #list = build('ul', { class: 'cards', 'data-testid': 'rooms' });
  #rows;

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('rooms', 'Rooms', 4_000);
    this.#desk = desk;
    this.#pages = new Pages(desk.request, '/v1/admin/rooms', 'rooms');
    this.#rows = new KeyedList(this.#list, (/** @type {any} */ room) => room.room, (room) => this.#row(room));
    this.#pages.more.addEventListener('click', () => {
      this.#pages.widen();
      void this.#desk.look();
    });
    this.content.append(this.#list, this.#pages.more);
  }

  /** @override */
  async refresh() {
    const { items, first } = await this.#pages.read({ limit: '20' });
    this.#rows.show(items);
    this.say(first.total === 0 ? 'Nobody is in a room.' : `${counted(first.total, 'room has', 'rooms have')} somebody in them.`);
  }

  /** @param {any} first */
  #row(first) {
    const name = first.group ? `Group of ${first.group.size}` : first.name || 'A room without a name';
    const facts = factList({});
    const people = build('ul', { class: 'messages' });
    const clear = build(
      'button',
      { class: 'button small danger', type: 'button', 'data-testid': 'clear-room', 'aria-label': `Clear ${name}`, onclick: () => this.#clear(first.room, name) },
      'Clear…',
    );
    const title = build('div', { class: 'row' }, build('h3', {}, name), build('span', { class: 'mono muted' }, first.room));
    const element = build('li', { class: 'card', 'data-testid': 'room' }, build('div', { class: 'row spread' }, title, clear), facts, people);
    const update = (/** @type {any} */ room) => {
      writeFacts(facts, {
        People: String(room.people.length),
        'In common': room.group?.tags_common.join(', ') || null,
        Language: room.group?.language,
        'Ends by itself': room.group?.deadline ? `in ${span(room.group.deadline - Date.now())}` : null,
      });
      const lines = room.people.map((/** @type {any} */ one) => `${one.user}, ${one.presence}${sent(one.media)}`);
      if ([...people.children].map((line) => line.textContent).join('\n') === lines.join('\n')) return;
      people.replaceChildren(...lines.map((/** @type {string} */ line) => build('li', { class: 'mono' }, line)));
    };
    return { element, update };
  }

  /**
   * @param {string} room
   * @param {string} name
   */
  #clear(room, name) {
    this.#desk.confirm.ask({
      title: 'Clear this room?',
      text: `Everybody in ${name} is put out. Members of a room may come back; a group that was matched is over.`,
      yes: 'Clear the room',
      asksWhy: true,
      act: async (reason) => {
        const why = reason ? { reason } : {};
        await this.#desk.request('POST', `/v1/admin/rooms/${encodeURIComponent(room)}/clear`, why);
        this.#desk.announce('The room has been cleared.');
        await this.#desk.look();
        this.heading.focus();
      },
    });
  }
}

/**
 * What somebody sends, in words.
 *
 * @param {{ audio: boolean, video: boolean, screen: boolean } | null} media
 */
function sent(media) {
  if (!media) return '';
  const kinds = Object.entries(media).filter(([, isSent]) => isSent).map(([kind]) => kind);
  return kinds.length > 0 ? `, sends ${kinds.join(' and ')}` : ', sends nothing';
}
