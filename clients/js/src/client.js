import { Blocks } from './blocks.js';
import { systemClock } from './clock.js';
import { Connection } from './connection.js';
import { Emitter } from './emitter.js';
import { DuologueError, isRetryable } from './errors.js';
import { work } from './proof-of-work.js';
import { Rest } from './rest.js';
import { Rooms } from './rooms.js';
import { Search } from './search.js';
import { Session } from './session.js';
import { Uploads } from './uploads.js';

/**
 * @typedef {object} Logger
 * @property {(message: string, detail?: unknown) => void} debug
 * @property {(message: string, detail?: unknown) => void} warn
 *
 * @typedef {object} ClientOptions
 * @property {string} url `wss://host/ws`.
 * @property {{ deviceId: string }} [guest] Come as a guest of this device, as long as nobody logs in.
 * @property {true} [account] Come with tokens only: call `login`, `register` or `enterAsGuest` first.
 * @property {(why: { refresh: boolean }) => string | Promise<string>} [getToken] Supplies an access
 *   token; `refresh` says that the last one was refused.
 * @property {import('./login-keeper.js').LoginKeeper} [keeper] Keeps the login of an account for all tabs and the next visit.
 * @property {Partial<import('./backoff.js').ReconnectPolicy> | false} [reconnect]
 * @property {Logger} [logger]
 * @property {readonly import('./ice.js').IceTransport[]} [iceTransports] Use only ICE servers
 *   reached this way.
 * @property {'relay'} [icePolicy] Relay only, whatever the server allows.
 * @property {typeof WebSocket} [WebSocket]
 * @property {typeof RTCPeerConnection} [RTCPeerConnection]
 * @property {typeof fetch} [fetch]
 * @property {typeof XMLHttpRequest} [XMLHttpRequest] Takes files to the server and tells how far they are.
 * @property {import('./clock.js').Clock} [clock]
 *
 * @typedef {object} ClientEvents
 * @property {import('./connection.js').StateEvent} state
 * @property {import('./protocol.js').WireWelcome} welcome
 * @property {{ session: Session }} session
 * @property {{ room: import('./room.js').Room }} room A group has met.
 * @property {{ withinMs: number, reason: string }} drain
 * @property {{ action: string, reason: string, until: number | null }} notice
 */

/** @param {unknown} error */
function ignoreUnauthorized(error) {
  // Ended before: what we want.
  if (!(error instanceof DuologueError) || !['unauthorized', 'logged_out'].includes(error.code)) throw error;
}

/** @type {Logger} */
const silentLogger = { debug() {}, warn() {} };

/**
 * The way in: one connection to the server, and the searches and sessions made over it.
 *
 * @extends {Emitter<ClientEvents>}
 */
export class Client extends Emitter {
  #options;
  #clock;
  #logger;
  #connection;
  #rest;
  #uploads;
  /** @type {Search<any> | null} */
  #search = null;
  /** @type {Map<string, Session>} */
  #sessionById = new Map();
  /** Sessions that we have ended and the server does not know of. @type {Set<string>} */
  #endLater = new Set();

  /** @type {import('./protocol.js').WireUser | null} */
  user = null;
  /** What the server said about itself and its limits. @type {import('./protocol.js').WireWelcome | null} */
  server = null;

  /** @param {ClientOptions} options */
  constructor(options) {
    super();
    const ways = [options.guest, options.getToken, options.account].filter(Boolean);
    if (ways.length !== 1) {
      throw new DuologueError('bad_request', 'give either guest, getToken or account');
    }
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    const connection = new Connection(options, this.#clock, this.#logger, {
      onState: (state) => this.#onState(state),
      onHello: (ok) => this.#onHello(ok),
      onPush: (frame) => this.#onPush(frame),
    });
    this.#connection = connection;
    const baseUrl = options.url.replace(/^ws/, 'http');
    const fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
    const rest = new Rest({ baseUrl, accessToken: () => connection.accessToken(), fetch });
    this.#rest = rest;
    this.#uploads = new Uploads(rest, baseUrl, { XMLHttpRequest: options.XMLHttpRequest, fetch });
    /** @readonly */
    this.blocks = new Blocks(rest);
    /** @readonly */
    this.rooms = new Rooms(this.#callPort(), rest);
  }

  get state() {
    return this.#connection.state.state;
  }

  /** The state with its details: reason, whether it is final, when the next attempt comes. */
  get stateDetail() {
    return this.#connection.state;
  }

  /** The account that we are logged in to; null: we are a guest, or whoever `getToken` says. */
  get account() {
    return this.#connection.login;
  }

  /** The live session, if any. */
  get session() {
    return [...this.#sessionById.values()].at(-1) ?? null;
  }

  /**
   * Connects, and from then on stays connected. Resolves once online.
   *
   * @returns {Promise<void>}
   * @throws {DuologueError} `closed` when the server does not want us or the attempts are used up.
   */
  connect() {
    if (this.#connection.online) return Promise.resolve();
    this.#connection.open();
    return new Promise((resolve, reject) => {
      const off = this.on('state', (event) => {
        if (event.state === 'online') resolve();
        else if (event.state === 'closed') reject(new DuologueError('closed', event.reason));
        else return;
        off();
      });
    });
  }

  /**
   * Makes an account. A guest who is here stays the user that it is, with its call and its rooms;
   * whoever else we were says goodbye, and if we were connected, we are again.
   *
   * @param {string} username
   * @param {string} password At least 8 characters.
   * @returns {Promise<import('./protocol.js').WireUser>}
   * @throws {DuologueError} `conflict` when the name is taken, `bad_request` for a name or password
   *   that can be none, `rate_limited`.
   */
  async register(username, password) {
    const path = '/v1/auth/register';
    if (!this.user?.guest) return this.#enter(path, username, password);
    const tokens = await this.#rest.request('POST', path, { username, password });
    await this.#connection.settle(tokens, username);
    this.user = tokens.user;
    return tokens.user;
  }

  /**
   * Becomes a new guest by REST, where the operator judges guests: with a proof, such as the answer of a captcha. Where guests
   * have to work before they come, that is done here.
   * For clients made with `account`.
   *
   * @param {string} deviceId
   * @param {string} [proof]
   * @returns {Promise<import('./protocol.js').WireUser>}
   * @throws {DuologueError} `forbidden` when the proof is not accepted, `unavailable` when nobody could tell.
   */
  async enterAsGuest(deviceId, proof) {
    const wish = { device_id: deviceId, ...(proof !== undefined && { proof }) };
    try {
      return await this.#become('/v1/auth/guest', wish);
    } catch (error) {
      if (!(error instanceof DuologueError) || error.code !== 'forbidden') throw error;
      const task = await this.#rest.requestAsNobody('GET', '/v1/auth/challenge').catch(() => null);
      // No work is asked for: it was the proof.
      if (!task) throw error;
      return this.#become('/v1/auth/guest', { ...wish, ...(await work(task)) });
    }
  }

  /**
   * Logs in to an account: whoever we were says goodbye, and if we were connected, we are again. Once the login is over, by
   * whomever, the state is `closed` for the reason `logged_out`.
   *
   * @param {string} username
   * @param {string} password
   * @returns {Promise<import('./protocol.js').WireUser>}
   * @throws {DuologueError} `unauthorized` for a wrong name or password, `rate_limited` after too many.
   */
  login(username, password) {
    return this.#enter('/v1/auth/login', username, password);
  }

  /**
   * Says goodbye and ends this login, or all logins of this user. A guest will be a new one.
   *
   * @param {{ everywhere?: boolean }} [options]
   * @throws {DuologueError} `unavailable` when the server was not reached: the login is still good.
   */
  async logout({ everywhere = false } = {}) {
    const loggedOut = this.#rest.request('POST', '/v1/auth/logout', { all: everywhere });
    // The server closes the socket with 4401, which is no reason to come back.
    await Promise.all([loggedOut.catch(ignoreUnauthorized), this.close()]);
    await this.#connection.become(null);
    this.user = null;
  }

  /**
   * All that the server keeps about us, as one document.
   *
   * @returns {Promise<Record<string, any>>}
   * @throws {DuologueError} `rate_limited` while others of this address ask for the same.
   */
  ownData() {
    return this.#rest.request('GET', '/v1/me/export');
  }

  /**
   * Has the server take away all that it keeps about us: account, messages, files, rooms. There is no way back. Afterwards
   * we are nobody; a guest will be a new one.
   *
   * @param {string} [password] Needed by those who have an account.
   * @throws {DuologueError} `bad_request` without a password that is needed, `unauthorized` for a wrong one.
   */
  async deleteOwnData(password) {
    await this.#rest.request('DELETE', '/v1/me', password === undefined ? undefined : { password });
    await this.close();
    await this.#connection.become(null);
    this.user = null;
  }

  /** Says goodbye: leaves the queue, ends the session, closes. */
  close() {
    return this.#connection.close();
  }

  /**
   * Searches for a partner; connects first where needed. One search at a time: an earlier one is
   * cancelled.
   *
   * @param {import('./search.js').QueueOptions} [options]
   * @returns {Search}
   */
  queue(options = {}) {
    return this.#begin(this.#makeSearch(options));
  }

  /**
   * Searches for a group; connects first where needed. What comes of it is a room with everybody in it,
   * which is there until the last one has left. One search at a time, of whatever kind.
   *
   * @param {import('./search.js').QueueOptions & { size: number }} options `size`: 3 to 8, ourselves among them.
   * @returns {Search<import('./room.js').Room>}
   */
  search(options) {
    if (!(options.size > 2)) throw new DuologueError('bad_request', 'a group has 3 to 8 people; queue() is for two');
    return this.#begin(this.#makeSearch(options));
  }

  /**
   * @template {Search<any>} S
   * @param {S} search
   */
  #begin(search) {
    this.#search?.cancel();
    this.#search = search;
    if (this.#connection.online) search.join();
    else this.#connection.open();
    return search;
  }

  /**
   * Sends any message of the protocol and waits for its reply.
   *
   * @param {string} type
   * @param {object} [data]
   * @returns {Promise<any>}
   */
  request(type, data = {}) {
    return this.#connection.request(type, data);
  }

  /**
   * @param {string} path
   * @param {string} username
   * @param {string} password
   */
  #enter(path, username, password) {
    const device = this.#options.guest && { device_id: this.#options.guest.deviceId };
    return this.#become(path, { username, password, ...device }, username);
  }

  /**
   * @param {string} path
   * @param {object} form
   * @param {string} [username]
   */
  async #become(path, form, username) {
    const tokens = await this.#rest.requestAsNobody('POST', path, form);
    await this.#connection.become(tokens, username);
    this.user = tokens.user;
    return tokens.user;
  }

  /** @param {import('./connection.js').StateEvent} event */
  #onState(event) {
    this.emit('state', event);
    if (event.state !== 'closed') return;
    if (event.reason === 'logged_out') this.user = null;
    this.#search?.fail(new DuologueError('closed', event.reason));
    const reason = event.reason === 'bye' ? 'ended' : 'lost';
    for (const session of [...this.#sessionById.values()]) session.finish(reason);
    this.rooms.finish(event.reason === 'bye' ? 'left' : 'lost');
  }

  /** @param {import('./protocol.js').WireHelloOk} ok */
  #onHello(ok) {
    this.user = ok.user;
    // After a gap the server says in `sync` what is left.
    if (ok.gap) return;
    if (ok.resumed) {
      this.#sendEndings();
      for (const session of this.#sessionById.values()) session.resume();
      this.rooms.resume();
      // The ticket is as we left it: one we have given up must go, a join may never have got through.
      if (!this.#search) this.#connection.notify('queue.leave', {});
      else if (!this.#search.status) this.#search.join();
    } else {
      this.#endLater.clear();
      this.#reconcile({ sessions: [] });
      this.rooms.reconcile([]);
      this.#search?.join();
    }
  }

  #sendEndings() {
    for (const session of this.#endLater) this.#endOnServer(session);
    this.#endLater.clear();
  }

  /** @param {string} session */
  #endOnServer(session) {
    this.request('session.end', { session }).catch((error) => {
      if (isRetryable(error)) this.#endLater.add(session);
    });
  }

  /** @param {import('./protocol.js').Frame} frame */
  #onPush({ type, ts = 0, data = {} }) {
    switch (type) {
      case 'welcome':
        this.server = data;
        this.emit('welcome', data);
        break;
      case 'sync':
        this.#onSync(data);
        break;
      case 'server.drain':
        this.emit('drain', { withinMs: data.within_ms ?? 0, reason: data.reason ?? '' });
        break;
      case 'queue.status':
        this.#search?.handleStatus(data);
        break;
      case 'match.found':
        this.#onMatch(data);
        break;
      case 'moderation.notice':
        this.emit('notice', { until: null, reason: '', ...data });
        break;
      default:
        if (data.room === undefined) this.#sessionById.get(data.session)?.handlePush(type, data, ts);
        else this.rooms.handlePush(type, data, ts);
    }
  }

  /** @param {import('./protocol.js').WireMatch | import('./protocol.js').WireRoomOk} match */
  #onMatch(match) {
    this.#connection.setServerTime(match.server_time);
    const search = this.#search;
    if ('room' in match) {
      if (!search?.wantsGroup) {
        this.rooms.decline(match.room);
        return;
      }
      const room = this.rooms.enter(match, { stream: search.options.stream });
      this.emit('room', { room });
      search.succeed(room);
      return;
    }
    if (!search || search.wantsGroup) {
      // Matched in the moment of cancelling: the other side must not wait for us.
      this.#endOnServer(match.session);
      return;
    }
    const session = new Session(this.#sessionPort(), match, search.options);
    this.#sessionById.set(session.id, session);
    this.emit('session', { session });
    search.succeed(session);
  }

  /** @param {import('./protocol.js').WireSync} sync */
  #onSync(sync) {
    this.#endLater.clear();
    for (const session of this.#reconcile(sync)) this.#endOnServer(session);
    this.rooms.reconcile(sync.rooms ?? []);
    if (!sync.queue) this.#search?.join();
    else if (this.#search) this.#search.handleStatus(sync.queue);
    else this.#connection.notify('queue.leave', {});
  }

  /**
   * Ends the sessions that the server no longer knows, goes on with the others.
   *
   * @param {import('./protocol.js').WireSync} sync
   * @returns {string[]} Sessions that only the server knows.
   */
  #reconcile({ sessions = [] }) {
    const knownById = new Map(sessions.map((known) => [known.session, known]));
    for (const session of [...this.#sessionById.values()]) {
      const known = knownById.get(session.id);
      if (known) session.resume(known);
      else session.finish('lost');
      knownById.delete(session.id);
    }
    return [...knownById.keys()];
  }

  /**
   * @param {import('./search.js').QueueOptions} options
   * @returns {Search<any>}
   */
  #makeSearch(options) {
    return new Search(
      {
        request: (type, data) => this.request(type, data),
        isOnline: () => this.#connection.online,
        onDone: (search) => {
          if (this.#search === search) this.#search = null;
        },
        clock: this.#clock,
      },
      options,
    );
  }

  /** @returns {import('./session.js').SessionPort} */
  #sessionPort() {
    return {
      ...this.#callPort(),
      next: (session, reason) => this.#next(session, reason),
      onEnded: (session) => this.#sessionById.delete(session.id),
      endLater: (session) => this.#endLater.add(session.id),
    };
  }

  /** What calls of two and of several need. @returns {import('./rooms.js').RoomsPort} */
  #callPort() {
    const connection = this.#connection;
    return {
      request: (type, data) => connection.request(type, data),
      notify: (type, data) => connection.notify(type, data),
      toLocalTime: (serverTime) => connection.toLocalTime(serverTime),
      uploads: this.#uploads,
      clock: this.#clock,
      logger: this.#logger,
      RTCPeerConnection: this.#options.RTCPeerConnection ?? globalThis.RTCPeerConnection,
      iceTransports: this.#options.iceTransports,
      icePolicy: this.#options.icePolicy,
    };
  }

  /**
   * @param {Session} session
   * @param {string | undefined} reason
   */
  async #next(session, reason) {
    if (session.state === 'ended') return this.queue(session.queueOptions);
    // In place before the request: the next match may follow on the heels of the reply.
    const search = this.#makeSearch(session.queueOptions);
    this.#search = search;
    try {
      const data = { session: session.id, ...(reason && { reason }) };
      search.handleStatus(await this.request('session.next', data));
      session.finish('skipped');
    } catch (error) {
      if (!(error instanceof DuologueError)) throw error;
      if (error.code === 'disconnected' || error.code === 'offline') {
        // Whether it got through or not, the session is over for us and the search goes on.
        this.#endLater.add(session.id);
        session.finish('skipped');
      } else if (error.code === 'not_in_session') {
        // It ended while we asked: then this is a plain search.
        search.join();
      } else {
        search.fail(new DuologueError('cancelled', 'no next partner', { cause: error }));
        throw error;
      }
    }
    return search;
  }
}
