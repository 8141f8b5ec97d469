/**
 * What one reading of `getStats` says about a call.
 *
 * @typedef {object} Quality
 * @property {'direct' | 'relay' | null} path Null until a pair is selected.
 * @property {string | null} localType Candidate type: host, srflx, prflx or relay.
 * @property {string | null} remoteType
 * @property {string | null} relayProtocol How we reach the relay (udp, tcp, tls), when we use it.
 * @property {string | null} protocol Transport of the selected pair.
 * @property {number | null} rttMs
 * @property {number} jitterMs
 * @property {number} loss Share of packets lost since the last reading, 0 to 1.
 * @property {number} receivedBps Bits per second since the last reading.
 * @property {number} sentBps
 * @property {number} framesDecoded Since the start of the call.
 * @property {number} framesPerSecond
 * @property {number} frameWidth
 * @property {number} frameHeight
 * @property {number} audioPacketsReceived Since the start of the call.
 * @property {number} videoPacketsReceived Since the start of the call.
 * @property {number} score 0 to 100.
 * @property {'excellent' | 'good' | 'poor' | 'lost'} level
 */

/** Falling quality shows fast, rising quality slowly: a flickering badge helps nobody. */
const FALL_WEIGHT = 0.8;
const RISE_WEIGHT = 0.4;

/** Turns successive reports of one connection into readings. */
export class StatsReader {
  #last = { at: 0, received: 0, sent: 0, packets: 0, lost: 0 };
  /** @type {number | null} */
  #score = null;

  /**
   * @param {Iterable<any>} report The entries of an RTCStatsReport.
   * @param {number} nowMs
   * @returns {Quality}
   */
  read(report, nowMs) {
    /** @type {Map<string, any>} */
    const entryById = new Map();
    for (const entry of report) entryById.set(entry.id, entry);
    const entries = [...entryById.values()];
    const pair = selectedPair(entries, entryById);
    const local = entryById.get(pair?.localCandidateId);
    const remote = entryById.get(pair?.remoteCandidateId);
    const inbound = entries.filter((entry) => entry.type === 'inbound-rtp');
    const outbound = entries.filter((entry) => entry.type === 'outbound-rtp');
    const video = inbound.find((entry) => entry.kind === 'video');
    const totals = {
      at: nowMs,
      received: sum(inbound, 'bytesReceived'),
      sent: sum(outbound, 'bytesSent'),
      packets: sum(inbound, 'packetsReceived'),
      lost: sum(inbound, 'packetsLost'),
    };
    const rttMs = roundTripMs(pair, entries);
    const jitterMs = Math.max(0, ...inbound.map((entry) => number(entry.jitter) * 1_000));
    const rates = this.#rates(totals);
    const score = this.#smooth(instantScore(rttMs ?? 0, jitterMs, rates.loss));
    return {
      path: pair ? pathOf(local, remote) : null,
      localType: local?.candidateType ?? null,
      remoteType: remote?.candidateType ?? null,
      relayProtocol: local?.candidateType === 'relay' ? (local.relayProtocol ?? null) : null,
      protocol: local?.protocol ?? null,
      rttMs,
      jitterMs: Math.round(jitterMs * 10) / 10,
      ...rates,
      framesDecoded: sum(inbound, 'framesDecoded'),
      framesPerSecond: number(video?.framesPerSecond),
      frameWidth: number(video?.frameWidth),
      frameHeight: number(video?.frameHeight),
      audioPacketsReceived: packetsOf(inbound, 'audio'),
      videoPacketsReceived: packetsOf(inbound, 'video'),
      score,
      level: levelOf(score),
    };
  }

  /** @param {{ at: number, received: number, sent: number, packets: number, lost: number }} totals */
  #rates(totals) {
    const last = this.#last;
    this.#last = totals;
    const elapsedMs = totals.at - last.at;
    if (last.at === 0 || elapsedMs <= 0) return { loss: 0, receivedBps: 0, sentBps: 0 };
    const packets = Math.max(0, totals.packets - last.packets);
    const lost = Math.max(0, totals.lost - last.lost);
    return {
      loss: packets + lost === 0 ? 0 : lost / (packets + lost),
      receivedBps: bitsPerSecond(totals.received - last.received, elapsedMs),
      sentBps: bitsPerSecond(totals.sent - last.sent, elapsedMs),
    };
  }

  /** @param {number} score */
  #smooth(score) {
    const last = this.#score ?? score;
    this.#score = last + (score - last) * (score < last ? FALL_WEIGHT : RISE_WEIGHT);
    return Math.round(this.#score);
  }
}

/**
 * The simplified E-model of ITU-T G.107 with the delay written as one effective latency.
 *
 * @param {number} rttMs
 * @param {number} jitterMs
 * @param {number} loss 0 to 1.
 */
export function instantScore(rttMs, jitterMs, loss) {
  const latencyMs = rttMs + 2 * jitterMs + 10;
  const delayed = latencyMs < 160 ? 93.2 - latencyMs / 40 : 93.2 - (latencyMs - 120) / 10;
  return Math.min(100, Math.max(0, delayed - 2.5 * loss * 100));
}

/**
 * @param {number} score
 * @returns {Quality['level']}
 */
export function levelOf(score) {
  if (score > 80) return 'excellent';
  if (score > 40) return 'good';
  return score > 20 ? 'poor' : 'lost';
}

/**
 * @param {any[]} entries
 * @param {Map<string, any>} entryById
 */
function selectedPair(entries, entryById) {
  const transport = entries.find((entry) => entry.type === 'transport' && entry.selectedCandidatePairId);
  const pair = entryById.get(transport?.selectedCandidatePairId);
  if (pair) return pair;
  const pairs = entries.filter((entry) => entry.type === 'candidate-pair');
  return (
    pairs.find((entry) => entry.selected) ??
    pairs.find((entry) => entry.nominated && entry.state === 'succeeded')
  );
}

/**
 * @param {any} local
 * @param {any} remote
 * @returns {'direct' | 'relay'}
 */
function pathOf(local, remote) {
  const relayed = local?.candidateType === 'relay' || remote?.candidateType === 'relay';
  return relayed ? 'relay' : 'direct';
}

/**
 * @param {any} pair
 * @param {any[]} entries
 * @returns {number | null}
 */
function roundTripMs(pair, entries) {
  const rtcp = entries.find((entry) => entry.type === 'remote-inbound-rtp' && entry.roundTripTime > 0);
  const seconds = pair?.currentRoundTripTime || rtcp?.roundTripTime;
  return typeof seconds === 'number' ? Math.round(seconds * 10_000) / 10 : null;
}

/**
 * @param {any[]} inbound
 * @param {'audio' | 'video'} kind
 */
function packetsOf(inbound, kind) {
  return sum(inbound.filter((entry) => entry.kind === kind), 'packetsReceived');
}

/**
 * @param {any[]} entries
 * @param {string} field
 */
function sum(entries, field) {
  return entries.reduce((total, entry) => total + number(entry[field]), 0);
}

/** @param {unknown} value */
function number(value) {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/**
 * @param {number} bytes
 * @param {number} elapsedMs
 */
function bitsPerSecond(bytes, elapsedMs) {
  return Math.max(0, Math.round((bytes * 8_000) / elapsedMs));
}
