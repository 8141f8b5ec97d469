import { Call } from './call.js';
import { filterIceServers } from './ice.js';
import { replaceTrack } from './media.js';

/**
 * What a room gives each of its connections.
 *
 * @typedef {object} RoomPeerPort
 * @property {(type: string, data: object) => Promise<any>} request
 * @property {(type: string, data: object) => void} notify
 * @property {() => import('./protocol.js').WireIceServer[]} iceServers Those of the room.
 * @property {'all' | 'relay'} icePolicy
 * @property {() => MediaStream | undefined} stream What is sent.
 * @property {(peer: RoomPeer, track: MediaStreamTrack) => void} onTrack
 * @property {(peer: RoomPeer) => void} onState
 * @property {readonly import('./ice.js').IceTransport[] | undefined} iceTransports
 * @property {typeof RTCPeerConnection | undefined} RTCPeerConnection
 * @property {import('./clock.js').Clock} clock
 * @property {import('./client.js').Logger} logger
 *
 * @typedef {'connecting' | 'connected' | 'reconnecting' | 'failed' | 'gone'} RoomPeerState
 */

/** Another person in a room, and the connection with it. */
export class RoomPeer {
  #port;
  #initiator;
  /** @type {Call | null} */
  #call = null;
  /** Signals wait for the connection, and it for its credentials. @type {Promise<void>} */
  #ready;
  /** @type {RoomPeerState} */
  #state = 'connecting';

  /**
   * @param {RoomPeerPort} port
   * @param {import('./protocol.js').WireRoomMember} member
   * @param {boolean} initiator The newcomer opens, and is the impolite side.
   */
  constructor(port, member, initiator) {
    this.#port = port;
    this.#initiator = initiator;
    /** Its alias. @readonly */
    this.id = member.peer;
    this.role = member.role;
    /** What it sends, as far as it has said. @type {import('./media.js').MediaState} */
    this.media = { audio: true, video: true, screen: false, ...member.media };
    /** Local Unix milliseconds until which it may come back; null while it is there. @type {number | null} */
    this.lostUntil = null;
    /** Its tracks; null where there is no WebRTC. @readonly @type {MediaStream | null} */
    this.stream = typeof MediaStream === 'undefined' ? null : new MediaStream();
    this.#ready = this.#open();
  }

  get state() {
    return this.#state;
  }

  /** The connection, for reading; null until there are credentials for it. */
  get pc() {
    return this.#call?.pc ?? null;
  }

  /** @param {import('./protocol.js').WireDescription} description */
  async handleDescription(description) {
    await this.#ready;
    await this.#call?.handleDescription(description);
  }

  /** @param {import('./protocol.js').WireCandidates} candidates */
  async handleCandidates(candidates) {
    await this.#ready;
    await this.#call?.handleCandidates(candidates);
  }

  /** Goes on after a loss, ours or its own. */
  recover() {
    this.#call?.recover();
  }

  /** Fetches new credentials; the impolite side then moves to paths made with them. */
  async renewIce() {
    const servers = await this.#fetchIce();
    if (!servers || this.#state === 'gone') return;
    this.#call?.setIceServers(servers);
    if (this.#initiator) this.#call?.restart();
  }

  /**
   * Sends another track of this kind, or none.
   *
   * @param {import('./media.js').MediaKind} kind
   * @param {MediaStreamTrack | null} track
   */
  async replaceTrack(kind, track) {
    await this.#ready;
    if (this.#call && this.#state !== 'gone') await replaceTrack(this.#call.pc, kind, track);
  }

  close() {
    this.#setState('gone');
    this.#call?.close();
  }

  async #open() {
    const { RTCPeerConnection: PeerConnection, iceTransports, clock, logger } = this.#port;
    if (!PeerConnection) return;
    // A credential for each pair: a full room then needs no higher quotas than a call of two.
    const servers = await this.#fetchIce();
    if (this.#state === 'gone') return;
    this.#call = new Call({
      PeerConnection,
      iceServers: servers ?? filterIceServers(this.#port.iceServers(), iceTransports),
      icePolicy: this.#port.icePolicy,
      polite: !this.#initiator,
      initiator: this.#initiator,
      stream: this.#port.stream(),
      signals: {
        description: (description) =>
          this.#port.request('rtc.description', { to: this.id, ...description }),
        candidates: (candidates) =>
          this.#port.notify('rtc.candidates', { to: this.id, ...candidates }),
      },
      onTrack: (track) => {
        this.stream?.addTrack(track);
        this.#port.onTrack(this, track);
      },
      onState: (state) => this.#onConnectionState(state),
      giveUp: () => this.#setState('failed'),
      clock,
      logger,
    });
  }

  async #fetchIce() {
    try {
      const { ice_servers } = await this.#port.request('ice.refresh', { to: this.id });
      return filterIceServers(ice_servers, this.#port.iceTransports);
    } catch (error) {
      this.#port.logger.debug('ice.refresh', error);
      return null;
    }
  }

  /** @param {RTCPeerConnectionState} state */
  #onConnectionState(state) {
    if (state === 'connected') this.#setState('connected');
    else if (state === 'disconnected' || state === 'failed') {
      if (this.#state !== 'failed') this.#setState('reconnecting');
    }
  }

  /** @param {RoomPeerState} state */
  #setState(state) {
    if (state === this.#state || this.#state === 'gone') return;
    this.#state = state;
    this.#port.onState(this);
  }
}
