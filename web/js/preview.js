import { element, setIcon } from './page.js';

/**
 * The card of the lobby that shows the own camera and microphone.
 *
 * @param {import('./devices.js').Devices} devices
 * @param {() => void} joinAnyway Starts with whatever there is.
 */
export function wirePreview(devices, joinAnyway) {
  const meter = new LevelMeter();
  const refresh = () => {
    showState(devices);
    meter.follow(document.body.dataset.state === 'lobby' ? devices.stream : null);
  };
  devices.addEventListener('change', refresh);
  // The meter costs a wake-up per frame; it runs in the lobby only.
  new MutationObserver(refresh).observe(document.body, { attributeFilter: ['data-state'] });

  element('enable-devices').addEventListener('click', () => devices.start());
  element('problem-retry').addEventListener('click', () => devices.start());
  element('problem-audio').addEventListener('click', () => devices.start({ audio: true, video: false }));
  element('problem-none').addEventListener('click', () => {
    if (devices.state === 'none') devices.doWithout();
    joinAnyway();
  });
  element('preview-mic').addEventListener('click', () => toggle(devices, 'audio'));
  element('preview-cam').addEventListener('click', () => toggle(devices, 'video'));
  refresh();
}

/**
 * @param {import('./devices.js').Devices} devices
 * @param {'audio' | 'video'} kind
 */
function toggle(devices, kind) {
  devices.setEnabled(kind, !devices.sends(kind));
}

/** @param {import('./devices.js').Devices} devices */
function showState(devices) {
  const { state, problem, stream } = devices;
  element('preview-card').dataset.devices = state;
  const video = element('preview');
  if (video.srcObject !== stream) video.srcObject = stream;

  const hasVideo = devices.track('video') !== null;
  const seen = hasVideo && devices.sends('video');
  element('preview-empty').hidden = seen;
  element('enable-devices').hidden = state === 'asking' || state === 'on' || problem !== null;
  element('preview-empty-text').textContent = emptyText(devices, hasVideo);

  const mic = element('preview-mic');
  const muted = !devices.sends('audio');
  mic.hidden = devices.track('audio') === null;
  mic.dataset.off = String(muted);
  setIcon(mic, muted ? 'mic-off' : 'mic', muted ? 'Unmute microphone' : 'Mute microphone');
  const cam = element('preview-cam');
  cam.hidden = !hasVideo;
  cam.dataset.off = String(!seen);
  setIcon(cam, seen ? 'cam' : 'cam-off', seen ? 'Turn camera off' : 'Turn camera on');
  element('meter-row').hidden = devices.track('audio') === null;

  element('problem').hidden = problem === null;
  if (!problem) return;
  element('problem-title').textContent = problem.title;
  element('problem-text').textContent = problem.text;
  element('problem-audio').hidden = state !== 'none';
  element('problem-none').textContent = state === 'none' ? 'Join without both' : 'Join like this';
}

/**
 * @param {import('./devices.js').Devices} devices
 * @param {boolean} hasVideo
 */
function emptyText({ state }, hasVideo) {
  switch (state) {
    case 'asking':
      return 'Your browser asks for permission…';
    case 'audio':
      return 'Sound only. They will hear you but not see you.';
    case 'none':
      return 'You join to watch, listen and chat.';
    default:
      return hasVideo ? 'Your camera is off.' : 'See yourself before anybody else does.';
  }
}

/** Shows how loud the microphone is. */
class LevelMeter {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {string | null} */
  #trackId = null;
  #frame = 0;

  /** @param {MediaStream | null} stream Null stops. */
  follow(stream) {
    const track = stream?.getAudioTracks()[0] ?? null;
    if ((track?.id ?? null) === this.#trackId) return;
    this.#stop();
    if (!track || typeof AudioContext === 'undefined') return;
    this.#trackId = track.id;
    this.#context = new AudioContext();
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 512;
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    // Without a click so far the browser starts it suspended.
    document.addEventListener('pointerdown', () => this.#context?.resume(), { once: true });
    const samples = new Float32Array(analyser.fftSize);
    const draw = () => {
      this.#frame = requestAnimationFrame(draw);
      analyser.getFloatTimeDomainData(samples);
      show(loudness(samples));
    };
    draw();
  }

  #stop() {
    cancelAnimationFrame(this.#frame);
    this.#context?.close();
    this.#context = null;
    this.#trackId = null;
    show(0);
  }
}

/**
 * @param {Float32Array} samples
 * @returns {number} 0 to 100 over the 60 dB below full scale.
 */
function loudness(samples) {
  const power = samples.reduce((total, sample) => total + sample * sample, 0) / samples.length;
  const decibel = 10 * Math.log10(power + 1e-9);
  return Math.round(Math.min(100, Math.max(0, ((decibel + 60) / 55) * 100)));
}

/** @param {number} level */
function show(level) {
  element('meter-fill').style.transform = `scaleX(${level / 100})`;
  element('meter').setAttribute('aria-valuenow', String(level));
}
