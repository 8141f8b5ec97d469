/**
 * The user's camera and microphone.
 *
 * @typedef {'unasked' | 'asking' | 'on' | 'audio' | 'none'} DeviceState `audio`: microphone only.
 * @typedef {{ title: string, text: string }} Problem
 */

/** Where a video call has no use for more, and a phone on a train has no room for it. */
const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

const CHOSEN_KEY = 'duologue.devices';

/** Fires `change` whenever the state, the stream or the problem is another. */
export class Devices extends EventTarget {
  /** @type {DeviceState} */
  state = 'unasked';
  /** @type {MediaStream | null} */
  stream = null;
  /** @type {Problem | null} */
  problem = null;
  #muted = { audio: false, video: false };
  #chosen = readChosen();
  /** @type {Promise<void> | null} */
  #starting = null;

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener('devicechange', () => this.#changed());
  }

  /**
   * Asks for both, and settles for one when the other is missing or busy. While a question is open, a
   * second call waits for its answer.
   *
   * @param {{ audio: boolean, video: boolean }} [wanted]
   * @returns {Promise<void>}
   */
  start(wanted = { audio: true, video: true }) {
    this.#starting ??= this.#start(wanted).finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  /** @param {{ audio: boolean, video: boolean }} wanted */
  async #start(wanted) {
    this.state = 'asking';
    this.problem = null;
    this.#changed();
    const attempts = wanted.video
      ? [wanted, { audio: true, video: false }, { audio: false, video: true }]
      : [wanted];
    /** @type {unknown} */
    let failure = null;
    for (const attempt of attempts) {
      try {
        const stream = await this.#open(attempt);
        this.#adopt(stream);
        if (failure) this.problem = partialProblem(attempt, failure);
        this.#changed();
        return;
      } catch (error) {
        failure ??= error;
        // A refusal is an answer; asking again for less would only annoy.
        if (nameOf(error) === 'NotAllowedError' || nameOf(error) === 'SecurityError') break;
      }
    }
    this.state = 'none';
    this.problem = problemOf(failure);
    this.#changed();
  }

  /** Goes on without any device. */
  doWithout() {
    this.stop();
    this.problem = null;
    this.state = 'none';
    this.#changed();
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }

  /**
   * @param {'audio' | 'video'} kind
   * @returns {MediaStreamTrack | null}
   */
  track(kind) {
    return this.stream?.getTracks().find((track) => track.kind === kind) ?? null;
  }

  /**
   * Whether this kind is there and not muted.
   *
   * @param {'audio' | 'video'} kind
   */
  sends(kind) {
    return this.track(kind)?.enabled === true;
  }

  /**
   * @param {'audio' | 'video'} kind
   * @param {boolean} on
   */
  setEnabled(kind, on) {
    this.#muted[kind] = !on;
    const track = this.track(kind);
    if (track) track.enabled = on;
    this.#changed();
  }

  /**
   * Opens one kind anew: another device, or one that was missing so far.
   *
   * @param {'audio' | 'video'} kind
   * @param {string} [deviceId]
   * @returns {Promise<MediaStreamTrack | null>} The new track; null when it cannot be had.
   */
  async reopen(kind, deviceId) {
    if (deviceId !== undefined) this.#choose(kind, deviceId);
    try {
      const fresh = await this.#open({ audio: kind === 'audio', video: kind === 'video' });
      const [track = null] = fresh.getTracks();
      if (!track) return null;
      const old = this.track(kind);
      if (old) {
        old.stop();
        this.stream?.removeTrack(old);
      }
      this.#adopt(new MediaStream([...(this.stream?.getTracks() ?? []), track]));
      this.problem = null;
      this.#changed();
      return track;
    } catch (error) {
      this.problem = problemOf(error);
      this.#changed();
      return null;
    }
  }

  /** The id of the speaker to use; empty: what the system uses. */
  get speaker() {
    return this.#chosen.speaker;
  }

  /** @param {string} deviceId */
  setSpeaker(deviceId) {
    this.#choose('speaker', deviceId);
    this.#changed();
  }

  /**
   * The devices that can be chosen. Speakers only where a page may choose one.
   *
   * @returns {Promise<MediaDeviceInfo[]>}
   */
  async list() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    const canRoute = 'setSinkId' in HTMLMediaElement.prototype;
    return all.filter(({ kind, deviceId }) => deviceId !== '' && (canRoute || kind !== 'audiooutput'));
  }

  /**
   * @param {'audio' | 'video' | 'speaker'} kind
   * @param {string} deviceId
   */
  #choose(kind, deviceId) {
    this.#chosen[kind] = deviceId;
    try {
      localStorage.setItem(CHOSEN_KEY, JSON.stringify(this.#chosen));
    } catch {
      // Storage may be forbidden; then the choice holds for this visit.
    }
  }

  /**
   * The chosen devices, or any if they are not there.
   *
   * @param {{ audio: boolean, video: boolean }} wanted
   */
  async #open(wanted) {
    if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('', 'SecurityError');
    try {
      return await ask(wanted, this.#chosen);
    } catch (error) {
      if (nameOf(error) !== 'OverconstrainedError') throw error;
      return ask(wanted, { audio: '', video: '' });
    }
  }

  /** @param {MediaStream} stream */
  #adopt(stream) {
    if (this.stream && this.stream !== stream) {
      const kept = stream.getTracks();
      for (const track of this.stream.getTracks()) if (!kept.includes(track)) track.stop();
    }
    this.stream = stream;
    for (const track of stream.getTracks()) {
      track.enabled = !this.#muted[track.kind === 'video' ? 'video' : 'audio'];
      track.addEventListener('ended', () => this.#onTrackEnded(track), { once: true });
    }
    this.state = stream.getVideoTracks().length > 0 ? 'on' : 'audio';
  }

  /** @param {MediaStreamTrack} track */
  #onTrackEnded(track) {
    if (!this.stream?.getTracks().includes(track)) return;
    this.stream.removeTrack(track);
    this.problem =
      track.kind === 'video'
        ? { title: 'The camera stopped', text: 'It was unplugged or another program took it.' }
        : { title: 'The microphone stopped', text: 'It was unplugged or another program took it.' };
    if (this.stream.getTracks().length === 0) this.state = 'none';
    else if (track.kind === 'video') this.state = 'audio';
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/**
 * @param {{ audio: boolean, video: boolean }} wanted
 * @param {{ audio: string, video: string }} idByKind Empty: any.
 */
function ask({ audio, video }, idByKind) {
  // A wish alone (`ideal`) is no reason for browsers to open a second device beside one that is open.
  const chosen = (/** @type {string} */ id) => id !== '' && { deviceId: { exact: id } };
  return navigator.mediaDevices.getUserMedia({
    audio: audio && { ...AUDIO, ...chosen(idByKind.audio) },
    video: video && { ...VIDEO, ...chosen(idByKind.video) },
  });
}

/** The devices that were chosen last time. A browser that no longer has them takes another. */
function readChosen() {
  const chosen = { audio: '', video: '', speaker: '' };
  try {
    const saved = JSON.parse(localStorage.getItem(CHOSEN_KEY) ?? '{}');
    for (const kind of /** @type {(keyof typeof chosen)[]} */ (Object.keys(chosen))) {
      if (typeof saved?.[kind] === 'string') chosen[kind] = saved[kind];
    }
  } catch {
    // Nothing that could be read.
  }
  return chosen;
}

/** @param {unknown} error */
function nameOf(error) {
  return error instanceof DOMException || error instanceof Error ? error.name : '';
}

/**
 * @param {unknown} error
 * @returns {Problem}
 */
function problemOf(error) {
  switch (nameOf(error)) {
    case 'NotAllowedError':
      return {
        title: 'Camera and microphone are blocked',
        text: 'Allow them in the address bar of your browser (or in the system settings), then try again.',
      };
    case 'NotFoundError':
    case 'OverconstrainedError':
      return {
        title: 'No camera or microphone found',
        text: 'Connect one and try again, or join without: you will still see, hear and chat.',
      };
    case 'NotReadableError':
    case 'AbortError':
      return {
        title: 'The camera is busy',
        text: 'Another program may be using it. Close that program and try again.',
      };
    case 'SecurityError':
      return {
        title: 'This address cannot use the camera',
        text: 'Browsers allow it only on https:// pages and on localhost. You can still see, hear and chat.',
      };
    default:
      return {
        title: 'The camera could not be started',
        text: 'Try again, or join without: you will still see, hear and chat.',
      };
  }
}

/**
 * @param {{ audio: boolean, video: boolean }} got
 * @param {unknown} error
 * @returns {Problem}
 */
function partialProblem(got, error) {
  const busy = nameOf(error) === 'NotReadableError';
  if (got.audio) {
    return {
      title: busy ? 'The camera is busy' : 'No camera found',
      text: 'You can join with sound only, and turn the camera on later.',
    };
  }
  return {
    title: busy ? 'The microphone is busy' : 'No microphone found',
    text: 'You can join with the picture only and use the chat.',
  };
}
