import { VoiceRecorder } from '/sdk/index.js';
import { announce, clockText, element } from './page.js';

const TICK_MS = 250;
/** The longest note; then it is sent as if the button had been pressed. */
const LONGEST_MS = 300_000;

/** Records voice notes: one button to begin, one to send, one to throw away. */
export class VoiceNotes {
  #track;
  #send;
  #complain;
  /** @type {VoiceRecorder | null} */
  #recorder = null;
  /** Opened for the note alone. @type {MediaStream | null} */
  #stream = null;
  #tick = 0;

  /**
   * @param {object} around
   * @param {() => MediaStreamTrack | null} around.track The call's microphone, if it has one.
   * @param {(file: File) => void} around.send
   * @param {(text: string) => void} around.complain
   */
  constructor({ track, send, complain }) {
    this.#track = track;
    this.#send = send;
    this.#complain = complain;
    element('voice-record').addEventListener('click', () => this.#start());
    element('voice-send').addEventListener('click', () => this.#finish());
    element('voice-discard').addEventListener('click', () => this.discard());
    element('recording').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      this.discard();
    });
  }

  async discard() {
    const recorder = this.#recorder;
    this.#recorder = null;
    await recorder?.cancel();
    this.#close();
  }

  async #start() {
    if (this.#recorder) return;
    try {
      const track = this.#track() ?? (await this.#open());
      this.#recorder = new VoiceRecorder(track);
      this.#recorder.start();
    } catch {
      this.#complain('No microphone to record with');
      this.#close();
      return;
    }
    element('composer-row').hidden = true;
    element('recording').hidden = false;
    element('voice-send').focus();
    announce('Recording');
    this.#show();
    this.#tick = setInterval(() => this.#show(), TICK_MS);
  }

  async #open() {
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const [track] = this.#stream.getAudioTracks();
    if (!track) throw new Error('no sound');
    return track;
  }

  async #finish() {
    const recorder = this.#recorder;
    if (!recorder) return;
    this.#recorder = null;
    try {
      this.#send((await recorder.stop()).file);
    } catch {
      this.#complain('Nothing was recorded');
    }
    this.#close();
  }

  #show() {
    const elapsedMs = this.#recorder?.elapsedMs ?? 0;
    element('recording-time').textContent = clockText(elapsedMs);
    if (elapsedMs >= LONGEST_MS) this.#finish();
  }

  #close() {
    clearInterval(this.#tick);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    const wasOpen = !element('recording').hidden;
    element('recording').hidden = true;
    element('composer-row').hidden = false;
    if (wasOpen) element('voice-record').focus();
  }
}
