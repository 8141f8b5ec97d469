import { element } from './page.js';

const KEY = 'duologue.settings';
/** @type {readonly import('/sdk/index.js').IceTransport[]} */
const TRANSPORTS = ['udp', 'tcp', 'tls'];
const THEMES = ['auto', 'light', 'dark'];

/**
 * What the user chose. Kept in localStorage; `?relay=only&via=tls` in the address counts for this
 * visit only.
 */
export class Settings {
  theme = 'auto';
  relayOnly = false;
  /** How to reach the relay; null: however it works. @type {import('/sdk/index.js').IceTransport | null} */
  via = null;

  constructor() {
    const saved = readSaved();
    if (THEMES.includes(saved.theme)) this.theme = saved.theme;
    this.via = transportNamed(saved.via);
    this.relayOnly = saved.relayOnly === true;
    const query = new URLSearchParams(location.search);
    if (query.has('via')) this.via = transportNamed(query.get('via'));
    if (query.has('relay')) this.relayOnly = query.get('relay') === 'only';
  }

  /**
   * The options these settings mean for the SDK's client.
   *
   * @returns {Pick<import('/sdk/index.js').ClientOptions, 'iceTransports' | 'icePolicy'>}
   */
  get clientOptions() {
    return {
      ...(this.via && { iceTransports: [this.via] }),
      ...(this.relayOnly && { icePolicy: 'relay' }),
    };
  }

  save() {
    const { theme, relayOnly, via } = this;
    try {
      localStorage.setItem(KEY, JSON.stringify({ theme, relayOnly, via }));
    } catch {
      // Storage may be forbidden; then the choice holds for this visit.
    }
  }
}

/**
 * Wires the settings dialog.
 *
 * @param {Settings} settings
 */
export function wireSettings(settings) {
  const dialog = element('settings');
  applyTheme(settings.theme);
  dialog.querySelector(`input[name=theme][value=${settings.theme}]`).checked = true;
  dialog.querySelector(`input[name=via][value=${settings.via ?? 'auto'}]`).checked = true;
  element('relay-only').checked = settings.relayOnly;

  for (const opener of ['open-settings', 'call-settings']) {
    element(opener).addEventListener('click', () => dialog.showModal());
  }
  dialog.addEventListener('click', (/** @type {Event} */ event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener('change', () => {
    const form = new FormData(dialog.querySelector('form'));
    settings.theme = String(form.get('theme'));
    settings.via = transportNamed(form.get('via'));
    settings.relayOnly = element('relay-only').checked;
    settings.save();
    applyTheme(settings.theme);
  });
}

/** @param {string} theme */
function applyTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** @param {unknown} name */
function transportNamed(name) {
  return TRANSPORTS.find((transport) => transport === name) ?? null;
}

function readSaved() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') ?? {};
  } catch {
    return {};
  }
}
