/**
 * The names and shapes of `duologue.v1` that this SDK uses. docs/PROTOCOL.md is the contract.
 *
 * Wire shapes keep the wire's snake_case; everything the SDK hands to its user is camelCase.
 */

export const SUBPROTOCOL = 'duologue.v1';
export const SDK_NAME = 'duologue-js';
export const SDK_VERSION = '0.1.0';

/** Candidates in one `rtc.candidates` message. PROTOCOL rule 27. */
export const MAX_CANDIDATES = 64;

/** What a close code asks of the client. */
export const CloseCode = Object.freeze({
  NORMAL: 1000,
  DRAIN: 1012,
  BAD_FRAME: 4400,
  UNAUTHORIZED: 4401,
  FORBIDDEN: 4403,
  SLOW_CONSUMER: 4408,
  REPLACED: 4409,
  TOO_BIG: 4413,
  VERSION: 4426,
  RATE: 4429,
  HELLO_TIMEOUT: 4440,
});

/**
 * @typedef {{ type: string, re?: number, seq?: number, ts?: number, data?: any, error?: WireError }} Frame
 * @typedef {{ code: string, message?: string, retryable?: boolean, retry_after_ms?: number }} WireError
 * @typedef {{ urls: string | string[], username?: string, credential?: string }} WireIceServer
 * @typedef {{ id: string, role?: string, guest?: boolean }} WireUser
 *
 * @typedef {object} WireWelcome
 * @property {{ name: string, version: string, node?: string }} [server]
 * @property {string[]} [features]
 * @property {Record<string, unknown>} [limits]
 * @property {number} [time] Unix milliseconds.
 *
 * @typedef {object} WireHelloOk
 * @property {string} [connection]
 * @property {WireUser} user
 * @property {string | null} [resume_token]
 * @property {number} [resume_window_ms]
 * @property {boolean} [resumed]
 * @property {boolean} [gap]
 * @property {number} [heartbeat_ms]
 * @property {number} [auth_expires_at] Unix milliseconds.
 * @property {string} [access_token]
 * @property {string} [refresh_token]
 *
 * @typedef {{ resume: { token: string, last_seq: number } } | { token: string } | { guest: { device_id: string } }} WireIdentity
 *
 * @typedef {object} WireQueueStatus
 * @property {'searching' | 'widening'} state
 * @property {number} [ahead]
 * @property {number} [waiting]
 * @property {number | null} [eta_ms]
 * @property {number} [level]
 * @property {number} [since] Unix milliseconds.
 *
 * @typedef {object} WireMatch
 * @property {string} session
 * @property {string} self
 * @property {{ id: string, tags_common?: string[], language?: string | null }} peer
 * @property {'polite' | 'impolite'} role
 * @property {boolean} initiator
 * @property {number} [waited_ms]
 * @property {WireIceServer[]} ice_servers
 * @property {'all' | 'relay'} [ice_policy]
 * @property {number} [ice_expires_at]
 * @property {number | null} [deadline] Unix milliseconds.
 * @property {number} [server_time] Unix milliseconds.
 *
 * @typedef {object} WireSyncSession
 * @property {string} session
 * @property {number | null} [deadline]
 * @property {number} [neg]
 *
 * @typedef {object} WireSync
 * @property {WireQueueStatus | null} [queue]
 * @property {WireSyncSession[]} [sessions]
 * @property {WireRoom[]} [rooms]
 *
 * @typedef {'owner' | 'moderator' | 'member'} WireRoomRole
 *
 * @typedef {object} WireRoomMember
 * @property {string} peer
 * @property {WireRoomRole} role
 * @property {{ audio: boolean, video: boolean, screen?: boolean }} [media]
 * @property {number} [until] Unix milliseconds; only while it is lost.
 * @property {boolean} [initiator] Whether we open to it; only in a group.
 *
 * @typedef {object} WireRoom
 * @property {string} room
 * @property {string} name
 * @property {string} self
 * @property {WireRoomRole} role
 * @property {WireRoomMember[]} members
 * @property {string | null} [last_mid]
 * @property {number} [size] Of a group, as the rest.
 * @property {number | null} [deadline] Unix milliseconds.
 * @property {string[]} [tags_common]
 *
 * @typedef {WireRoom & { ice_servers: WireIceServer[], ice_policy?: 'all' | 'relay', server_time?: number }} WireRoomOk
 *
 * @typedef {'harassment' | 'inappropriate_content' | 'spam' | 'nudity' | 'violence' | 'minor' | 'other'} ReportReason
 *
 * @typedef {object} WireDescription
 * @property {'offer' | 'answer' | 'rollback'} kind
 * @property {string} [sdp]
 * @property {number} [neg]
 *
 * @typedef {object} WireCandidates
 * @property {RTCIceCandidateInit[]} [candidates]
 * @property {string} [ufrag]
 * @property {boolean} [end]
 * @property {number} [neg]
 */
