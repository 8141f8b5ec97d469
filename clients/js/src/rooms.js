import { isRetryable } from './errors.js';
import { Room } from './room.js';

/**
 * @typedef {object} RoomInfo
 * @property {string} id
 * @property {string} name
 * @property {'owner' | 'moderator' | 'member'} role Our own.
 * @property {number} createdAt Unix milliseconds.
 * @property {number} present How many are there now.
 *
 * @typedef {object} RoomMember
 * @property {string} peer Its alias.
 * @property {'owner' | 'moderator' | 'member'} role
 * @property {number} joinedAt Unix milliseconds.
 * @property {boolean} present Whether it is there now.
 *
 * @typedef {Omit<import('./room.js').RoomPort, 'onLeft' | 'leaveLater'>} RoomsPort
 */

/** The rooms of a client: those it belongs to, over REST, and those it is in. */
export class Rooms {
  #port;
  #rest;
  /** @type {Map<string, Room>} */
  #roomById = new Map();
  /** Rooms that we have left and the server does not know of. @type {Set<string>} */
  #leaveLater = new Set();

  /**
   * @param {RoomsPort} port
   * @param {import('./rest.js').Rest} rest
   */
  constructor(port, rest) {
    this.#port = port;
    this.#rest = rest;
  }

  /** The rooms we are in. */
  get joined() {
    return [...this.#roomById.values()];
  }

  /**
   * Makes a private room that belongs to us. Nobody is in it yet.
   *
   * @param {string} name 1 to 80 characters.
   * @returns {Promise<RoomInfo>}
   */
  async create(name) {
    return info(await this.#rest.request('POST', '/v1/rooms', { name }));
  }

  /** The rooms we belong to, the one joined last first. */
  async list() {
    return (await this.#rest.list('/v1/rooms', 'rooms')).map(info);
  }

  /** @param {string} id */
  async get(id) {
    return info(await this.#rest.request('GET', path(id)));
  }

  /**
   * Removes a room of our own; everybody there has to go.
   *
   * @param {string} id
   */
  async remove(id) {
    await this.#rest.request('DELETE', path(id));
  }

  /**
   * @param {string} id
   * @returns {Promise<RoomMember[]>}
   */
  async members(id) {
    return (await this.#rest.list(`${path(id)}/members`, 'members')).map(member);
  }

  /**
   * Gives a member another role.
   *
   * @param {string} id
   * @param {string} peer
   * @param {'moderator' | 'member'} role
   */
  async appoint(id, peer, role) {
    return member(await this.#rest.request('PATCH', `${path(id)}/members/${encodeURIComponent(peer)}`, { role }));
  }

  /**
   * Puts a member out, which voids all tickets made before, or ends our own membership.
   *
   * @param {string} id
   * @param {string} peer
   */
  async dismiss(id, peer) {
    await this.#rest.request('DELETE', `${path(id)}/members/${encodeURIComponent(peer)}`);
  }

  /**
   * Makes a ticket that lets whoever has it in.
   *
   * @param {string} id
   * @param {{ ttlMs?: number }} [options] How long it is good; a day where nothing is said.
   * @returns {Promise<{ ticket: string, expiresAt: number }>}
   */
  async invite(id, { ttlMs } = {}) {
    const body = ttlMs === undefined ? undefined : { ttl_ms: ttlMs };
    const { ticket, expires_at } = await this.#rest.request('POST', `${path(id)}/invites`, body);
    return { ticket, expiresAt: expires_at };
  }

  /**
   * Goes into a room and connects with everybody there. The client must be online.
   *
   * @param {string} id
   * @param {import('./room.js').RoomOptions} [options]
   * @returns {Promise<Room>}
   * @throws {import('./errors.js').DuologueError} `not_found`, `forbidden` without membership or good
   *   ticket, `conflict` when it is full.
   */
  async join(id, options = {}) {
    const here = this.#roomById.get(id);
    if (here) return here;
    const { ticket, stream } = options;
    const media = {
      audio: (stream?.getAudioTracks().length ?? 0) > 0,
      video: (stream?.getVideoTracks().length ?? 0) > 0,
    };
    const ok = await this.#port.request('room.join', { room: id, media, ...(ticket && { ticket }) });
    return this.enter(ok, options);
  }

  /**
   * Is in a room from now on: by a join, or by a match. For the SDK's own use.
   *
   * @param {import('./protocol.js').WireRoomOk} ok
   * @param {import('./room.js').RoomOptions} options
   */
  enter(ok, options) {
    this.#leaveLater.delete(ok.room);
    const room = new Room(
      {
        ...this.#port,
        onLeft: (left) => this.#roomById.delete(left.id),
        leaveLater: (left) => this.#leaveLater.add(left.id),
      },
      ok,
      options,
    );
    this.#roomById.set(room.id, room);
    return room;
  }

  /**
   * Leaves the room of a group that nobody here waits for. For the SDK's own use.
   *
   * @param {string} id
   */
  decline(id) {
    this.#leaveOnServer(id);
  }

  /**
   * Takes a push that carries a room's id. For the SDK's own use.
   *
   * @param {string} type
   * @param {any} data
   * @param {number} ts
   */
  handlePush(type, data, ts) {
    this.#roomById.get(data.room)?.handlePush(type, data, ts);
  }

  /** Goes on after a resume without a gap. For the SDK's own use. */
  resume() {
    for (const id of this.#leaveLater) this.#leaveOnServer(id);
    this.#leaveLater.clear();
    for (const room of this.joined) room.resume();
  }

  /**
   * Goes on with what the server knows of our rooms. For the SDK's own use.
   *
   * @param {import('./protocol.js').WireRoom[]} known
   */
  reconcile(known) {
    this.#leaveLater.clear();
    const knownById = new Map(known.map((room) => [room.room, room]));
    for (const room of this.joined) {
      const there = knownById.get(room.id);
      if (there) room.resume(there);
      else room.rejoin();
      knownById.delete(room.id);
    }
    // Whoever sits there in our name is not this page.
    for (const id of knownById.keys()) this.#leaveOnServer(id);
  }

  /**
   * Ends all of it. For the SDK's own use.
   *
   * @param {string} reason
   */
  finish(reason) {
    for (const room of this.joined) room.finish(reason);
  }

  /** @param {string} room */
  #leaveOnServer(room) {
    this.#port.request('room.leave', { room }).catch((error) => {
      if (isRetryable(error)) this.#leaveLater.add(room);
    });
  }
}

/** @param {string} id */
function path(id) {
  return `/v1/rooms/${encodeURIComponent(id)}`;
}

/**
 * @param {any} room
 * @returns {RoomInfo}
 */
function info({ id, name, role, created_at, present }) {
  return { id, name, role, createdAt: created_at, present };
}

/**
 * @param {any} wire
 * @returns {RoomMember}
 */
function member({ peer, role, joined_at, present }) {
  return { peer, role, joinedAt: joined_at, present };
}
