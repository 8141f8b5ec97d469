/**
 * The local side of a connection's media: which track is sent for each kind.
 *
 * @typedef {'audio' | 'video'} MediaKind
 * @typedef {{ audio: boolean, video: boolean, screen: boolean }} MediaState
 */

/** @type {readonly MediaKind[]} */
const KINDS = ['audio', 'video'];

/**
 * Adds the stream's tracks. The initiator also asks to receive each kind it cannot send, because
 * only its offer can open a media section.
 *
 * @param {RTCPeerConnection} pc
 * @param {MediaStream | undefined} stream
 * @param {boolean} initiator
 */
export function addMedia(pc, stream, initiator) {
  for (const kind of KINDS) {
    const track = stream?.getTracks().find((candidate) => candidate.kind === kind);
    if (track && stream) pc.addTrack(track, stream);
    else if (initiator) pc.addTransceiver(kind, { direction: 'recvonly' });
  }
}

/**
 * Sends `track` in place of the current one of its kind; null stops sending it.
 *
 * @param {RTCPeerConnection} pc
 * @param {MediaKind} kind
 * @param {MediaStreamTrack | null} track
 */
export async function replaceTrack(pc, kind, track) {
  const transceiver = pc
    .getTransceivers()
    .find((candidate) => candidate.receiver.track.kind === kind && candidate.direction !== 'stopped');
  if (!transceiver) {
    if (track) pc.addTrack(track);
    return;
  }
  await transceiver.sender.replaceTrack(track);
  // Setting the direction asks for a negotiation; sending null needs none.
  if (track && !transceiver.direction.startsWith('send')) transceiver.direction = 'sendrecv';
}

/**
 * @param {RTCPeerConnection | null} pc
 * @returns {Record<MediaKind, MediaStreamTrack | null>}
 */
export function sentTracks(pc) {
  /** @type {Record<MediaKind, MediaStreamTrack | null>} */
  const trackByKind = { audio: null, video: null };
  for (const { track } of pc?.getSenders() ?? []) {
    if (track?.kind === 'audio' || track?.kind === 'video') trackByKind[track.kind] = track;
  }
  return trackByKind;
}
