/**
 * The element with this id, which index.html promises to have.
 *
 * @param {string} id
 * @returns {any} Typed loosely: each caller knows its own element.
 */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}

/** Screens by the value of `data-state` on the body. */
const SCREENS = ['lobby', 'searching', 'call', 'ended'];

/**
 * Shows one screen and moves the focus to its heading, so that a screen reader starts there.
 *
 * @param {'lobby' | 'searching' | 'call' | 'ended'} name
 */
export function showScreen(name) {
  for (const screen of SCREENS) element(`screen-${screen}`).hidden = screen !== name;
  document.body.dataset.state = name;
  window.scrollTo(0, 0);
  element(`screen-${name}`).querySelector('h1').focus({ preventScroll: true });
}

/**
 * Says something that cannot wait to those who listen instead of looking.
 *
 * @param {string} text
 */
export function announce(text) {
  element('announcer').textContent = text;
}

/** @param {string | null} text A line over everything; null removes it. */
export function showNotice(text) {
  const notice = element('notice');
  notice.textContent = text ?? '';
  notice.hidden = text === null;
}

/**
 * Swaps an icon of the sprite, and the words that go with it.
 *
 * @param {HTMLElement} button
 * @param {string} icon
 * @param {string} label
 */
export function setIcon(button, icon, label) {
  button.querySelector('use')?.setAttribute('href', `#i-${icon}`);
  const words = button.querySelector('.label, .visually-hidden');
  if (words) words.textContent = label;
}

/**
 * @param {number} ms
 * @returns {string} Minutes and seconds, as on a clock.
 */
export function clockText(ms) {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
