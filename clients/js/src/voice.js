import { systemClock } from './clock.js';
import { DuologueError } from './errors.js';

/** What the server takes, the most common first. */
const TYPES = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4', 'audio/webm', 'audio/ogg'];

/**
 * Records a voice note from a track that is also used elsewhere: it hears what the track gives, muted or not.
 *
 * @typedef {{ file: File, durationMs: number }} VoiceNote
 */
export class VoiceRecorder {
  #recorder;
  #track;
  #clock;
  #startedAt = 0;
  /** @type {Blob[]} */
  #pieces = [];

  /**
   * @param {MediaStreamTrack} track Sound. A copy of it is recorded.
   * @param {{ Recorder?: typeof MediaRecorder, clock?: import('./clock.js').Clock }} [options]
   * @throws {DuologueError} `unavailable` where nothing can be recorded.
   */
  constructor(track, { Recorder = globalThis.MediaRecorder, clock = systemClock } = {}) {
    const mimeType = Recorder && TYPES.find((type) => Recorder.isTypeSupported(type));
    if (!mimeType) throw new DuologueError('unavailable', 'this browser records no sound');
    this.#track = track.clone();
    // The call may be muted while we speak to the recorder.
    this.#track.enabled = true;
    this.#recorder = new Recorder(new MediaStream([this.#track]), { mimeType });
    this.#recorder.addEventListener('dataavailable', ({ data }) => {
      if (data.size > 0) this.#pieces.push(data);
    });
    this.#clock = clock;
  }

  get elapsedMs() {
    return this.#startedAt === 0 ? 0 : this.#clock.now() - this.#startedAt;
  }

  start() {
    this.#startedAt = this.#clock.now();
    this.#recorder.start();
  }

  /**
   * Ends the recording.
   *
   * @returns {Promise<VoiceNote>}
   * @throws {DuologueError} `unavailable` if the browser has recorded nothing.
   */
  async stop() {
    const durationMs = this.elapsedMs;
    await this.#end();
    const type = this.#recorder.mimeType.split(';')[0] || 'audio/webm';
    const file = new File(this.#pieces, `voice-note.${type.split('/')[1]}`, { type });
    if (file.size === 0) throw new DuologueError('unavailable', 'nothing was recorded');
    return { file, durationMs };
  }

  /** Ends it and throws away what was recorded. */
  async cancel() {
    await this.#end();
    this.#pieces = [];
  }

  async #end() {
    if (this.#recorder.state !== 'inactive') {
      const stopped = new Promise((resolve) => {
        this.#recorder.addEventListener('stop', resolve, { once: true });
        this.#recorder.addEventListener('error', resolve, { once: true });
      });
      this.#recorder.stop();
      await stopped;
    }
    this.#track.stop();
  }
}
