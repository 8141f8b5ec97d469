import { LoginVault } from './login-vault.js';

/**
 * Keeps the login of an account for all tabs of a browser and for the next visit.
 *
 * A refresh token is good once, and using it twice ends the login. So tabs use it one after the other, and each begins with what
 * the one before has left. It lies in IndexedDB; localStorage only says who is logged in, for pages that want to show it at once and
 * hear of changes.
 *
 * @typedef {object} Account
 * @property {import('./protocol.js').WireUser} user
 * @property {string} username As it was typed.
 *
 * @typedef {Account & { refreshToken: string }} Login
 *
 * @typedef {object} KeeperOptions
 * @property {string} [name] Another one for each server.
 * @property {Pick<LoginVault, 'get' | 'change'>} [vault]
 * @property {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} [storage]
 * @property {Pick<LockManager, 'request'>} [locks]
 * @property {Pick<EventTarget, 'addEventListener' | 'removeEventListener'>} [events] Tells what other tabs have changed.
 */
export class LoginKeeper {
  #name;
  #vault;
  #storage;
  #locks;
  #events;
  /** What could not be stored: it holds for this tab. @type {Login | null} */
  #memory = null;

  /** @param {KeeperOptions} [options] */
  constructor({
    name = 'duologue.login',
    vault = new LoginVault(name, globalThis.indexedDB),
    storage = openStorage(),
    locks = globalThis.navigator?.locks,
    events = globalThis,
  } = {}) {
    this.#name = name;
    this.#vault = vault;
    this.#storage = storage;
    this.#locks = locks;
    this.#events = events;
  }

  /** @returns {Account | null} Who is logged in, as far as this tab has heard. */
  read() {
    if (this.#memory) return this.#memory;
    try {
      const account = JSON.parse(this.#storage?.getItem(this.#name) ?? 'null');
      return typeof account?.user?.id === 'string' ? account : null;
    } catch {
      // Forbidden, or somebody else's: nobody is logged in.
      return null;
    }
  }

  /** @returns {Promise<Login | null>} The login as it is now, whichever tab has changed it last. */
  async load() {
    if (this.#memory) return this.#memory;
    return whole(await this.#vault.get().catch(() => undefined));
  }

  /**
   * Keeps a login in place of any other.
   *
   * @param {Login} login
   */
  async write({ user, username, refreshToken }) {
    const login = { user, username, refreshToken };
    await this.#change(() => login, login);
    if (!this.#memory) this.#show({ user, username });
  }

  /**
   * Keeps the next refresh token of a login, unless the login has ended meanwhile.
   *
   * @param {string} used The token that was used up.
   * @param {Login} login
   */
  async renew(used, { user, username, refreshToken }) {
    const login = { user, username, refreshToken };
    await this.#change((found) => (whole(found)?.refreshToken === used ? login : undefined), login);
  }

  /**
   * Forgets the login, if it is that of this user.
   *
   * @param {string} user
   */
  async clear(user) {
    let isOthers = false;
    await this.#change((found) => {
      const login = whole(found);
      isOthers = login !== null && login.user.id !== user;
      return isOthers ? undefined : null;
    }, null);
    this.#memory = null;
    if (!isOthers) this.#show(null);
  }

  /**
   * Does something while no other tab does. Where there are no locks, as on pages that came without encryption, tabs are
   * not kept apart.
   *
   * @template Result
   * @param {() => Promise<Result>} work
   * @returns {Promise<Result>}
   */
  async exclusively(work) {
    return this.#locks ? this.#locks.request(this.#name, work) : work();
  }

  /**
   * Calls `listener` with who is logged in whenever another tab has changed that.
   *
   * @param {(account: Account | null) => void} listener
   * @returns {() => void} Stops that.
   */
  watch(listener) {
    const onStorage = (/** @type {Event} */ event) => {
      const { key } = /** @type {StorageEvent} */ (event);
      // Null: all entries are gone.
      if (key === this.#name || key === null) listener(this.read());
    };
    this.#events.addEventListener('storage', onStorage);
    return () => this.#events.removeEventListener('storage', onStorage);
  }

  /**
   * @param {Parameters<LoginVault['change']>[0]} decide
   * @param {Login | null} otherwise What this tab keeps for itself if nothing can be stored.
   */
  async #change(decide, otherwise) {
    try {
      await this.#vault.change(decide);
      this.#memory = null;
    } catch {
      this.#memory = otherwise;
    }
  }

  /** @param {Account | null} account */
  #show(account) {
    try {
      if (account) this.#storage?.setItem(this.#name, JSON.stringify(account));
      else this.#storage?.removeItem(this.#name);
    } catch {
      // Full or forbidden: the next visit begins as a guest.
    }
  }
}

/**
 * @param {any} found
 * @returns {Login | null}
 */
function whole(found) {
  return typeof found?.user?.id === 'string' && typeof found.refreshToken === 'string' ? found : null;
}

function openStorage() {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}
