/** Browsers have been seen that never open a database; then it holds for this tab. */
const OPEN_TIMEOUT_MS = 5_000;
const STORE = 'login';
const KEY = 'current';

/**
 * One record in IndexedDB, which is the same for all tabs at any moment. localStorage is not: what one tab has written another may
 * read a while later, locks or not.
 */
export class LoginVault {
  #name;
  #factory;
  /** @type {Promise<IDBDatabase> | null} */
  #opening = null;

  /**
   * @param {string} name
   * @param {IDBFactory | undefined} factory
   */
  constructor(name, factory) {
    this.#name = name;
    this.#factory = factory;
  }

  /** @returns {Promise<unknown>} What is there; undefined: nothing. */
  async get() {
    const database = await this.#open();
    return answerOf(database.transaction(STORE).objectStore(STORE).get(KEY));
  }

  /**
   * Puts what `decide` makes of what is there in its place, while nobody else does.
   *
   * @param {(found: unknown) => object | null | undefined} decide Null takes it away, undefined leaves it.
   */
  async change(decide) {
    const database = await this.#open();
    const transaction = database.transaction(STORE, 'readwrite');
    const store = transaction.objectStore(STORE);
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(undefined);
      transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
    });
    const reading = store.get(KEY);
    reading.onsuccess = () => {
      const next = decide(reading.result);
      if (next === null) store.delete(KEY);
      else if (next !== undefined) store.put(next, KEY);
    };
    await done;
  }

  #open() {
    this.#opening ??= open(this.#name, this.#factory).catch((error) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }
}

/**
 * @param {string} name
 * @param {IDBFactory | undefined} factory
 * @returns {Promise<IDBDatabase>}
 */
async function open(name, factory) {
  if (!factory) throw new Error('there is no IndexedDB here');
  const request = factory.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('IndexedDB does not open')), OPEN_TIMEOUT_MS);
  });
  try {
    return await Promise.race([answerOf(request), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @template Result
 * @param {IDBRequest<Result>} request
 * @returns {Promise<Result>}
 */
function answerOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
