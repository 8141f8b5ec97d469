/** What a reader of slides and code needs: sharp before smooth. */
const SCREEN = { video: { frameRate: { ideal: 15, max: 30 } }, audio: false };

/** The user's screen, window or tab, shown in place of the camera. Fires `change` when it starts and ends. */
export class ScreenShare extends EventTarget {
  /** @type {MediaStreamTrack | null} */
  #track = null;

  /** Whether this browser can do it at all; phones mostly cannot. */
  static get possible() {
    return typeof navigator.mediaDevices?.getDisplayMedia === 'function';
  }

  /** What is shared; null while nothing is. */
  get track() {
    return this.#track;
  }

  /**
   * Lets the user pick what to share. Does nothing when they pick nothing.
   *
   * @throws {DOMException} when the system gives no picture.
   */
  async start() {
    if (this.#track) return;
    const stream = await pick();
    const track = stream?.getVideoTracks()[0];
    if (!track) return;
    track.contentHint = 'detail';
    this.#track = track;
    // The browser has a button of its own to stop it.
    track.addEventListener('ended', () => this.#end(track));
    this.#changed();
  }

  stop() {
    const track = this.#track;
    track?.stop();
    if (track) this.#end(track);
  }

  /** @param {MediaStreamTrack} track */
  #end(track) {
    if (this.#track !== track) return;
    this.#track = null;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** @returns {Promise<MediaStream | null>} Null when the user picked nothing. */
async function pick() {
  try {
    return await navigator.mediaDevices.getDisplayMedia(SCREEN);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotAllowedError') return null;
    throw error;
  }
}
