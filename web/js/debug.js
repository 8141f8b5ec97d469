/**
 * What `window.duologueDebug` tells: a snapshot that can be written as JSON, for tests and for bug
 * reports. It holds no tokens.
 */
export class Debug {
  /** @type {string[]} */
  #errors = [];
  /** The last reading of the call before, which outlives it. @type {object | null} */
  lastQuality = null;
  /** @type {{ reason: string, durationMs: number } | null} */
  ended = null;

  /**
   * @param {object} sources
   * @param {() => import('/sdk/index.js').Client | null} sources.client
   * @param {() => import('/sdk/index.js').Search | null} sources.search
   * @param {() => import('/sdk/index.js').Session | null} sources.session
   * @param {() => { own: boolean, text: string }[]} sources.messages
   */
  constructor(sources) {
    const note = (/** @type {string} */ text) => {
      if (this.#errors.length < 50) this.#errors.push(text);
    };
    window.addEventListener('error', (event) => note(`error: ${event.message}`));
    window.addEventListener('unhandledrejection', (event) => note(`rejection: ${event.reason}`));
    document.addEventListener('securitypolicyviolation', (event) => {
      note(`csp: ${event.violatedDirective} ${event.blockedURI}`);
    });
    Object.defineProperty(window, 'duologueDebug', { get: () => this.#snapshot(sources) });
  }

  /** @param {any} sources */
  #snapshot(sources) {
    const client = sources.client();
    const session = sources.session();
    const remote = /** @type {HTMLVideoElement} */ (document.getElementById('remote'));
    return {
      screen: document.body.dataset.state,
      client: client?.stateDetail ?? null,
      server: client?.server?.server ?? null,
      isGuest: client?.user?.guest ?? null,
      queue: sources.search()?.status ?? null,
      session: session && {
        id: session.id,
        state: session.state,
        peer: session.peer,
        media: session.media,
        peerMedia: session.peerMedia,
        peerLostUntil: session.peerLostUntil,
        remainingMs: session.remainingMs(),
      },
      quality: session?.quality ?? null,
      lastQuality: this.lastQuality,
      ended: this.ended,
      messages: sources.messages(),
      remote: { width: remote.videoWidth, height: remote.videoHeight, playing: !remote.paused },
      errors: [...this.#errors],
    };
  }
}
