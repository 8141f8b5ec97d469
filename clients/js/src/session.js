import { Call } from './call.js';
import { Chat } from './chat.js';
import { Emitter } from './emitter.js';
import { isRetryable } from './errors.js';
import { filterIceServers } from './ice.js';
import { replaceTrack, sentTracks } from './media.js';
import { Monitor } from './monitor.js';

const PEER_TYPING_MS = 6_000;
/** How long `session.ended` may take after the server agreed to the end. */
const END_PATIENCE_MS = 2_000;
/** New credentials reach the two sides one after the other; both must have them before a restart. */
const RESTART_AFTER_UPDATE_MS = 1_000;

/**
 * @typedef {'connecting' | 'connected' | 'reconnecting' | 'failed' | 'ended'} SessionState
 * @typedef {{ id: string, tagsCommon: string[], language: string | null }} Peer
 *
 * @typedef {object} SessionEvents
 * @property {{ track: MediaStreamTrack, stream: MediaStream }} track
 * @property {{ state: SessionState }} state
 * @property {import('./stats.js').Quality} quality
 * @property {import('./chat-event.js').ChatMessage} message
 * @property {import('./chat-event.js').ChatReceipt} receipt
 * @property {import('./chat-event.js').ChatReaction} reaction
 * @property {{ from: string, mid: string }} deleted A message is gone, with its file.
 * @property {{ on: boolean }} typing
 * @property {import('./media.js').MediaState} peer-media
 * @property {{ reason: string, canReconnect: boolean, until: number | null }} peer-left
 * @property {{}} peer-resumed
 * @property {{ remainingMs: number }} warning
 * @property {{ deadline: number | null }} extended
 * @property {{ reason: string, durationMs: number }} ended
 *
 * @typedef {object} SessionPort
 * @property {(type: string, data: object) => Promise<any>} request
 * @property {(type: string, data: object) => void} notify
 * @property {(session: Session, reason: string | undefined) => Promise<import('./search.js').Search>} next
 * @property {(session: Session) => void} onEnded
 * @property {(session: Session) => void} endLater Ends it on the server as soon as that can be reached.
 * @property {(serverTime: number) => number} toLocalTime
 * @property {import('./uploads.js').Uploads} uploads
 * @property {import('./clock.js').Clock} clock
 * @property {import('./client.js').Logger} logger
 * @property {typeof RTCPeerConnection | undefined} RTCPeerConnection
 * @property {readonly import('./ice.js').IceTransport[] | undefined} iceTransports
 * @property {'relay' | undefined} icePolicy
 */

/**
 * One call with one other person. It owns the RTCPeerConnection; the page owns its own tracks.
 *
 * @extends {Emitter<SessionEvents>}
 */
export class Session extends Emitter {
  #port;
  #polite;
  #startedAt;
  /** @type {SessionState} */
  #state = 'connecting';
  /** @type {{ call: Call, monitor: Monitor } | null} */
  #rtc = null;
  #screen = false;
  /** @type {number | null} */
  #peerLostUntil = null;
  /** @type {Set<unknown>} */
  #timers = new Set();
  /** @type {unknown} */
  #typingTimer = null;

  /**
   * @param {SessionPort} port
   * @param {import('./protocol.js').WireMatch} match
   * @param {import('./search.js').QueueOptions} options What the search asked for.
   */
  constructor(port, match, options) {
    super();
    this.#port = port;
    this.#polite = match.role === 'polite';
    this.#startedAt = port.clock.now();
    /** @readonly */
    this.id = match.session;
    /** Our own alias in this session. @readonly */
    this.self = match.self;
    /** @readonly @type {Peer} */
    this.peer = {
      id: match.peer.id,
      tagsCommon: match.peer.tags_common ?? [],
      language: match.peer.language ?? null,
    };
    /** @readonly */
    this.queueOptions = options;
    /** Local Unix milliseconds; null: no limit. @type {number | null} */
    this.deadline = this.#localDeadline(match.deadline);
    /** What the other side sends, as far as it has said. @type {import('./media.js').MediaState} */
    this.peerMedia = { audio: true, video: true, screen: false };
    /** @readonly */
    this.chat = new Chat({
      place: { session: this.id },
      request: (type, data) => port.request(type, { session: this.id, ...data }),
      notify: (type, data) => this.#notify(type, data),
      ended: () => this.#state === 'ended',
      self: () => this.self,
      uploads: port.uploads,
      clock: port.clock,
    });
    this.chat.on('message', (message) => {
      this.#onPeerTyping(false);
      this.emit('message', message);
    });
    for (const type of /** @type {const} */ (['receipt', 'reaction', 'deleted'])) {
      this.chat.on(type, (/** @type {any} */ event) => this.emit(type, event));
    }
    /** The other side's tracks; null where there is no WebRTC. @readonly @type {MediaStream | null} */
    this.remoteStream = typeof MediaStream === 'undefined' ? null : new MediaStream();
    if (port.RTCPeerConnection) this.#open(port.RTCPeerConnection, match, options.stream);
  }

  get state() {
    return this.#state;
  }

  /** The connection, for reading. Its negotiation belongs to the session. */
  get pc() {
    return this.#rtc?.call.pc ?? null;
  }

  /** The latest reading, or null before the first. */
  get quality() {
    return this.#rtc?.monitor.latest ?? null;
  }

  /** What we send now. */
  get media() {
    const { audio, video } = sentTracks(this.pc);
    return { audio: audio?.enabled === true, video: video?.enabled === true, screen: this.#screen };
  }

  /** Local Unix milliseconds until which the other side may come back; null while it is there. */
  get peerLostUntil() {
    return this.#peerLostUntil;
  }

  /** Milliseconds to the deadline, or null when there is none. */
  remainingMs() {
    return this.deadline === null ? null : Math.max(0, this.deadline - this.#port.clock.now());
  }

  /**
   * Ends the session for both. Resolves when it is over, also when the server cannot be reached.
   *
   * @param {string} [reason]
   */
  async end(reason) {
    if (this.#state === 'ended') return;
    this.#rtc?.monitor.close();
    try {
      await this.#port.request('session.end', { session: this.id, ...(reason && { reason }) });
      this.#later(() => this.finish('ended'), END_PATIENCE_MS);
    } catch (error) {
      this.#port.logger.debug('session.end', error);
      if (isRetryable(error)) this.#port.endLater(this);
      this.finish('ended');
    }
  }

  /**
   * Leaves this partner and searches on with the same wishes.
   *
   * @param {string} [reason]
   * @returns {Promise<import('./search.js').Search>}
   * @throws {import('./errors.js').DuologueError} `rate_limited` when the skips are used up; the
   *   session then goes on.
   */
  next(reason) {
    return this.#port.next(this, reason);
  }

  /**
   * Keeps the other side away for good, which ends the session if it is not over. It is not told why.
   *
   * @throws {import('./errors.js').DuologueError} Retryable when the server cannot be reached or
   *   cannot store it.
   */
  async block() {
    await this.#port.request('block.add', { session: this.id });
  }

  /**
   * Complains to the operator about the other side, during the session or within a day after it, once.
   * It is not told, and unless `block` is false it is also kept away for good.
   *
   * @param {import('./protocol.js').ReportReason} reason
   * @param {object} [details]
   * @param {string} [details.comment] At most 1,000 characters.
   * @param {string[]} [details.mids] Messages that say most of all, at most 20.
   * @param {boolean} [details.block]
   * @returns {Promise<{ report: string }>} The name of the report.
   * @throws {import('./errors.js').DuologueError} `conflict` when this session was reported before.
   */
  async report(reason, { comment, mids, block = true } = {}) {
    return this.#port.request('report.submit', {
      session: this.id,
      reason,
      ...(comment && { comment }),
      ...(mids?.length && { evidence: { mids } }),
      block,
    });
  }

  /** Asks for more time; both sides must ask. */
  async extend() {
    const { pending } = await this.#port.request('session.extend', { session: this.id });
    return { pending: pending !== false };
  }

  /**
   * Mutes or unmutes what we send and tells the other side.
   *
   * @param {import('./media.js').MediaKind} kind
   * @param {boolean} on
   */
  setEnabled(kind, on) {
    const track = sentTracks(this.pc)[kind];
    if (track) track.enabled = on;
    this.#reportMedia();
  }

  /**
   * Sends another track of this kind, or none.
   *
   * @param {import('./media.js').MediaKind} kind
   * @param {MediaStreamTrack | null} track
   * @param {{ screen?: boolean }} [details]
   */
  async replaceTrack(kind, track, { screen = false } = {}) {
    if (!this.pc || this.#state === 'ended') return;
    await replaceTrack(this.pc, kind, track);
    if (kind === 'video') this.#screen = screen && track !== null;
    this.#reportMedia();
  }

  /**
   * Takes a push that carries this session's id. For the SDK's own use.
   *
   * @param {string} type
   * @param {any} data
   * @param {number} ts
   */
  handlePush(type, data, ts) {
    switch (type) {
      case 'rtc.description':
        this.#rtc?.call.handleDescription(data);
        break;
      case 'rtc.candidates':
        this.#rtc?.call.handleCandidates(data);
        break;
      case 'ice.updated':
        this.#onIceUpdated(data.ice_servers);
        break;
      case 'chat.typing':
        this.#onPeerTyping(data.on === true);
        break;
      case 'peer.media':
        this.peerMedia = { audio: !!data.audio, video: !!data.video, screen: !!data.screen };
        this.emit('peer-media', this.peerMedia);
        break;
      case 'peer.left':
        this.#onPeerLeft(data);
        break;
      case 'peer.resumed':
        this.#onPeerResumed();
        // It missed what we said about our devices, and perhaps an offer.
        this.#reportMedia();
        this.#rtc?.call.recover();
        break;
      case 'session.warning':
        this.emit('warning', { remainingMs: data.remaining_ms });
        break;
      case 'session.extended':
        this.deadline = this.#localDeadline(data.deadline);
        this.emit('extended', { deadline: this.deadline });
        break;
      case 'session.ended':
        this.finish(data.reason ?? 'ended', data.duration_ms);
        break;
      default:
        if (!this.chat.handlePush(type, data, ts)) this.#port.logger.debug(`unhandled ${type}`);
    }
  }

  /**
   * Goes on after a reconnect that kept the session. For the SDK's own use.
   *
   * @param {import('./protocol.js').WireSyncSession} [known] What the server says about it, if we
   *   have missed pushes.
   */
  resume(known) {
    this.#reportMedia();
    if (known) {
      if (known.deadline !== undefined) this.deadline = this.#localDeadline(known.deadline);
      // If it is still away we are told so again.
      if (this.#peerLostUntil !== null) this.#onPeerResumed();
      this.#refreshIce();
      this.chat.catchUp().catch((error) => this.#port.logger.debug('chat.history', error));
    }
    // The network may be another one: what was under way is said again, and a dead path replaced.
    this.#rtc?.call.recover();
  }

  /**
   * Closes everything. For the SDK's own use.
   *
   * @param {string} reason
   * @param {number} [durationMs]
   */
  finish(reason, durationMs = this.#port.clock.now() - this.#startedAt) {
    if (this.#state === 'ended') return;
    for (const timer of this.#timers) this.#port.clock.clearTimeout(timer);
    this.#timers.clear();
    this.chat.close();
    this.#rtc?.monitor.close();
    this.#rtc?.call.close();
    this.#setState('ended');
    this.#port.onEnded(this);
    this.emit('ended', { reason, durationMs });
  }

  /**
   * @param {typeof RTCPeerConnection} PeerConnection
   * @param {import('./protocol.js').WireMatch} match
   * @param {MediaStream | undefined} stream
   */
  #open(PeerConnection, match, stream) {
    const { clock, logger, icePolicy } = this.#port;
    const call = new Call({
      PeerConnection,
      iceServers: filterIceServers(match.ice_servers, this.#port.iceTransports),
      icePolicy: icePolicy ?? match.ice_policy ?? 'all',
      polite: this.#polite,
      initiator: match.initiator,
      stream,
      signals: {
        description: (description) => {
          const to = this.peer.id;
          return this.#port.request('rtc.description', { session: this.id, to, ...description });
        },
        candidates: (candidates) => this.#notify('rtc.candidates', candidates),
      },
      onTrack: (track) => {
        this.remoteStream?.addTrack(track);
        if (this.remoteStream) this.emit('track', { track, stream: this.remoteStream });
      },
      onState: (state) => this.#onConnectionState(state),
      giveUp: () => this.#setState('failed'),
      clock,
      logger,
    });
    const monitor = new Monitor({
      pc: call.pc,
      clock,
      report: (type, data) => this.#notify(type, data),
      onQuality: (quality) => this.emit('quality', quality),
    });
    this.#rtc = { call, monitor };
    this.#reportMedia();
  }

  /** @param {RTCPeerConnectionState} connectionState */
  #onConnectionState(connectionState) {
    if (this.#state === 'ended') return;
    if (connectionState === 'connected') this.#setState('connected');
    else if (connectionState === 'disconnected' || connectionState === 'failed') {
      if (this.#state !== 'failed') this.#setState('reconnecting');
    }
  }

  /** @param {SessionState} state */
  #setState(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.emit('state', { state });
  }

  /** Asks for credentials that may have been pushed while we were away. */
  async #refreshIce() {
    if (!this.#rtc) return;
    try {
      const { ice_servers } = await this.#port.request('ice.refresh', { session: this.id });
      this.#setIceServers(ice_servers);
    } catch (error) {
      this.#port.logger.debug('ice.refresh', error);
    }
  }

  /** @param {import('./protocol.js').WireIceServer[]} servers */
  #setIceServers(servers) {
    if (!this.#rtc || this.#state === 'ended' || !Array.isArray(servers)) return;
    this.#rtc.call.setIceServers(filterIceServers(servers, this.#port.iceTransports));
  }

  /** @param {import('./protocol.js').WireIceServer[]} servers */
  #onIceUpdated(servers) {
    this.#setIceServers(servers);
    if (!this.#rtc) return;
    const { call } = this.#rtc;
    // A direct pair needs no server; a relayed one moves to an allocation of the new credential.
    if (this.quality?.path === 'relay' && !this.#polite) {
      this.#later(() => call.restart(), RESTART_AFTER_UPDATE_MS);
    }
  }

  /** @param {{ reason?: string, can_reconnect?: boolean, until?: number }} left */
  #onPeerLeft({ reason = 'left', can_reconnect = false, until: serverUntil }) {
    const until = serverUntil === undefined ? null : this.#port.toLocalTime(serverUntil);
    this.#peerLostUntil = until;
    this.#onPeerTyping(false);
    this.emit('peer-left', { reason, canReconnect: can_reconnect, until });
  }

  #onPeerResumed() {
    this.#peerLostUntil = null;
    this.emit('peer-resumed', {});
  }

  /** @param {boolean} on */
  #onPeerTyping(on) {
    const wasOn = this.#typingTimer !== null;
    if (wasOn) {
      this.#port.clock.clearTimeout(this.#typingTimer);
      this.#timers.delete(this.#typingTimer);
      this.#typingTimer = null;
    }
    if (on) this.#typingTimer = this.#later(() => this.#onPeerTyping(false), PEER_TYPING_MS);
    if (on !== wasOn) this.emit('typing', { on });
  }

  #reportMedia() {
    this.#notify('media.state', this.media);
  }

  /**
   * @param {string} type
   * @param {object} data
   */
  #notify(type, data) {
    if (this.#state !== 'ended') this.#port.notify(type, { session: this.id, ...data });
  }

  /** @param {number | null | undefined} deadline Server time. */
  #localDeadline(deadline) {
    return typeof deadline === 'number' ? this.#port.toLocalTime(deadline) : null;
  }

  /**
   * @param {() => void} run
   * @param {number} delayMs
   */
  #later(run, delayMs) {
    const timer = this.#port.clock.setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
    return timer;
  }
}
