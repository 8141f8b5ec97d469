import { CandidateBatch } from './candidates.js';

/** Candidates kept for a description that has not come yet. */
const MAX_EARLY = 256;

/**
 * Perfect negotiation over one RTCPeerConnection. The server says who is polite and who opens.
 *
 * `neg` counts negotiations of the pair: an offer takes the next number, its answer and candidates
 * carry the same one.
 *
 * @typedef {object} Signals
 * @property {(description: { kind: 'offer' | 'answer', neg: number, sdp: string }) => void} description
 * @property {(candidates: import('./candidates.js').Batch & { neg: number }) => void} candidates
 *
 * @typedef {object} NegotiatorOptions
 * @property {RTCPeerConnection} pc
 * @property {boolean} polite
 * @property {boolean} initiator
 * @property {Signals} signals
 * @property {import('./clock.js').Clock} clock
 * @property {import('./client.js').Logger} logger
 */
export class Negotiator {
  #pc;
  #polite;
  #initiator;
  #signals;
  #logger;
  #batch;
  #neg = 0;
  #remoteNeg = 0;
  #makingOffer = false;
  #ignoringOffer = false;
  #closed = false;
  /** Incoming signals are handled one after another, in the order of the wire. */
  #incoming = Promise.resolve();
  /** @type {import('./protocol.js').WireCandidates[]} */
  #early = [];

  /** @param {NegotiatorOptions} options */
  constructor({ pc, polite, initiator, signals, clock, logger }) {
    this.#pc = pc;
    this.#polite = polite;
    this.#initiator = initiator;
    this.#signals = signals;
    this.#logger = logger;
    this.#batch = new CandidateBatch(clock, (batch) => {
      signals.candidates({ ...batch, neg: this.#neg });
    });
    pc.addEventListener('negotiationneeded', () => this.#offer());
    pc.addEventListener('icecandidate', ({ candidate }) => {
      // An empty candidate ends one media section only; null ends the gathering.
      if (!this.#closed && candidate?.candidate !== '') this.#batch.add(candidate?.toJSON() ?? null);
    });
  }

  /** @param {import('./protocol.js').WireDescription} description */
  handleDescription(description) {
    return this.#enqueue(() => this.#onDescription(description));
  }

  /** @param {import('./protocol.js').WireCandidates} candidates */
  handleCandidates(candidates) {
    return this.#enqueue(() => this.#onCandidates(candidates));
  }

  /** Asks for new paths; the offer follows through `negotiationneeded`. */
  restart() {
    if (!this.#closed) this.#pc.restartIce();
  }

  /**
   * Mends what a lost connection may have swallowed: repeats the open offer, or asks for new paths
   * when there is none and media does not flow.
   */
  recover() {
    if (this.#closed) return;
    const { signalingState, localDescription, connectionState } = this.#pc;
    if (signalingState === 'have-local-offer' && localDescription) {
      this.#signals.description({ kind: 'offer', neg: this.#neg, sdp: localDescription.sdp });
    } else if (connectionState !== 'connected' && (this.#initiator || this.#neg > 0)) {
      this.restart();
    }
  }

  /**
   * Tells whether a description of ours is still the latest word, so that repeating it makes sense.
   *
   * @param {{ kind: 'offer' | 'answer', neg: number }} description
   */
  isCurrent({ kind, neg }) {
    const open = kind === 'offer' ? 'have-local-offer' : 'stable';
    return !this.#closed && neg === this.#neg && this.#pc.signalingState === open;
  }

  close() {
    this.#closed = true;
    this.#batch.close();
    this.#early = [];
  }

  async #offer() {
    // The initiator opens; what the other side adds before that travels in its answer.
    if (this.#closed || (!this.#initiator && this.#neg === 0)) return;
    const pc = this.#pc;
    this.#makingOffer = true;
    try {
      this.#batch.restart();
      await pc.setLocalDescription();
      // A remote offer may have won while ours was made: then ours was rolled back.
      if (this.#closed || pc.signalingState !== 'have-local-offer' || !pc.localDescription) return;
      this.#neg += 1;
      this.#signals.description({ kind: 'offer', neg: this.#neg, sdp: pc.localDescription.sdp });
    } catch (error) {
      if (!this.#closed) this.#logger.warn('offer failed', error);
    } finally {
      this.#makingOffer = false;
    }
  }

  /** @param {import('./protocol.js').WireDescription} description */
  async #onDescription({ kind, sdp, neg = this.#neg }) {
    const pc = this.#pc;
    if (kind === 'rollback') {
      if (pc.signalingState === 'have-remote-offer') {
        await pc.setRemoteDescription({ type: 'rollback', sdp: '' });
      }
      return;
    }
    if (kind === 'answer') {
      // An answer to an offer that is no longer open.
      if (pc.signalingState !== 'have-local-offer' || neg < this.#neg) return;
      await pc.setRemoteDescription({ type: 'answer', sdp });
      this.#ignoringOffer = false;
    } else {
      const collision = this.#makingOffer || pc.signalingState !== 'stable';
      this.#ignoringOffer = collision && !this.#polite;
      if (this.#ignoringOffer) return;
      await pc.setRemoteDescription({ type: 'offer', sdp });
    }
    if (this.#closed) return;
    this.#neg = Math.max(this.#neg, neg);
    this.#remoteNeg = neg;
    if (kind === 'offer') await this.#answer();
    const early = this.#early;
    this.#early = [];
    for (const candidates of early) await this.#onCandidates(candidates);
  }

  async #answer() {
    const pc = this.#pc;
    this.#batch.restart();
    await pc.setLocalDescription();
    if (this.#closed || !pc.localDescription) return;
    this.#signals.description({ kind: 'answer', neg: this.#neg, sdp: pc.localDescription.sdp });
  }

  /** @param {import('./protocol.js').WireCandidates} message */
  async #onCandidates(message) {
    if (this.#ignoringOffer) return;
    const { candidates = [], end, neg = this.#remoteNeg } = message;
    const remote = this.#pc.remoteDescription;
    const ufrag = message.ufrag ?? candidates[0]?.usernameFragment ?? undefined;
    const known = remote && (ufrag === undefined || hasUfrag(remote.sdp, ufrag));
    if (!known || (ufrag === undefined && neg > this.#remoteNeg)) {
      const ahead = !remote || neg > this.#remoteNeg;
      if (ahead && this.#early.length < MAX_EARLY) this.#early.push(message);
      return;
    }
    for (const candidate of candidates) await this.#add(candidate);
    if (end) await this.#add(undefined);
  }

  /** @param {RTCIceCandidateInit | undefined} candidate */
  async #add(candidate) {
    try {
      await this.#pc.addIceCandidate(candidate);
    } catch (error) {
      // One bad or late candidate is not the end of a call.
      if (!this.#closed) this.#logger.debug('candidate refused', error);
    }
  }

  /** @param {() => Promise<void>} handle */
  #enqueue(handle) {
    this.#incoming = this.#incoming.then(async () => {
      if (this.#closed) return;
      try {
        await handle();
      } catch (error) {
        if (!this.#closed) this.#logger.warn('negotiation failed', error);
      }
    });
    return this.#incoming;
  }
}

/**
 * @param {string} sdp
 * @param {string} ufrag
 */
function hasUfrag(sdp, ufrag) {
  return sdp.split(/\r?\n/).includes(`a=ice-ufrag:${ufrag}`);
}
