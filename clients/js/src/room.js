import { Chat } from './chat.js';
import { Emitter } from './emitter.js';
import { DuologueError, isRetryable } from './errors.js';
import { RoomPeer } from './room-peer.js';

const PEER_TYPING_MS = 6_000;

/**
 * @typedef {object} RoomOptions
 * @property {string} [ticket] An invitation; members need none.
 * @property {MediaStream} [stream] What everybody there is sent. Without it we only receive.
 *
 * @typedef {object} RoomEvents
 * @property {{ peer: RoomPeer }} peer-joined
 * @property {{ peer: RoomPeer, reason: string }} peer-left It is gone.
 * @property {{ peer: RoomPeer, until: number | null }} peer-lost It may come back.
 * @property {{ peer: RoomPeer }} peer-resumed
 * @property {{ peer: RoomPeer }} peer-state
 * @property {{ peer: RoomPeer }} peer-media
 * @property {{ peer: RoomPeer, track: MediaStreamTrack }} track
 * @property {import('./chat-event.js').ChatMessage} message
 * @property {{ peer: RoomPeer, on: boolean }} typing
 * @property {import('./chat-event.js').ChatReceipt} receipt
 * @property {import('./chat-event.js').ChatReaction} reaction
 * @property {{ from: string, mid: string }} deleted
 * @property {{}} rejoined The server had forgotten us; everybody is connected anew.
 * @property {{ reason: string }} left We are not there any more: `left`, `kicked`, `limit` when the time of a group is
 *   over, or why we could not come back.
 *
 * @typedef {object} RoomPort
 * @property {(type: string, data: object) => Promise<any>} request
 * @property {(type: string, data: object) => void} notify
 * @property {(room: Room) => void} onLeft
 * @property {(room: Room) => void} leaveLater Leaves it on the server as soon as that can be reached.
 * @property {(serverTime: number) => number} toLocalTime
 * @property {import('./uploads.js').Uploads} uploads
 * @property {import('./clock.js').Clock} clock
 * @property {import('./client.js').Logger} logger
 * @property {typeof RTCPeerConnection | undefined} RTCPeerConnection
 * @property {readonly import('./ice.js').IceTransport[] | undefined} iceTransports
 * @property {'relay' | undefined} icePolicy
 */

/**
 * A room we are in: a connection with each of the others, and what is written. The page owns its own
 * tracks.
 *
 * @extends {Emitter<RoomEvents>}
 */
export class Room extends Emitter {
  #port;
  #options;
  #left = false;
  #screen = false;
  /** What is sent now; a stream of our own, so that tracks may be replaced for those who come later. */
  #sent;
  #iceServers;
  /** @type {'all' | 'relay'} */
  #icePolicy;
  /** @type {Map<string, RoomPeer>} */
  #peerById = new Map();
  /** @type {Map<string, unknown>} */
  #typingTimerByPeer = new Map();

  /**
   * @param {RoomPort} port
   * @param {import('./protocol.js').WireRoomOk} ok
   * @param {RoomOptions} options
   */
  constructor(port, ok, options) {
    super();
    this.#port = port;
    this.#options = options;
    this.#iceServers = ok.ice_servers;
    this.#icePolicy = port.icePolicy ?? ok.ice_policy ?? 'all';
    /** @type {Map<import('./media.js').MediaKind, MediaStreamTrack>} */
    this.#sent = new Map();
    for (const track of options.stream?.getTracks() ?? []) {
      if (track.kind === 'audio' || track.kind === 'video') this.#sent.set(track.kind, track);
    }
    /** @readonly */
    this.id = ok.room;
    /** What people call it. @readonly */
    this.name = ok.name;
    /** Our own alias in this room, the same for as long as we are a member. */
    this.self = ok.self;
    /** @type {'owner' | 'moderator' | 'member'} */
    this.role = ok.role;
    /** How many met, where a match has made the room. @readonly @type {number | null} */
    this.size = ok.size ?? null;
    /** Tags everybody in the group named. @readonly @type {string[]} */
    this.tagsCommon = ok.tags_common ?? [];
    /** When the group's time is over, in local Unix milliseconds; null: never. @readonly @type {number | null} */
    this.deadline = ok.deadline == null ? null : port.toLocalTime(ok.deadline);
    /** @readonly */
    this.chat = new Chat({
      place: { room: this.id },
      request: (type, data) => port.request(type, { room: this.id, ...data }),
      notify: (type, data) => this.#notify(type, data),
      ended: () => this.#left,
      self: () => this.self,
      since: ok.last_mid,
      uploads: port.uploads,
      clock: port.clock,
    });
    this.chat.on('message', (message) => {
      const from = this.#peerById.get(message.from);
      if (from) this.#onTyping(from, false);
      this.emit('message', message);
    });
    for (const type of /** @type {const} */ (['receipt', 'reaction', 'deleted'])) {
      this.chat.on(type, (/** @type {any} */ event) => this.emit(type, event));
    }
    this.#meet(ok.members);
    this.#reportMedia();
  }

  /** The others, in the order in which they came to us. */
  get peers() {
    return [...this.#peerById.values()];
  }

  /** Whether we are not there any more. */
  get left() {
    return this.#left;
  }

  /** What we send now. */
  get media() {
    const [audio, video] = [this.#sent.get('audio'), this.#sent.get('video')];
    return { audio: audio?.enabled === true, video: video?.enabled === true, screen: this.#screen };
  }

  /**
   * The track of this kind that everybody is sent, if any.
   *
   * @param {import('./media.js').MediaKind} kind
   */
  sent(kind) {
    return this.#sent.get(kind) ?? null;
  }

  /** @param {string} id An alias. */
  peer(id) {
    return this.#peerById.get(id) ?? null;
  }

  /** Leaves, also when the server cannot be reached. We stay a member and may join again. */
  async leave() {
    if (this.#left) return;
    this.finish('left');
    try {
      await this.#port.request('room.leave', { room: this.id });
    } catch (error) {
      this.#port.logger.debug('room.leave', error);
      if (isRetryable(error)) this.#port.leaveLater(this);
    }
  }

  /**
   * Keeps somebody here away for good: we are not there for each other any more, and are not matched again.
   *
   * @param {string} peer An alias.
   */
  async block(peer) {
    await this.#port.request('block.add', { room: this.id, peer });
  }

  /**
   * A part of what was written, oldest first.
   *
   * @param {import('./chat.js').HistoryWindow} [window]
   */
  history(window = {}) {
    return this.chat.history(window);
  }

  /**
   * Mutes or unmutes what we send and tells the others.
   *
   * @param {import('./media.js').MediaKind} kind
   * @param {boolean} on
   */
  setEnabled(kind, on) {
    const track = this.#sent.get(kind);
    if (track) track.enabled = on;
    this.#reportMedia();
  }

  /**
   * Sends everybody another track of this kind, or none.
   *
   * @param {import('./media.js').MediaKind} kind
   * @param {MediaStreamTrack | null} track
   * @param {{ screen?: boolean }} [details]
   */
  async replaceTrack(kind, track, { screen = false } = {}) {
    if (this.#left) return;
    if (track) this.#sent.set(kind, track);
    else this.#sent.delete(kind);
    if (kind === 'video') this.#screen = screen && track !== null;
    await Promise.all(this.peers.map((peer) => peer.replaceTrack(kind, track)));
    this.#reportMedia();
  }

  /**
   * Takes a push that carries this room's id. For the SDK's own use.
   *
   * @param {string} type
   * @param {any} data
   * @param {number} ts
   */
  handlePush(type, data, ts) {
    const from = this.#peerById.get(data.from);
    switch (type) {
      case 'rtc.description':
        from?.handleDescription(data);
        break;
      case 'rtc.candidates':
        from?.handleCandidates(data);
        break;
      case 'ice.updated':
        this.#iceServers = data.ice_servers;
        for (const peer of this.peers) peer.renewIce();
        break;
      case 'peer.joined':
        this.#onJoined(data);
        break;
      case 'peer.left':
        this.#onLeft(data);
        break;
      case 'peer.resumed':
        this.#onResumed(data.peer);
        break;
      case 'peer.media':
        if (from) {
          from.media = { audio: !!data.audio, video: !!data.video, screen: !!data.screen };
          this.emit('peer-media', { peer: from });
        }
        break;
      case 'chat.typing':
        if (from) this.#onTyping(from, data.on === true);
        break;
      default:
        if (!this.chat.handlePush(type, data, ts)) this.#port.logger.debug(`unhandled ${type}`);
    }
  }

  /**
   * Goes on after a reconnect that kept our place. For the SDK's own use.
   *
   * @param {import('./protocol.js').WireRoom} [known] What the server says about it, if we have
   *   missed pushes.
   */
  resume(known) {
    if (known) {
      this.role = known.role;
      const memberById = new Map(known.members.map((member) => [member.peer, member]));
      for (const peer of this.peers) {
        if (!memberById.has(peer.id)) this.#drop(peer, 'left');
      }
      for (const member of known.members) {
        const peer = this.#peerById.get(member.peer);
        // Whoever came while we were away is the newcomer.
        if (!peer) this.#onJoined(member);
        else if (member.until === undefined) this.#onBack(peer);
        else this.#onLost(peer, member.until);
      }
    }
    for (const peer of this.peers) peer.recover();
    this.#reportMedia();
    if (known) this.#catchUp();
  }

  /** Joins again where the server has forgotten that we were there. For the SDK's own use. */
  async rejoin() {
    if (this.#left) return;
    const { ticket } = this.#options;
    const wish = { room: this.id, media: this.media, ...(ticket && { ticket }) };
    let ok;
    try {
      ok = await this.#port.request('room.join', wish);
    } catch (error) {
      // A connection that is lost again brings us back here by itself.
      if (!(error instanceof DuologueError)) throw error;
      if (error.code !== 'offline' && error.code !== 'disconnected') this.finish(error.code);
      return;
    }
    if (this.#left) return;
    this.#iceServers = ok.ice_servers;
    this.role = ok.role;
    this.self = ok.self;
    // The others have forgotten us as well: nothing of before fits what follows.
    for (const peer of this.peers) this.#drop(peer, 'lost');
    this.#meet(ok.members);
    this.#reportMedia();
    this.#catchUp();
    this.emit('rejoined', {});
    for (const peer of this.peers) this.emit('peer-joined', { peer });
  }

  /**
   * Closes everything. For the SDK's own use.
   *
   * @param {string} reason
   */
  finish(reason) {
    if (this.#left) return;
    this.#left = true;
    for (const timer of this.#typingTimerByPeer.values()) this.#port.clock.clearTimeout(timer);
    this.#typingTimerByPeer.clear();
    this.chat.close();
    for (const peer of this.peers) peer.close();
    this.#peerById.clear();
    this.#port.onLeft(this);
    this.emit('left', { reason });
  }

  /** Tells what was written while pushes were missed. */
  #catchUp() {
    this.chat.catchUp().catch((error) => this.#port.logger.debug('chat.history', error));
  }

  /**
   * @param {import('./protocol.js').WireRoomMember[]} members Those who were there before us; of a group everybody,
   *   and to whom we open.
   */
  #meet(members) {
    for (const member of members) this.#add(member, member.initiator ?? true);
  }

  /**
   * @param {import('./protocol.js').WireRoomMember} member
   * @param {boolean} initiator
   */
  #add(member, initiator) {
    const port = this.#port;
    const peer = new RoomPeer(
      {
        request: (type, data) => port.request(type, { room: this.id, ...data }),
        notify: (type, data) => this.#notify(type, data),
        iceServers: () => this.#iceServers,
        icePolicy: this.#icePolicy,
        stream: () => this.#stream(),
        onTrack: (from, track) => this.emit('track', { peer: from, track }),
        onState: (from) => {
          if (this.#peerById.get(from.id) === from) this.emit('peer-state', { peer: from });
        },
        iceTransports: port.iceTransports,
        RTCPeerConnection: port.RTCPeerConnection,
        clock: port.clock,
        logger: port.logger,
      },
      member,
      initiator,
    );
    if (member.until !== undefined) peer.lostUntil = port.toLocalTime(member.until);
    this.#peerById.set(peer.id, peer);
    return peer;
  }

  #stream() {
    const tracks = [...this.#sent.values()];
    if (tracks.length === 0 || typeof MediaStream === 'undefined') return this.#options.stream;
    return new MediaStream(tracks);
  }

  /** @param {import('./protocol.js').WireRoomMember} member */
  #onJoined(member) {
    const before = this.#peerById.get(member.peer);
    if (before) this.#drop(before, 'left');
    this.emit('peer-joined', { peer: this.#add(member, false) });
  }

  /** @param {{ peer: string, reason?: string, can_reconnect?: boolean, until?: number }} data */
  #onLeft({ peer: id, reason = 'left', can_reconnect = false, until }) {
    if (id === this.self) {
      this.finish(reason);
      return;
    }
    const peer = this.#peerById.get(id);
    if (!peer) return;
    if (can_reconnect) this.#onLost(peer, until);
    else this.#drop(peer, reason);
  }

  /**
   * @param {RoomPeer} peer
   * @param {number | undefined} until Server time.
   */
  #onLost(peer, until) {
    peer.lostUntil = until === undefined ? null : this.#port.toLocalTime(until);
    this.#onTyping(peer, false);
    this.emit('peer-lost', { peer, until: peer.lostUntil });
  }

  /** @param {string} id */
  #onResumed(id) {
    const peer = this.#peerById.get(id);
    if (!peer) return;
    // It missed what we said about our devices, and perhaps an offer.
    peer.recover();
    this.#reportMedia();
    this.#onBack(peer);
  }

  /** @param {RoomPeer} peer */
  #onBack(peer) {
    if (peer.lostUntil === null) return;
    peer.lostUntil = null;
    this.emit('peer-resumed', { peer });
  }

  /**
   * @param {RoomPeer} peer
   * @param {string} reason
   */
  #drop(peer, reason) {
    this.#onTyping(peer, false);
    this.#peerById.delete(peer.id);
    peer.close();
    this.emit('peer-left', { peer, reason });
  }

  /**
   * @param {RoomPeer} peer
   * @param {boolean} on
   */
  #onTyping(peer, on) {
    const { clock } = this.#port;
    const timer = this.#typingTimerByPeer.get(peer.id);
    const wasOn = timer !== undefined;
    if (wasOn) clock.clearTimeout(timer);
    this.#typingTimerByPeer.delete(peer.id);
    if (on) {
      const stop = () => this.#onTyping(peer, false);
      this.#typingTimerByPeer.set(peer.id, clock.setTimeout(stop, PEER_TYPING_MS));
    }
    if (on !== wasOn) this.emit('typing', { peer, on });
  }

  #reportMedia() {
    this.#notify('media.state', this.media);
  }

  /**
   * @param {string} type
   * @param {object} data
   */
  #notify(type, data) {
    if (!this.#left) this.#port.notify(type, { room: this.id, ...data });
  }
}
