import { element } from './page.js';
import { TagBox } from './tags.js';

const LANGUAGES = [
  'ar', 'bn', 'cs', 'da', 'de', 'el', 'en', 'es', 'fa', 'fi', 'fr', 'he', 'hi', 'hu', 'id', 'it', 'ja',
  'ko', 'nl', 'no', 'pl', 'pt', 'ro', 'ru', 'sv', 'sw', 'th', 'tr', 'uk', 'ur', 'vi', 'zh',
];

/** The form of the lobby: what to talk about, and with whom. */
export class Lobby {
  #tagBox;

  /** @param {() => void} onStart */
  constructor(onStart) {
    const query = new URLSearchParams(location.search);
    this.#tagBox = new TagBox((query.get('tags') ?? '').split(','));
    fillLanguages(element('languages'));
    element('lobby-form').addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      onStart();
    });
  }

  /** @returns {import('/sdk/index.js').QueueOptions} */
  get wishes() {
    this.#tagBox.commit();
    const language = element('languages').value;
    const region = element('region').value;
    return {
      tags: this.#tagBox.tags,
      languages: language ? [language] : [],
      ...(region && { region }),
    };
  }

  /** @param {string} text What keeps us from starting; empty: nothing. */
  hint(text) {
    element('start-hint').textContent = text;
  }

  /** @param {boolean} busy */
  setBusy(busy) {
    element('start').disabled = busy;
  }
}

/** @param {HTMLSelectElement} select */
function fillLanguages(select) {
  const names = new Intl.DisplayNames(undefined, { type: 'language' });
  const own = new Set(navigator.languages.map((tag) => tag.split('-')[0] ?? ''));
  const byName = LANGUAGES.map((code) => ({ code, name: names.of(code) ?? code }));
  byName.sort((a, b) => Number(own.has(b.code)) - Number(own.has(a.code)) || a.name.localeCompare(b.name));
  select.append(new Option('Any language', ''));
  for (const { code, name } of byName) select.append(new Option(name, code));
}
