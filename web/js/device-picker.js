import { element } from './page.js';

/**
 * @typedef {object} Choice
 * @property {string} id Of the select.
 * @property {MediaDeviceKind} lists
 * @property {string} name What to call a device that has no name.
 * @property {(devices: import('./devices.js').Devices) => string | undefined} current
 * @property {(devices: import('./devices.js').Devices, deviceId: string) => void} choose
 */

/** @type {Omit<Choice, 'id'>} */
const CAMERA = {
  lists: 'videoinput',
  name: 'Camera',
  current: (devices) => devices.track('video')?.getSettings().deviceId,
  choose: (devices, deviceId) => void devices.reopen('video', deviceId),
};
/** @type {Omit<Choice, 'id'>} */
const MICROPHONE = {
  lists: 'audioinput',
  name: 'Microphone',
  current: (devices) => devices.track('audio')?.getSettings().deviceId,
  choose: (devices, deviceId) => void devices.reopen('audio', deviceId),
};
/** @type {Omit<Choice, 'id'>} */
const SPEAKER = {
  lists: 'audiooutput',
  name: 'Speaker',
  current: (devices) => devices.speaker || 'default',
  choose: (devices, deviceId) => devices.setSpeaker(deviceId),
};

/**
 * Every select that offers devices: in the lobby beside the preview, and in the settings, which are there during a
 * call too.
 *
 * @type {readonly Choice[]}
 */
const CHOICES = [
  { id: 'camera-select', ...CAMERA },
  { id: 'mic-select', ...MICROPHONE },
  { id: 'settings-camera', ...CAMERA },
  { id: 'settings-mic', ...MICROPHONE },
  { id: 'settings-speaker', ...SPEAKER },
];

/**
 * Fills the selects whenever the devices change, and follows what is chosen in them.
 *
 * @param {import('./devices.js').Devices} devices
 */
export function wireDevicePicker(devices) {
  for (const { id, choose } of CHOICES) {
    const select = element(id);
    select.addEventListener('change', () => choose(devices, select.value));
  }
  devices.addEventListener('change', () => fill(devices));
  fill(devices);
}

/** @param {import('./devices.js').Devices} devices */
async function fill(devices) {
  // Before the first question is answered, browsers tell neither names nor ids.
  const all = devices.stream ? await devices.list() : [];
  for (const choice of CHOICES) {
    const offered = all.filter(({ kind }) => kind === choice.lists);
    fillSelect(element(choice.id), offered, choice.current(devices), choice.name);
  }
  element('settings-devices').hidden = all.length === 0;
}

/**
 * @param {HTMLSelectElement} select
 * @param {MediaDeviceInfo[]} offered
 * @param {string | undefined} current
 * @param {string} name
 */
function fillSelect(select, offered, current, name) {
  const label = select.closest('label');
  if (label) label.hidden = offered.length === 0;
  select.replaceChildren(
    ...offered.map((device, index) => {
      const option = new Option(device.label || `${name} ${index + 1}`, device.deviceId);
      option.selected = device.deviceId === current;
      return option;
    }),
  );
}
