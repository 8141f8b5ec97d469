import { DuologueError } from '/sdk/index.js';
import { announce, element } from './page.js';

/** What a refusal means here, by its code. @type {Record<string, string>} */
const WORDS = {
  unauthorized: 'The name or the password is wrong.',
  conflict: 'That name is taken. Choose another one.',
  banned: 'A moderator has closed this site to this account.',
  unavailable: 'The server does not answer now. Try again in a moment.',
  logged_out: 'You have been logged out.',
};

/**
 * Logs in and out, makes accounts, gives people what is kept about them and takes it away.
 *
 * @typedef {object} Hooks
 * @property {() => import('/sdk/index.js').Client} client Whoever talks to the server, with the settings as they are.
 * @property {import('/sdk/index.js').LoginKeeper} keeper
 */
export class AccountDialog {
  #hooks;
  #dialog = element('account');
  #opener = element('open-account');
  #name = element('account-name');
  #form = element('account-form');
  #username = element('account-username');
  #password = element('account-password');
  #outcome = element('account-outcome');
  #isBusy = false;

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
    this.#opener.addEventListener('click', () => this.#open());
    element('account-close').addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('click', (/** @type {Event} */ event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    // Nothing secret stays in a closed dialog.
    this.#dialog.addEventListener('close', () => {
      for (const field of [this.#password, element('account-delete-password')]) field.value = '';
    });
    this.#form.addEventListener('change', () => this.#showWay());
    this.#form.addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#enter();
    });
    element('log-out').addEventListener('click', () => this.#logOut(false));
    element('log-out-everywhere').addEventListener('click', () => this.#logOut(true));
    element('save-data').addEventListener('click', () => this.#saveData());
    element('account-delete-form').addEventListener('submit', (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#erase();
    });
    hooks.keeper.watch(() => this.show());
    void this.#look();
  }

  /** Shows who is logged in. */
  show() {
    const login = this.#hooks.keeper.read();
    this.#name.textContent = login ? login.username : 'Log in';
    element('account-who').textContent = login?.username ?? '';
    document.body.dataset.account = login ? 'in' : 'out';
    element('account-out').hidden = login !== null;
    element('account-in').hidden = login === null;
    element('account-title').textContent = login ? 'Your account' : 'Log in';
    this.#showWay();
  }

  /** Asks whether there are accounts here. Where there are none nothing is shown of them. */
  async #look() {
    this.show();
    try {
      const response = await fetch('/v1/stats', { cache: 'no-store', credentials: 'omit' });
      if (!response.ok) return;
      const { accounts, registration } = await response.json();
      this.#opener.hidden = accounts !== true;
      element('account-ways').hidden = registration !== true;
    } catch {
      // Without a server there is nobody to log in to; guests hear of that when they start.
    }
  }

  #open() {
    this.#say('');
    this.show();
    this.#dialog.showModal();
  }

  /** Whether an account is to be made. */
  get #makes() {
    return new FormData(this.#form).get('way') === 'register';
  }

  #showWay() {
    const makes = this.#makes;
    this.#password.autocomplete = makes ? 'new-password' : 'current-password';
    element('account-password-hint').hidden = !makes;
    element('account-enter').textContent = makes ? 'Make the account' : 'Log in';
  }

  async #enter() {
    const [username, password] = [this.#username.value.trim(), this.#password.value];
    if (username === '' || password === '') {
      this.#say('Give a name and a password.');
      (username === '' ? this.#username : this.#password).focus();
      return;
    }
    const makes = this.#makes;
    await this.#do(async () => {
      const client = this.#hooks.client();
      await (makes ? client.register(username, password) : client.login(username, password));
      this.#password.value = '';
      this.show();
      this.#dialog.close();
      announce(`You are logged in as ${username}.`);
    });
  }

  /** @param {boolean} everywhere */
  async #logOut(everywhere) {
    await this.#do(async () => {
      await this.#hooks.client().logout({ everywhere });
      this.#left(everywhere ? 'You are logged out everywhere.' : 'You are logged out.');
    });
  }

  async #saveData() {
    await this.#do(async () => {
      const told = await this.#hooks.client().ownData();
      const file = URL.createObjectURL(new Blob([JSON.stringify(told, null, 2)], { type: 'application/json' }));
      const link = document.createElement('a');
      link.href = file;
      link.download = 'duologue-export.json';
      link.click();
      // The browser has taken it over once the click is through.
      setTimeout(() => URL.revokeObjectURL(file));
      this.#say('All that is kept about you has been saved as a file.');
    });
  }

  async #erase() {
    const field = element('account-delete-password');
    if (field.value === '') {
      this.#say('Give your password, so that it is certain that you want this.');
      field.focus();
      return;
    }
    await this.#do(async () => {
      await this.#hooks.client().deleteOwnData(field.value);
      this.#left('Your account is gone, with all that was yours.');
    });
  }

  /** @param {string} words */
  #left(words) {
    this.show();
    this.#say(words);
    // What had the focus is not there any more.
    element('account-title').focus();
  }

  /**
   * Does one thing at a time, and says why it did not work.
   *
   * @param {() => Promise<void>} work
   */
  async #do(work) {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#dialog.setAttribute('aria-busy', 'true');
    this.#say('');
    try {
      await work();
    } catch (error) {
      this.show();
      this.#say(wordsOf(error));
    } finally {
      this.#isBusy = false;
      this.#dialog.removeAttribute('aria-busy');
    }
  }

  /** @param {string} text */
  #say(text) {
    this.#outcome.textContent = text;
  }
}

/** @param {unknown} error */
function wordsOf(error) {
  if (!(error instanceof DuologueError)) return 'That did not work. Try again.';
  if (error.code === 'rate_limited') return `Too often. Try again in ${Math.max(1, Math.ceil(error.retryAfterMs / 1_000))} s.`;
  const words = WORDS[error.code];
  if (words) return words;
  // The server says what is wrong with a name or a password.
  return `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`;
}
