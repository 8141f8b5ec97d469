import { DuologueError } from './errors.js';

/** What browsers can show of pictures, as the server takes them. */
const PICTURES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'];
const NAME_BYTES_MAX = 255;
/** Fewer than the server takes of one user. */
const AT_ONCE = 3;

/**
 * @typedef {object} UploadWish
 * @property {'voice' | 'image' | 'file'} kind
 * @property {string} name
 *
 * @typedef {object} UploadWatch
 * @property {(progress: { sent: number, total: number }) => void} [onProgress] Bytes.
 * @property {AbortSignal} [signal] Breaks it off: `cancelled`.
 */

/** Takes files to the server, a few at once: the others wait for their turn. */
export class Uploads {
  #running = 0;
  /** @type {(() => void)[]} */
  #waiting = [];
  #rest;
  #baseUrl;
  #options;

  /**
   * @param {import('./rest.js').Rest} rest
   * @param {string} baseUrl
   * @param {{ XMLHttpRequest?: typeof XMLHttpRequest, fetch: typeof fetch }} options
   */
  constructor(rest, baseUrl, options) {
    this.#rest = rest;
    this.#baseUrl = baseUrl;
    this.#options = options;
  }

  /**
   * The address with which the server means its own.
   *
   * @param {string} url
   */
  absolute(url) {
    return new URL(url, this.#baseUrl).href;
  }

  /**
   * Takes a file to a session or room.
   *
   * @param {object} place
   * @param {Blob} file
   * @param {UploadWish} wish
   * @param {UploadWatch} [watch]
   * @returns {Promise<string>} Its id, for one message or several.
   * @throws {DuologueError} `too_large`, `conflict` (our quota), `bad_request` (it is not what it says),
   *   `rate_limited`, `unavailable`, `cancelled`.
   */
  async take(place, file, wish, watch = {}) {
    if (this.#running >= AT_ONCE) await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
    this.#running += 1;
    try {
      return await this.#take(place, file, wish, watch);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  /**
   * @param {object} place
   * @param {Blob} file
   * @param {UploadWish} wish
   * @param {UploadWatch} watch
   */
  async #take(place, file, { kind, name }, watch) {
    if (watch.signal?.aborted) throw new DuologueError('cancelled', 'the upload was broken off');
    // Parameters such as codecs are no part of a type's name.
    const type = file.type.split(';')[0]?.trim();
    const wish = { ...place, kind, name, size: file.size, ...(type && { type }) };
    const { upload, url } = await this.#rest.request('POST', '/v1/uploads', wish);
    if (watch.signal?.aborted) throw new DuologueError('cancelled', 'the upload was broken off');
    const answer = await this.#put(this.absolute(url), file, watch);
    if (answer.status >= 200 && answer.status < 300) return upload;
    const problem = parse(answer.text);
    throw new DuologueError(problem?.code ?? 'internal', problem?.detail, {
      retryable: answer.status === 429 || answer.status === 503,
      retryAfterMs: problem?.retry_after_ms ?? 0,
    });
  }

  /**
   * @param {string} url
   * @param {Blob} file
   * @param {UploadWatch} watch
   * @returns {Promise<{ status: number, text: string }>}
   */
  #put(url, file, watch) {
    const { XMLHttpRequest = globalThis.XMLHttpRequest, fetch } = this.#options;
    return XMLHttpRequest ? putWatched(XMLHttpRequest, url, file, watch) : putFetched(fetch, url, file, watch);
  }
}

/**
 * As what a file is sent unless the page says otherwise.
 *
 * @param {Blob} file
 * @returns {'image' | 'file'}
 */
export function kindOf(file) {
  return PICTURES.includes(file.type) ? 'image' : 'file';
}

/**
 * The name of a file without a path, and short enough.
 *
 * @param {Blob & { name?: string }} file
 * @param {string} fallback
 */
export function nameOf(file, fallback) {
  const plain = (file.name ?? '').split(/[/\\]/).pop()?.replace(/[\u0000-\u001f\u007f-\u009f]/g, '').trim();
  let name = plain || fallback;
  while (new TextEncoder().encode(name).length > NAME_BYTES_MAX) {
    // The ending says what it is.
    const dot = name.lastIndexOf('.');
    const [stem, ending] = dot > 0 && name.length - dot < 16 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
    name = [...stem].slice(0, -1).join('') + ending;
  }
  return name;
}

/**
 * Only XMLHttpRequest tells how much has left.
 *
 * @param {typeof XMLHttpRequest} Request
 * @param {string} url
 * @param {Blob} file
 * @param {UploadWatch} watch
 * @returns {Promise<{ status: number, text: string }>}
 */
function putWatched(Request, url, file, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new Request();
    const abort = () => request.abort();
    const end = () => signal?.removeEventListener('abort', abort);
    request.open('PUT', url);
    request.upload.addEventListener('progress', ({ loaded }) => onProgress?.({ sent: loaded, total: file.size }));
    request.addEventListener('load', () => {
      end();
      resolve({ status: request.status, text: request.responseText });
    });
    request.addEventListener('error', () => {
      end();
      reject(new DuologueError('unavailable', 'the file did not get through', { retryable: true }));
    });
    request.addEventListener('abort', () => {
      end();
      reject(new DuologueError('cancelled', 'the upload was broken off'));
    });
    signal?.addEventListener('abort', abort);
    request.send(file);
  });
}

/**
 * @param {typeof globalThis.fetch} ask
 * @param {string} url
 * @param {Blob} file
 * @param {UploadWatch} watch
 */
async function putFetched(ask, url, file, { onProgress, signal }) {
  try {
    const response = await ask(url, { method: 'PUT', body: file, credentials: 'omit', ...(signal && { signal }) });
    const text = await response.text();
    if (response.ok) onProgress?.({ sent: file.size, total: file.size });
    return { status: response.status, text };
  } catch (cause) {
    if (signal?.aborted) throw new DuologueError('cancelled', 'the upload was broken off', { cause });
    throw new DuologueError('unavailable', 'the file did not get through', { retryable: true, cause });
  }
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
