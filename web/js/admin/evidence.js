import { build, factList } from './build.js';
import { keptFile } from './kept-file.js';
import { millis, moment, pathWords, span } from './words.js';

const ACTIONS = [['', 'nothing more'], ['warn', 'warn'], ['mute', 'mute'], ['restrict', 'no matching'], ['ban', 'ban']];
const TARGETS = [['', 'person (guests: device, too)'], ['user', 'user'], ['device', 'device'], ['network', 'network']];
const SPANS = [['', 'for good'], ['3600000', 'an hour'], ['86400000', 'a day'], ['604800000', 'a week'], ['2592000000', '30 days']];

/** All that proves one report, the notes about it, and the form that decides it. */
export class Evidence {
  #desk;
  #id;
  #onChange;
  #facts = build('div', { class: 'evidence' });
  #notes = build('ul', { class: 'messages', 'data-testid': 'notes' });
  #problem = build('p', { class: 'problem', role: 'alert' });
  #decide;
  #note;

  /**
   * @param {import('./place.js').Desk} desk
   * @param {string} id
   * @param {() => Promise<void>} onChange Called when the report is not what it was.
   */
  constructor(desk, id, onChange) {
    this.#desk = desk;
    this.#id = id;
    this.#onChange = onChange;
    const text = build('textarea', { id: `note-${id}`, name: 'text', rows: '2', maxlength: '2000', required: true, 'data-testid': 'note-text' });
    this.#note = build(
      'form',
      {},
      build('div', { class: 'field' }, build('label', { for: text.id }, 'Note for other moderators'), text),
      build('div', { class: 'row' }, build('button', { class: 'button small', type: 'submit', 'data-testid': 'note-add' }, 'Add the note')),
    );
    this.#note.addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#send('notes', { text: text.value }, 'The note has been added.').then((isDone) => isDone && this.#note.reset());
    });
    const choice = (/** @type {string} */ words, /** @type {string} */ name, /** @type {string[][]} */ options) => {
      const select = build('select', { id: `${name}-${id}`, name, 'data-testid': `decide-${name}` }, ...options.map(([value, label]) => build('option', { value }, label ?? '')));
      return build('div', { class: 'field' }, build('label', { for: select.id }, words), select);
    };
    this.#decide = build(
      'form',
      {},
      build(
        'div',
        { class: 'choices' },
        choice('The report is', 'decision', [['accept', 'right'], ['reject', 'wrong']]),
        choice('What follows', 'action', ACTIONS),
        choice('For whom', 'target', TARGETS),
        choice('For how long', 'span', SPANS),
      ),
      build('div', { class: 'row' }, build('button', { class: 'button small primary', type: 'submit', 'data-testid': 'decide' }, 'Decide')),
    );
    this.#decide.addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#send('decision', this.#decision(), 'The report has been decided.');
    });
    this.element = build('div', { 'data-testid': 'evidence' }, this.#facts, this.#notes, this.#problem, this.#note, this.#decide);
  }

  async refresh() {
    let report;
    try {
      report = await this.#desk.request('GET', `/v1/reports/${encodeURIComponent(this.#id)}`);
    } catch (error) {
      this.#problem.textContent = error instanceof Error ? error.message : String(error);
      return;
    }
    this.#facts.replaceChildren(...evidenceView(report.evidence ?? {}, (file) => keptFile(this.#desk, this.#id, file)));
    this.#notes.replaceChildren(
      ...report.notes.map((/** @type {any} */ note) => {
        return build('li', {}, build('span', { class: 'muted' }, `${note.by}, ${moment(note.at)}: `), note.text);
      }),
    );
    this.#notes.hidden = report.notes.length === 0;
    this.#decide.hidden = report.decision !== null;
  }

  #decision() {
    const form = new FormData(this.#decide);
    const of = (/** @type {string} */ name) => String(form.get(name) ?? '');
    const isRight = of('decision') === 'accept';
    const follows = isRight && of('action') !== '';
    return {
      decision: of('decision'),
      ...(follows && { action: of('action') }),
      ...(follows && of('target') !== '' && { target: of('target') }),
      ...(follows && of('action') !== 'warn' && of('span') !== '' && { until: Date.now() + Number(of('span')) }),
    };
  }

  /**
   * @param {string} what
   * @param {object} body
   * @param {string} done
   */
  async #send(what, body, done) {
    this.#problem.textContent = '';
    try {
      await this.#desk.request('POST', `/v1/reports/${encodeURIComponent(this.#id)}/${what}`, body);
    } catch (error) {
      this.#problem.textContent = error instanceof Error ? error.message : String(error);
      return false;
    }
    this.#desk.announce(done);
    await Promise.all([this.refresh(), this.#onChange()]);
    return true;
  }
}

/**
 * @param {any} evidence
 * @param {(file: any) => HTMLElement} fileView
 * @returns {HTMLElement[]}
 */
function evidenceView(evidence, fileView) {
  const { session, room, flagged, quality, messages = [], reporter, reported } = evidence;
  const call = session && factList({
    'Call began': moment(session.started),
    'Lasted': span(session.duration_ms),
    'Ended': session.ended ? `${moment(session.ended)}, ${session.reason}` : 'goes on',
    'Network of the reported': reported?.network ?? '–',
    'Device of the reported': reported?.device ?? '–',
    'Device of the reporter': reporter?.device ?? '–',
  });
  // Where a program has found something: who it is, why, and what was written before anything was masked.
  const found = flagged && factList({ 'Found by': reporter?.alias ?? '–', 'Because of': flagged.rules.join(', '), 'As written': flagged.text, ...(room ? { Room: room } : {}) });
  const sides = ['reporter', 'reported'].filter((side) => quality?.[side]).map((side) => {
    const told = quality[side];
    return factList({ Side: side, Path: pathWords(told.path), 'Mean quality': told.score_mean === null ? '–' : `${told.score_mean} of 100`, 'Round trip': millis(told.rtt_ms_mean) });
  });
  const lines = messages.map((/** @type {any} */ message) => {
    const gone = message.deleted ? ' (deleted)' : '';
    const head = build('span', { class: 'muted' }, `${message.from}, ${moment(message.ts)}${message.marked ? ', meant most of all' : ''}: `);
    return build('li', message.marked ? { class: 'marked' } : {}, head, `${message.text ?? ''}${gone} `, message.file ? fileView(message.file) : null);
  });
  const written = lines.length === 0
    ? build('p', { class: 'muted' }, 'Nothing was written.')
    : build('ul', { class: 'messages', tabindex: '0', 'aria-label': 'What was written' }, ...lines);
  return [call, found, ...sides, written].filter(Boolean);
}
