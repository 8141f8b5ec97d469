export { Client } from './client.js';
export { DuologueError } from './errors.js';
export { Room } from './room.js';
export { Search } from './search.js';
export { Session } from './session.js';
export { filterIceServers } from './ice.js';

/**
 * @typedef {import('./client.js').ClientOptions} ClientOptions
 * @typedef {import('./connection.js').ClientState} ClientState
 * @typedef {import('./connection.js').StateEvent} StateEvent
 * @typedef {import('./ice.js').IceTransport} IceTransport
 * @typedef {import('./media.js').MediaState} MediaState
 * @typedef {import('./search.js').QueueOptions} QueueOptions
 * @typedef {import('./search.js').QueueStatus} QueueStatus
 * @typedef {import('./room-peer.js').RoomPeer} RoomPeer
 * @typedef {import('./rooms.js').RoomInfo} RoomInfo
 * @typedef {import('./rooms.js').RoomMember} RoomMember
 * @typedef {import('./session.js').ChatMessage} ChatMessage
 * @typedef {import('./session.js').SessionState} SessionState
 * @typedef {import('./stats.js').Quality} Quality
 */
