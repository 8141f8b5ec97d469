import { Away } from './away.js';
import { CallReactions } from './call-reactions.js';
import { ChatPanel } from './chat-panel.js';
import { ConnectionPanel } from './connection-panel.js';
import { announce, clockText, element, setIcon } from './page.js';
import { ScreenShare } from './screen-share.js';

const TOAST_MS = 4_000;
/** Below these the timer changes its colour. */
const SOON_MS = 60_000;
const NOW_MS = 10_000;

/**
 * The call itself.
 *
 * @typedef {object} CallActions
 * @property {() => void} onNext
 * @property {() => void} onEnd
 * @property {() => boolean} takesFiles Whether the server does.
 */
export class CallScreen {
  #devices;
  #screen = element('screen-call');
  /** @type {HTMLVideoElement} */
  #remote = element('remote');
  #connection = new ConnectionPanel();
  #chat;
  #reactions = new CallReactions();
  #away = new Away();
  #share = new ScreenShare();
  /** Tracks are exchanged one after the other. */
  #exchange = Promise.resolve();
  /** @type {import('/sdk/index.js').Session | null} */
  #session = null;
  #startedWithMs = 0;
  #clock = 0;
  #toastTimer = 0;

  /**
   * @param {import('./devices.js').Devices} devices
   * @param {CallActions} actions
   */
  constructor(devices, actions) {
    this.#devices = devices;
    this.#chat = new ChatPanel({
      microphone: () => devices.track('audio'),
      takesFiles: actions.takesFiles,
      over: 'Not sent. The call is over',
    });
    element('toggle-mic').addEventListener('click', () => this.#toggle('audio'));
    element('toggle-cam').addEventListener('click', () => this.#toggle('video'));
    element('next').addEventListener('click', actions.onNext);
    element('end').addEventListener('click', actions.onEnd);
    element('unblock-sound').addEventListener('click', () => this.#play());
    // On a narrow screen the two panels would lie over each other.
    element('toggle-chat').addEventListener('click', () => this.#connection.toggle(false));
    element('open-connection').addEventListener('click', () => {
      if (this.#connection.open && matchMedia('(max-width: 52rem)').matches) this.#chat.toggle(false);
    });
    devices.addEventListener('change', () => this.#onOwnMedia());
    this.#share.addEventListener('change', () => this.#onOwnMedia());
    element('toggle-share').hidden = !ScreenShare.possible;
    element('toggle-share').addEventListener('click', () => this.#toggleShare());
    document.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** Everything said in this call. */
  get messages() {
    return this.#chat.log;
  }

  /** @param {import('/sdk/index.js').Session} session */
  follow(session) {
    this.#session = session;
    this.#startedWithMs = session.remainingMs() ?? 0;
    this.#chat.follow(session);
    session.on('typing', ({ on }) => this.#chat.setWriting('them', on));
    this.#reactions.follow(session);
    this.#away.follow(session);
    this.#connection.clear();
    this.#connection.toggle(false);
    this.#chat.toggle(false);
    this.toast(null);
    element('unblock-sound').hidden = true;
    this.#showPeer(session);
    this.#onOwnMedia();
    this.#showState(session);
    this.setBusy(false);

    session.on('track', ({ track, stream }) => {
      if (this.#remote.srcObject !== stream) this.#remote.srcObject = stream;
      for (const type of ['mute', 'unmute', 'ended']) {
        track.addEventListener(type, () => this.#showRemote(session));
      }
      this.#play();
      this.#showRemote(session);
    });
    session.on('state', () => this.#showState(session));
    session.on('quality', (quality) => this.#connection.show(quality));
    session.on('peer-media', () => this.#showRemote(session));
    session.on('warning', ({ remainingMs }) => {
      const text = `${Math.round(remainingMs / 1_000)} seconds left`;
      this.toast(text);
      announce(text);
    });
    this.#tick(session);
    clearInterval(this.#clock);
    this.#clock = setInterval(() => this.#tick(session), 500);
  }

  stop() {
    clearInterval(this.#clock);
    this.#session = null;
    this.#share.stop();
    this.#remote.srcObject = null;
    element('self-video').srcObject = null;
  }

  /** @param {boolean} busy A request to end or go on is under way. */
  setBusy(busy) {
    element('next').disabled = busy;
    element('end').disabled = busy;
  }

  /**
   * @param {string | null} text
   * @param {boolean} [stays]
   */
  toast(text, stays = false) {
    clearTimeout(this.#toastTimer);
    const toast = element('toast');
    toast.hidden = text === null;
    toast.textContent = text ?? '';
    if (text !== null && !stays) this.#toastTimer = setTimeout(() => this.toast(null), TOAST_MS);
  }

  /** @param {'audio' | 'video'} kind */
  async #toggle(kind) {
    const session = this.#session;
    if (!session) return;
    if (this.#devices.track(kind)) {
      const on = !this.#devices.sends(kind);
      this.#devices.setEnabled(kind, on);
      if (kind === 'audio' || !this.#share.track) session.setEnabled(kind, on);
      return;
    }
    const track = await this.#devices.reopen(kind);
    if (!track) this.toast(this.#devices.problem?.title ?? 'Not available');
  }

  async #toggleShare() {
    if (this.#share.track) {
      this.#share.stop();
      return;
    }
    const session = this.#session;
    try {
      await this.#share.start();
    } catch {
      this.toast('Your screen could not be shared.');
    }
    // The call may have ended while the user was choosing.
    if (this.#session !== session) this.#share.stop();
  }

  #onOwnMedia() {
    this.#showOwnMedia();
    const session = this.#session;
    if (session) this.#exchange = this.#exchange.then(() => this.#sendOwnMedia(session));
  }

  /**
   * Sends what there is now: the chosen devices, and the screen in place of the camera.
   *
   * @param {import('/sdk/index.js').Session} session
   */
  async #sendOwnMedia(session) {
    const screen = this.#share.track;
    const wanted = { audio: this.#devices.track('audio'), video: screen ?? this.#devices.track('video') };
    try {
      for (const kind of /** @type {const} */ (['audio', 'video'])) {
        const senders = session.pc?.getSenders() ?? [];
        const sent = senders.find(({ track }) => track?.kind === kind)?.track ?? null;
        if (sent === wanted[kind]) continue;
        await session.replaceTrack(kind, wanted[kind], { screen: kind === 'video' && screen !== null });
      }
    } catch (error) {
      if (session.state !== 'ended') this.toast('Your picture or sound could not be exchanged.');
      console.warn('replaceTrack', error);
    }
  }

  async #play() {
    const button = element('unblock-sound');
    try {
      await this.#remote.play();
      button.hidden = true;
    } catch (error) {
      // Some browsers want a click before anything sounds; a replaced source is no reason to ask.
      if (error instanceof DOMException && error.name === 'NotAllowedError') button.hidden = false;
    }
  }

  /** @param {import('/sdk/index.js').Session} session */
  #showPeer({ peer }) {
    element('who').textContent = 'Someone new';
    const common = peer.tagsCommon.length > 0 ? `You both like ${peer.tagsCommon.join(', ')}` : '';
    const language = peer.language ? languageName(peer.language) : '';
    element('who-note').textContent = [common, language].filter(Boolean).join(' · ');
  }

  /** @param {import('/sdk/index.js').Session} session */
  #showState(session) {
    const { state } = session;
    this.#screen.dataset.call = state;
    this.#connection.showState(state);
    if (state === 'connected') {
      this.toast(null);
      announce('Connected');
    } else if (state === 'reconnecting') this.toast('The connection is shaky. Finding another way…', true);
    else if (state === 'failed') this.toast('No way through to them. You can go on to someone else.', true);
    this.#showRemote(session);
  }

  /** @param {import('/sdk/index.js').Session} session */
  #showRemote(session) {
    const track = session.remoteStream?.getVideoTracks()[0];
    const shown =
      session.state !== 'connecting' && session.peerMedia.video && track?.readyState === 'live' && !track.muted;
    this.#screen.dataset.video = shown ? 'on' : 'off';
    this.#screen.dataset.shares = String(session.peerMedia.screen);
    element('remote-empty').hidden = shown && element('unblock-sound').hidden;
    element('remote-empty-text').textContent =
      session.state === 'connecting' ? 'Connecting you…' : remoteText(session.peerMedia);
    element('who').textContent = session.peerMedia.audio ? 'Someone new' : 'Someone new (muted)';
  }

  #showOwnMedia() {
    const mic = element('toggle-mic');
    const hears = this.#devices.sends('audio');
    mic.dataset.off = String(!hears);
    setIcon(mic, hears ? 'mic' : 'mic-off', hears ? 'Mute' : 'Unmute');
    const cam = element('toggle-cam');
    const sees = this.#devices.sends('video');
    cam.dataset.off = String(!sees);
    setIcon(cam, sees ? 'cam' : 'cam-off', 'Camera');
    cam.setAttribute('aria-label', sees ? 'Turn camera off' : 'Turn camera on');
    const shared = this.#share.track;
    const share = element('toggle-share');
    share.setAttribute('aria-pressed', String(shared !== null));
    setIcon(share, shared ? 'screen-off' : 'screen', shared ? 'Stop' : 'Share');
    share.setAttribute('aria-label', shared ? 'Stop sharing your screen' : 'Share your screen');
    element('self').dataset.screen = String(shared !== null);
    element('self-empty').hidden = sees || shared !== null;
    if (this.#session) this.#showSelf(shared);
    this.#route();
  }

  /** @param {MediaStreamTrack | null} shared */
  #showSelf(shared) {
    const video = element('self-video');
    if (!shared) {
      if (video.srcObject !== this.#devices.stream) video.srcObject = this.#devices.stream;
    } else if (video.srcObject?.getVideoTracks()[0] !== shared) video.srcObject = new MediaStream([shared]);
  }

  /** Plays on the chosen speaker. */
  async #route() {
    const { speaker } = this.#devices;
    if (!this.#remote.setSinkId || this.#remote.sinkId === speaker) return;
    try {
      await this.#remote.setSinkId(speaker);
    } catch {
      // Unplugged since: the system's speaker plays on.
    }
  }

  /** @param {import('/sdk/index.js').Session} session */
  #tick(session) {
    this.#away.show(session);
    const remainingMs = session.remainingMs();
    const timer = element('timer');
    timer.hidden = remainingMs === null;
    if (remainingMs === null) return;
    // An agreed extension makes the ring full again.
    this.#startedWithMs = Math.max(this.#startedWithMs, remainingMs, 1);
    timer.dataset.urgency = remainingMs <= NOW_MS ? 'now' : remainingMs <= SOON_MS ? 'soon' : 'none';
    element('timer-text').textContent = clockText(remainingMs);
    const spentPercent = 100 - (100 * remainingMs) / this.#startedWithMs;
    element('timer-ring').style.strokeDashoffset = String(spentPercent);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (!this.#session || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape') {
      if (this.#connection.open) this.#connection.toggle(false);
      else if (this.#chat.open) this.#chat.toggle(false);
      return;
    }
    const typing = event.target instanceof HTMLElement && event.target.closest('input, select, dialog');
    if (typing || event.repeat) return;
    const button = { m: 'toggle-mic', v: 'toggle-cam', c: 'toggle-chat', s: 'toggle-share', n: 'next' }[event.key.toLowerCase()];
    if (!button) return;
    // Otherwise the letter would land in the chat input that this opens.
    event.preventDefault();
    element(button).click();
  }
}

/** @param {import('/sdk/index.js').MediaState} media */
function remoteText({ audio, video }) {
  if (video) return 'Waiting for their picture…';
  return audio ? 'They are here with sound only.' : 'They watch and chat.';
}

/** @param {string} code */
function languageName(code) {
  try {
    return new Intl.DisplayNames(undefined, { type: 'language' }).of(code) ?? code;
  } catch {
    return code;
  }
}
