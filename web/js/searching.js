import { clockText, element } from './page.js';

const TEXT_BY_LEVEL = [
  'Looking for the closest fit first.',
  'Nobody with your topics yet: topics no longer matter.',
  'Still looking: any region will do.',
  'Still looking: any language will do.',
  'Still looking: people you met recently may come again.',
];

/** The screen while a search runs. */
export class SearchScreen {
  #timer = 0;
  #since = 0;

  /** @param {() => void} onCancel */
  constructor(onCancel) {
    element('cancel-search').addEventListener('click', onCancel);
  }

  /** @param {import('/sdk/index.js').Search} search */
  follow(search) {
    const { tags = [] } = search.options;
    element('searching-title').textContent =
      tags.length > 0 ? `Looking for someone into ${listText(tags)}` : 'Looking for someone to talk to';
    this.#since = Date.now();
    this.#tick();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), 1_000);
    this.#showStatus({ state: 'searching', ahead: 0, waiting: 0, etaMs: null, level: 0, since: null }, false);
    if (search.status) this.#showStatus(search.status, true);
    search.on('status', (status) => this.#showStatus(status, true));
    search.on('retry', ({ code }) => {
      element('searching-status-text').textContent =
        code === 'queue_full' ? 'It is crowded. You will get in as soon as there is room.' : 'One moment, trying again…';
    });
  }

  stop() {
    clearInterval(this.#timer);
  }

  #tick() {
    element('searching-elapsed').textContent = clockText(Date.now() - this.#since);
  }

  /**
   * @param {import('/sdk/index.js').QueueStatus} status
   * @param {boolean} known
   */
  #showStatus({ ahead, waiting, etaMs, level }, known) {
    element('searching-ahead').textContent = known ? String(ahead) : '–';
    element('searching-waiting').textContent = known ? String(waiting) : '–';
    element('searching-eta').textContent = etaMs === null ? 'unknown' : etaText(etaMs);
    const text = element('searching-status-text');
    const words = TEXT_BY_LEVEL[level] ?? TEXT_BY_LEVEL[0] ?? '';
    // Setting the same words again would make a screen reader repeat them.
    if (text.textContent !== words) text.textContent = words;
    const steps = element('searching-steps');
    steps.dataset.level = String(level);
    [...steps.children].forEach((step, index) => {
      step.classList.toggle('reached', index <= level);
      if (index === level) step.setAttribute('aria-current', 'step');
      else step.removeAttribute('aria-current');
    });
  }
}

/** @param {string[]} tags */
function listText(tags) {
  return new Intl.ListFormat('en', { type: 'disjunction' }).format(tags.slice(0, 3));
}

/** @param {number} etaMs */
function etaText(etaMs) {
  return etaMs < 60_000 ? `${Math.max(1, Math.round(etaMs / 1_000))} s` : `${Math.round(etaMs / 60_000)} min`;
}
