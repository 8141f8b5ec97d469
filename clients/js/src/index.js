export { Client } from './client.js';
export { DuologueError } from './errors.js';
export { LoginKeeper } from './login-keeper.js';
export { Room } from './room.js';
export { Search } from './search.js';
export { Session } from './session.js';
export { VoiceRecorder } from './voice.js';
export { filterIceServers } from './ice.js';

/**
 * @typedef {import('./chat.js').Chat} Chat
 * @typedef {import('./chat.js').StoredMessage} StoredMessage
 * @typedef {import('./chat-event.js').ChatFile} ChatFile
 * @typedef {import('./chat-event.js').ChatKind} ChatKind
 * @typedef {import('./chat-event.js').ChatMessage} ChatMessage
 * @typedef {import('./chat-event.js').ChatReaction} ChatReaction
 * @typedef {import('./chat-event.js').ChatReceipt} ChatReceipt
 * @typedef {import('./client.js').ClientOptions} ClientOptions
 * @typedef {import('./connection.js').ClientState} ClientState
 * @typedef {import('./connection.js').StateEvent} StateEvent
 * @typedef {import('./ice.js').IceTransport} IceTransport
 * @typedef {import('./login-keeper.js').Account} Account
 * @typedef {import('./media.js').MediaState} MediaState
 * @typedef {import('./protocol.js').ReportReason} ReportReason
 * @typedef {import('./search.js').QueueOptions} QueueOptions
 * @typedef {import('./search.js').QueueStatus} QueueStatus
 * @typedef {import('./room-peer.js').RoomPeer} RoomPeer
 * @typedef {import('./rooms.js').RoomInfo} RoomInfo
 * @typedef {import('./rooms.js').RoomMember} RoomMember
 * @typedef {import('./session.js').SessionState} SessionState
 * @typedef {import('./stats.js').Quality} Quality
 */
