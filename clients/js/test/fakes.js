import { Client } from '../src/index.js';

/** A clock that stands still until told otherwise. */
export class FakeClock {
  #now = 1_700_000_000_000;
  #timers = [];
  #lastId = 0;
  /** What `random` returns. */
  chance = 0.5;

  now = () => this.#now;
  random = () => this.chance;
  setTimeout = (run, delayMs) => {
    this.#lastId += 1;
    this.#timers.push({ id: this.#lastId, at: this.#now + delayMs, run });
    return this.#lastId;
  };
  clearTimeout = (id) => {
    this.#timers = this.#timers.filter((timer) => timer.id !== id);
  };

  /** Lets time pass; timers fire in order, with all microtasks settled between them. */
  async advance(ms) {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.clearTimeout(due.id);
      this.#now = Math.max(this.#now, due.at);
      due.run();
      await settle();
    }
    this.#now = end;
  }

  get pendingTimers() {
    return this.#timers.length;
  }
}

/** Runs everything that is ready to run. */
export async function settle() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Makes a WebSocket class whose instances are listed in `sockets`, newest last. */
export function fakeWebSockets() {
  const sockets = [];
  class FakeWebSocket extends EventTarget {
    readyState = 0;
    sent = [];

    constructor(url, protocol) {
      super();
      this.url = url;
      this.protocol = protocol;
      sockets.push(this);
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close() {
      this.serverCloses(1005);
    }

    serverOpens() {
      this.readyState = 1;
      this.dispatchEvent(new Event('open'));
    }

    serverCloses(code, reason = '') {
      if (this.readyState === 3) return;
      this.readyState = 3;
      this.dispatchEvent(Object.assign(new Event('close'), { code, reason }));
    }

    push(type, data, more = {}) {
      this.#deliver({ type, data, ts: 1, ...more });
    }

    /** Answers the oldest unanswered request of this type. */
    ok(type, data = {}) {
      this.#deliver({ type: 'ok', re: this.take(type).id, data });
    }

    error(type, error) {
      this.#deliver({ type: 'error', re: this.take(type).id, error });
    }

    /** Removes and returns the oldest message of this type that was sent. */
    take(type) {
      const index = this.sent.findIndex((frame) => frame.type === type);
      if (index < 0) throw new Error(`no ${type} among ${this.sent.map((f) => f.type)}`);
      return this.sent.splice(index, 1)[0];
    }

    types() {
      return this.sent.map((frame) => frame.type);
    }

    #deliver(frame) {
      this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(frame) }));
    }
  }
  return { FakeWebSocket, sockets };
}

/** The part of the signaling state machine that perfect negotiation leans on. W3C webrtc §4.4.1.6. */
export class FakePeerConnection extends EventTarget {
  static all = [];
  static lastUfrag = 0;

  signalingState = 'stable';
  connectionState = 'new';
  localDescription = null;
  remoteDescription = null;
  candidates = [];
  transceivers = [];
  stats = new Map();
  #ufrag = 0;
  #needed = false;
  #asking = false;
  #stableLocal = null;

  constructor(configuration) {
    super();
    this.configuration = configuration;
    FakePeerConnection.all.push(this);
  }

  getConfiguration() {
    return this.configuration;
  }

  setConfiguration(configuration) {
    this.configuration = configuration;
  }

  addTrack(track) {
    this.transceivers.push({ kind: track.kind, direction: 'sendrecv', sender: { track } });
    this.#need();
  }

  addTransceiver(kind, { direction }) {
    this.transceivers.push({ kind, direction, sender: { track: null } });
    this.#need();
  }

  getSenders() {
    return this.transceivers.map(({ sender }) => sender);
  }

  restartIce() {
    this.#ufrag = 0;
    this.#need();
  }

  async setLocalDescription() {
    await undefined;
    this.#needed = false;
    this.#ufrag ||= FakePeerConnection.lastUfrag += 1;
    const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer';
    this.#stableLocal = type === 'offer' ? this.localDescription : null;
    this.localDescription = { type, sdp: `v=0\r\na=ice-ufrag:u${this.#ufrag}\r\n` };
    this.#enter(type === 'answer' ? 'stable' : 'have-local-offer');
  }

  async setRemoteDescription({ type, sdp }) {
    if (type === 'answer' && this.signalingState !== 'have-local-offer') {
      throw new DOMException('no offer to answer', 'InvalidStateError');
    }
    await undefined;
    if (type === 'offer' && this.signalingState === 'have-local-offer') {
      this.localDescription = this.#stableLocal;
      this.#needed = true;
    }
    this.remoteDescription = { type, sdp };
    this.#enter(type === 'answer' ? 'stable' : 'have-remote-offer');
  }

  async addIceCandidate(candidate) {
    if (!this.remoteDescription) throw new DOMException('too early', 'InvalidStateError');
    this.candidates.push(candidate);
  }

  async getStats() {
    return this.stats;
  }

  close() {
    this.signalingState = 'closed';
    this.connectionState = 'closed';
  }

  become(connectionState) {
    this.connectionState = connectionState;
    this.dispatchEvent(new Event('connectionstatechange'));
  }

  gather(text) {
    const init = { candidate: text, usernameFragment: `u${this.#ufrag}` };
    const candidate = text === null ? null : { candidate: text, toJSON: () => init };
    this.dispatchEvent(Object.assign(new Event('icecandidate'), { candidate }));
  }

  #enter(state) {
    this.signalingState = state;
    if (state === 'stable' && this.#needed) this.#need();
  }

  #need() {
    this.#needed = true;
    if (this.#asking) return;
    // Several wishes of one turn are one event.
    this.#asking = true;
    queueMicrotask(() => {
      this.#asking = false;
      if (this.#needed && this.signalingState === 'stable') {
        this.dispatchEvent(new Event('negotiationneeded'));
      }
    });
  }
}

export const helloOk = {
  connection: 'c1',
  user: { id: 'u1', role: 'user', guest: true },
  access_token: 'access-1',
  refresh_token: 'refresh-1',
  resumed: false,
  gap: false,
};

export const match = {
  session: 's1',
  self: 'a',
  peer: { id: 'b', tags_common: ['chess'], language: 'en' },
  role: 'impolite',
  initiator: true,
  waited_ms: 10,
  ice_servers: [
    { urls: ['turn:h:3478', 'turn:h:3478?transport=tcp', 'turns:h:5349'], username: 'x', credential: 'y' },
  ],
  ice_policy: 'all',
  deadline: null,
};

export const searching = { state: 'searching', ahead: 0, waiting: 1, eta_ms: null, level: 0 };

/** A client with everything around it faked. */
export function fixture(options = {}) {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSockets();
  const states = [];
  const client = new Client({
    url: 'wss://host/ws',
    guest: { deviceId: 'd1' },
    WebSocket: FakeWebSocket,
    RTCPeerConnection: FakePeerConnection,
    fetch: () => Promise.reject(new Error('no network')),
    clock,
    ...options,
  });
  client.on('state', (event) => states.push(event));
  const socket = () => sockets.at(-1);
  const online = async (ok = {}) => {
    client.connect().catch(() => {});
    await settle();
    socket().serverOpens();
    socket().ok('hello', { ...helloOk, auth_expires_at: clock.now() + 300_000, ...ok });
    await settle();
    return socket();
  };
  return {
    client,
    clock,
    sockets,
    states,
    socket,
    /** Goes online as a fresh guest. */
    online,
    /** Loses the connection and gets the next socket open. */
    async reconnected(code = 1006) {
      socket().serverCloses(code);
      await clock.advance(8_000);
      socket().serverOpens();
      return socket();
    },
    /** Goes online and into a session. */
    async inSession(changes = {}, queueOptions = {}) {
      const ws = await online();
      const search = client.queue(queueOptions);
      ws.ok('queue.join', searching);
      ws.push('match.found', { ...match, ...changes }, { seq: 1 });
      const session = await search.matched;
      await settle();
      return { ws, session, pc: session.pc };
    },
  };
}
