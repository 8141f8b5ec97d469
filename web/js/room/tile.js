import { personOf } from './names.js';

const ICONS = 'http://www.w3.org/2000/svg';

/** The picture of one person in the grid, and the words below it. */
export class Tile {
  #video = document.createElement('video');
  #empty = document.createElement('div');
  #name = document.createElement('span');
  #note = document.createElement('span');
  #muted = document.createElement('span');
  /** The list item. @readonly */
  element = document.createElement('li');

  /**
   * @param {string} alias
   * @param {boolean} own
   */
  constructor(alias, own) {
    const { name, initials, shade } = personOf(alias);
    /** @readonly */
    this.name = own ? `You (${name})` : name;
    this.element.className = own ? 'tile own' : 'tile';
    this.element.dataset.testid = own ? 'tile-own' : 'tile-peer';
    this.element.dataset.peer = alias;
    this.element.dataset.shade = String(shade);
    this.#video.autoplay = true;
    this.#video.playsInline = true;
    this.#video.muted = own;
    this.#video.setAttribute('aria-label', own ? 'Your own picture' : `The picture of ${name}`);
    this.#empty.className = 'tile-empty';
    this.#empty.setAttribute('aria-hidden', 'true');
    this.#empty.textContent = initials;
    const caption = document.createElement('p');
    caption.className = 'tile-caption';
    this.#name.textContent = this.name;
    this.#note.className = 'tile-note';
    this.#muted.className = 'tile-muted';
    this.#muted.append(icon('mic-off'), words('muted'));
    caption.append(this.#muted, this.#name, this.#note);
    this.element.append(this.#video, this.#empty, caption);
    this.show({ media: { audio: true, video: own, screen: false }, note: '', playing: false });
  }

  /**
   * Adds a button to the tile.
   *
   * @param {string} label
   * @param {() => void} onClick
   */
  addButton(label, onClick) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'tile-button';
    button.textContent = label;
    button.setAttribute('aria-label', `${label}: ${this.name}`);
    button.addEventListener('click', onClick);
    this.element.append(button);
  }

  /** @param {MediaStream | null} stream */
  play(stream) {
    if (this.#video.srcObject !== stream) this.#video.srcObject = stream;
    // A source that is replaced while it starts is no problem; nor is one that waits for its first picture.
    this.#video.play().catch(() => {});
  }

  /**
   * @param {object} shown
   * @param {import('/sdk/index.js').MediaState} shown.media
   * @param {string} shown.note What else is to be said; empty: nothing.
   * @param {boolean} shown.playing Whether there is a picture that moves.
   */
  show({ media, note, playing }) {
    this.element.dataset.video = playing ? 'on' : 'off';
    this.element.dataset.screen = String(media.screen);
    this.#muted.hidden = media.audio;
    this.#note.textContent = note ? ` (${note})` : '';
  }

  remove() {
    this.#video.srcObject = null;
    this.element.remove();
  }
}

/** @param {string} text For those who do not see the icon beside it. */
function words(text) {
  const span = document.createElement('span');
  span.className = 'visually-hidden';
  span.textContent = text;
  return span;
}

/** @param {string} name */
function icon(name) {
  const svg = document.createElementNS(ICONS, 'svg');
  svg.setAttribute('class', 'icon small');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(ICONS, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}
