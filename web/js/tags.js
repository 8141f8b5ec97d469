import { element } from './page.js';

/** PROTOCOL rule 21 and queue.join. */
const MAX_TAGS = 10;
const MAX_TAG_CHARACTERS = 32;
const SUGGESTIONS = ['music', 'films', 'languages', 'games', 'travel', 'science', 'books', 'just talk'];

/** The box of topic chips. */
export class TagBox {
  /** @type {string[]} */
  #tags = [];
  #input = element('tag-input');

  /** @param {string[]} initial */
  constructor(initial) {
    this.#input.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => this.#onKey(event));
    this.#input.addEventListener('input', () => {
      // Phones have no comma key event; pasted lists have many commas.
      if (/[,;\n]/.test(this.#input.value)) this.commit();
    });
    this.#input.addEventListener('blur', () => this.commit());
    element('tag-box').addEventListener('click', () => this.#input.focus());
    for (const tag of initial) this.#add(tag);
    this.#render();
  }

  /** @returns {string[]} */
  get tags() {
    return [...this.#tags];
  }

  /** Turns what stands in the input into chips. */
  commit() {
    const parts = this.#input.value.split(/[,;\n]/);
    this.#input.value = '';
    for (const part of parts) this.#add(part);
    this.#render();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.isComposing) return;
    if ((event.key === 'Enter' || event.key === ',') && this.#input.value.trim() !== '') {
      event.preventDefault();
      this.commit();
    } else if (event.key === 'Backspace' && this.#input.value === '') {
      this.#tags.pop();
      this.#render();
    }
  }

  /** @param {string} text */
  #add(text) {
    const tag = [...text.trim().toLowerCase().normalize('NFC')].slice(0, MAX_TAG_CHARACTERS).join('').trim();
    if (tag && !this.#tags.includes(tag) && this.#tags.length < MAX_TAGS) this.#tags.push(tag);
  }

  #render() {
    element('tag-list').replaceChildren(...this.#tags.map((tag) => this.#chip(tag)));
    const offered = SUGGESTIONS.filter((tag) => !this.#tags.includes(tag));
    element('tag-suggestions').replaceChildren(...offered.map((tag) => this.#suggestion(tag)));
    this.#input.placeholder = this.#tags.length > 0 ? 'Add another' : 'music, chess, learning Spanish…';
    this.#input.disabled = this.#tags.length >= MAX_TAGS;
  }

  /** @param {string} tag */
  #chip(tag) {
    const item = document.createElement('li');
    item.className = 'chip';
    item.dataset.testid = 'chip';
    const text = document.createElement('span');
    text.textContent = tag;
    const remove = document.createElement('button');
    remove.type = 'button';
    remove.setAttribute('aria-label', `Remove ${tag}`);
    remove.append(closeIcon());
    remove.addEventListener('click', () => {
      this.#tags = this.#tags.filter((other) => other !== tag);
      this.#render();
      this.#input.focus();
    });
    item.append(text, remove);
    return item;
  }

  /** @param {string} tag */
  #suggestion(tag) {
    const item = document.createElement('li');
    const add = document.createElement('button');
    add.type = 'button';
    add.textContent = tag;
    add.setAttribute('aria-label', `Add ${tag}`);
    add.addEventListener('click', () => {
      this.#add(tag);
      this.#render();
      // The button is gone; the focus must not fall back to the top of the page.
      this.#input.focus();
    });
    item.append(add);
    return item;
  }
}

function closeIcon() {
  const names = 'http://www.w3.org/2000/svg';
  const icon = document.createElementNS(names, 'svg');
  icon.setAttribute('class', 'icon');
  icon.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(names, 'use');
  use.setAttribute('href', '#i-close');
  icon.append(use);
  return icon;
}
