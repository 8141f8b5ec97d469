import { KeyedList, build, factList, writeFacts } from './build.js';
import { Evidence } from './evidence.js';
import { Pages, Place } from './place.js';
import { counted, moment } from './words.js';

/** Reasons as people say them. @type {Record<string, string>} */
const REASONS = {
  harassment: 'Harassment',
  inappropriate_content: 'Inappropriate content',
  spam: 'Spam',
  nudity: 'Nudity',
  violence: 'Violence',
  minor: 'A minor',
  other: 'Something else',
};

/** The queue of reports: looked at with what proves them, worked on, decided. */
export class Reports extends Place {
  #desk;
  /** @type {Pages<any>} */
  #pages;
  #list = build('ul', { class: 'cards', 'data-testid': 'reports' });
  #rows;
  #state;

  /** @param {import('./place.js').Desk} desk */
  constructor(desk) {
    super('reports', 'Reports', 10_000);
    this.#desk = desk;
    this.#pages = new Pages(desk.request, '/v1/reports', 'reports');
    this.#rows = new KeyedList(this.#list, (/** @type {any} */ report) => report.report, () => this.#row());
    const choices = [['open', 'open ones'], ['decided', 'decided ones'], ['all', 'all']];
    this.#state = build('select', { id: 'report-state', 'aria-label': 'Which reports' }, ...choices.map(([value, words]) => build('option', { value }, words ?? '')));
    this.#state.addEventListener('change', () => {
      this.#pages.restart();
      void this.#desk.look();
    });
    this.#pages.more.addEventListener('click', () => {
      this.#pages.widen();
      void this.#desk.look();
    });
    this.tools.append(build('div', { class: 'field' }, this.#state));
    this.content.append(this.#list, this.#pages.more);
  }

  /** @override */
  async refresh() {
    const { items } = await this.#pages.read({ state: this.#state.value, limit: '20' });
    this.#rows.show(items);
    const words = counted(items.length, 'report', 'reports');
    this.say(items.length === 0 ? 'There is nothing to look at.' : `${words} shown${this.#pages.more.hidden ? '.' : ', there are more.'}`);
  }

  #row() {
    /** @type {any} */
    let report = null;
    /** @type {Evidence | null} */
    let evidence = null;
    const title = build('h3');
    const badge = build('span', { class: 'badge' });
    const facts = factList({});
    const comment = build('p');
    const place = build('div');
    const button = (/** @type {string} */ testId) => build('button', { class: 'button small', type: 'button', 'data-testid': testId });
    const [open, claim, hold] = ['open-report', 'claim-report', 'hold-report'].map(button);
    open.setAttribute('aria-expanded', 'false');
    open.addEventListener('click', () => {
      if (evidence) {
        evidence.element.remove();
        evidence = null;
      } else {
        evidence = new Evidence(this.#desk, report.report, () => this.#desk.look());
        place.append(evidence.element);
        void evidence.refresh();
      }
      open.setAttribute('aria-expanded', String(evidence !== null));
      open.textContent = evidence ? 'Close' : 'Look at it';
    });
    claim.addEventListener('click', () => {
      const isMine = report.claim?.by === this.#desk.me.id;
      void this.#act(report, isMine ? 'DELETE' : 'POST', 'claim', isMine ? 'The report is left to others.' : 'The report is yours.');
    });
    hold.addEventListener('click', () => {
      void this.#act(report, report.held ? 'DELETE' : 'PUT', 'hold', report.held ? 'The legal hold has ended.' : 'The report is under a legal hold.');
    });
    const element = build(
      'li',
      { class: 'card', 'data-testid': 'report' },
      build('div', { class: 'row spread' }, build('div', { class: 'row' }, title, badge), build('div', { class: 'row' }, open, claim, hold)),
      comment,
      facts,
      place,
    );
    const update = (/** @type {any} */ fresh) => {
      report = fresh;
      const name = REASONS[fresh.reason] ?? fresh.reason;
      title.textContent = name;
      badge.textContent = fresh.decision ? `${fresh.decision.decision}ed` : fresh.claim ? 'is worked on' : 'open';
      badge.className = `badge ${fresh.decision ? 'good' : fresh.claim ? 'fair' : 'bad'}`;
      comment.textContent = fresh.comment;
      comment.hidden = fresh.comment === '';
      const isMine = fresh.claim?.by === this.#desk.me.id;
      if (!evidence) open.textContent = 'Look at it';
      claim.textContent = isMine ? 'Leave it' : 'Claim';
      claim.hidden = fresh.decision !== null || (fresh.claim !== null && !isMine && this.#desk.me.role !== 'admin');
      hold.textContent = fresh.held ? 'End legal hold' : 'Legal hold';
      hold.hidden = fresh.held && this.#desk.me.role !== 'admin';
      for (const [own, words] of [[open, 'Look at'], [claim, claim.textContent], [hold, hold.textContent]]) {
        own.setAttribute('aria-label', `${words}: ${name} report of ${moment(fresh.at)}`);
      }
      writeFacts(facts, {
        When: moment(fresh.at),
        Urgency: `${100 - fresh.rank} of 100`,
        About: fresh.reported,
        By: fresh.reporter,
        'Worked on by': fresh.claim ? (isMine ? 'you' : fresh.claim.by) : null,
        Decided: fresh.decision ? `${fresh.decision.decision}${fresh.decision.action ? `, ${fresh.decision.action}` : ''}, ${moment(fresh.decision.at)}` : null,
      });
    };
    return { element, update };
  }

  /**
   * @param {any} report
   * @param {'POST' | 'PUT' | 'DELETE'} method
   * @param {string} what
   * @param {string} done
   */
  async #act(report, method, what, done) {
    try {
      await this.#desk.request(method, `/v1/reports/${encodeURIComponent(report.report)}/${what}`);
      this.#desk.announce(done);
    } catch (error) {
      this.#desk.announce(error instanceof Error ? error.message : String(error));
    }
    await this.#desk.look();
  }
}
