import { KeyedList, build, factList, writeFacts } from './build.js';
import { Evidence } from './evidence.js';
import { Pages, Place } from './place.js';
import { counted, moment } from './words.js';

/** What people who are kept out say to that: read with the decision that it is about, and judged. */
export class Appeals extends Place {
  #desk;
  /** @type {Pages<any>} */
  #pages;
  #list = build('ul', { class: 'cards', 'data-testid': 'appeals' });
  #rows;

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('appeals', 'Appeals', 15_000);
    this.#desk = desk;
    this.#pages = new Pages(desk.request, '/v1/appeals/open', 'appeals');
    this.#rows = new KeyedList(this.#list, (/** @type {any} */ appeal) => appeal.appeal, (appeal) => this.#row(appeal));
    this.#pages.more.addEventListener('click', () => {
      this.#pages.widen();
      void this.#desk.look();
    });
    this.content.append(this.#list, this.#pages.more);
  }

  /** @override */
  async refresh() {
    const { items } = await this.#pages.read({ limit: '20' });
    this.#rows.show(items);
    this.say(items.length === 0 ? 'Nobody appeals.' : `${counted(items.length, 'appeal', 'appeals')} without a verdict shown.`);
  }

  /** @param {any} appeal */
  #row(appeal) {
    const id = appeal.appeal;
    const facts = factList({});
    const place = build('div');
    const problem = build('p', { class: 'problem', role: 'alert' });
    const about = build('button', { class: 'button small', type: 'button', 'data-testid': 'open-decision', 'aria-expanded': 'false' }, 'The report that led to it');
    /** @type {Evidence | null} */
    let evidence = null;
    about.addEventListener('click', () => {
      if (evidence) {
        evidence.element.remove();
        evidence = null;
      } else {
        evidence = new Evidence(this.#desk, appeal.decision, () => this.#desk.look());
        place.append(evidence.element);
        void evidence.refresh();
      }
      about.setAttribute('aria-expanded', String(evidence !== null));
    });
    const note = build('textarea', { id: `verdict-${id}`, name: 'note', rows: '2', maxlength: '2000', 'data-testid': 'verdict-note' });
    const form = build(
      'form',
      {},
      build('div', { class: 'field' }, build('label', { for: note.id }, 'Why? It is told to whoever appeals.'), note),
      build(
        'div',
        { class: 'row' },
        build('button', { class: 'button small', type: 'submit', name: 'decision', value: 'keep', 'data-testid': 'appeal-keep' }, 'Keep it in force'),
        build('button', { class: 'button small', type: 'submit', name: 'decision', value: 'lift', 'data-testid': 'appeal-lift' }, 'Lift it'),
      ),
    );
    form.addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const decision = event.submitter?.getAttribute('value') ?? 'keep';
      void this.#judge(id, decision, note.value.trim(), problem);
    });
    const element = build(
      'li',
      { class: 'card', 'data-testid': 'appeal' },
      build('div', { class: 'row spread' }, build('h3', {}, `Appeal of ${moment(appeal.at)}`), build('div', { class: 'row' }, about)),
      build('p', { class: 'words', 'data-testid': 'appeal-text' }, appeal.text),
      facts,
      place,
      form,
      problem,
    );
    const update = (/** @type {any} */ fresh) => {
      const sanctions = fresh.sanctions ?? [];
      // A ban without a report names itself.
      about.hidden = fresh.bans.includes(fresh.decision);
      const first = sanctions[0];
      writeFacts(facts, {
        By: fresh.user,
        'In force': sanctions.length === 0 ? 'nothing any more' : sanctions.map(sanctionWords).join('; '),
        Reason: first?.reason || null,
        Since: first ? moment(first.at) : null,
        Until: first ? (first.until === null ? 'for good' : moment(first.until)) : null,
        'Decided by': first?.by ?? null,
      });
    };
    return { element, update };
  }

  /**
   * @param {string} id
   * @param {string} decision
   * @param {string} note
   * @param {HTMLElement} problem
   */
  async #judge(id, decision, note, problem) {
    problem.textContent = '';
    try {
      await this.#desk.request('POST', `/v1/appeals/${encodeURIComponent(id)}/decision`, { decision, note });
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
      return;
    }
    this.#desk.announce(decision === 'lift' ? 'It has been lifted.' : 'It stays in force.');
    await this.#desk.look();
    this.heading.focus();
  }
}

/** @param {any} ban */
function sanctionWords(ban) {
  const [kind = '', name = ''] = ['user', 'device', 'network'].filter((one) => one in ban).flatMap((one) => [one, ban[one]]);
  return `${ban.action} of the ${kind} ${name}`;
}
