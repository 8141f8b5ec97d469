import { Client, DuologueError, LoginKeeper } from '/sdk/index.js';
import { ChatPanel } from '../chat-panel.js';
import { deviceId } from '../device-id.js';
import { Devices } from '../devices.js';
import { announce, element, setIcon, showNotice } from '../page.js';
import { wirePreview } from '../preview.js';
import { ScreenShare } from '../screen-share.js';
import { Settings } from '../settings.js';
import { Grid } from './grid.js';
import { InvitePanel, linkTo, readInvitation } from './invitation.js';
import { personOf } from './names.js';

/** A connection that is back sooner was never missed. */
const OFFLINE_SHOWN_AFTER_MS = 1_000;

const devices = new Devices();
const share = new ScreenShare();
const client = new Client({
  url: new URL('/ws', location.href.replace(/^http/, 'ws')).href,
  guest: { deviceId: deviceId() },
  // Who has an account finds its rooms again.
  keeper: new LoginKeeper(),
  ...new Settings().clientOptions,
});
const chat = new ChatPanel({
  microphone: () => devices.track('audio'),
  takesFiles: () => client.server?.features?.includes('files') === true,
  over: 'Not sent. You are not in the room any more',
  nameOf: (alias) => personOf(alias).name,
});
const grid = new Grid(devices, share, dismiss);
const invite = new InvitePanel(makeLink);
/** @type {import('/sdk/index.js').Room | null} */
let room = null;
let offlineTimer = 0;
/** Tracks are exchanged one after the other. */
let exchange = Promise.resolve();
/** @type {string[]} */
const errors = [];

watchErrors();
wirePreview(devices, goIn);
client.on('state', showConnection);
client.on('drain', () => showNotice('The server is about to restart. You will be brought back.'));
element('door').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  goIn();
});
element('leave').addEventListener('click', () => room?.leave());
element('again').addEventListener('click', goIn);
element('toggle-mic').addEventListener('click', () => toggle('audio'));
element('toggle-cam').addEventListener('click', () => toggle('video'));
element('toggle-share').hidden = !ScreenShare.possible;
element('toggle-share').addEventListener('click', toggleShare);
devices.addEventListener('change', onOwnMedia);
share.addEventListener('change', onOwnMedia);
document.addEventListener('keydown', onKey);
// Another link in the same tab is another door.
window.addEventListener('hashchange', () => {
  if (!room) showDoor();
});
window.addEventListener('pagehide', (event) => {
  // A page kept in the back/forward cache may come back; one that is thrown away says goodbye.
  if (!event.persisted) client.close();
});
showDoor();

function showDoor() {
  const invitation = readInvitation();
  element('room-name-field').hidden = invitation !== null;
  element('door-title-invited').hidden = invitation === null;
  element('door-title-new').hidden = invitation !== null;
  element('go-in').textContent = invitation ? 'Go in' : 'Make the room';
  show('lobby');
}

/** Goes into the room of the link, or makes one. */
async function goIn() {
  hint('');
  const name = element('room-name').value.trim();
  if (!readInvitation() && name === '') {
    hint('Give the room a name, so that people know where they are.');
    element('room-name').focus();
    return;
  }
  setBusy(true);
  try {
    if (!(await askForDevices())) return;
    await client.connect();
    const { room: id, ticket } = readInvitation() ?? (await makeRoom(name));
    enter(await client.rooms.join(id, { ...(ticket && { ticket }), ...(devices.stream && { stream: devices.stream }) }));
  } catch (error) {
    show('lobby');
    hint(refusalText(error));
  } finally {
    setBusy(false);
  }
}

/** @returns {Promise<boolean>} Whether the answer lets us go on. */
async function askForDevices() {
  const { state, problem } = devices;
  // `asking`: the preview has put the question, its answer decides what we send.
  if (state === 'unasked' || state === 'asking' || (state === 'none' && problem)) {
    hint('Allow your camera and microphone in the browser’s question.');
    await devices.start();
    hint('');
  }
  if (devices.problem && devices.state === 'none') {
    hint('You can come in without a camera, too: see the note at your picture.');
    element('problem').scrollIntoView({ block: 'nearest' });
    return false;
  }
  return true;
}

/** @param {string} name */
async function makeRoom(name) {
  const { id } = await client.rooms.create(name);
  const { ticket } = await client.rooms.invite(id);
  // A reload finds the room again, as a guest of its own invitation.
  history.replaceState(null, '', linkTo({ room: id, ticket }));
  return { room: id, ticket };
}

async function makeLink() {
  if (!room) throw new Error('not in a room');
  const { ticket } = await client.rooms.invite(room.id);
  return linkTo({ room: room.id, ticket });
}

/** @param {import('/sdk/index.js').Room} entered */
function enter(entered) {
  room = entered;
  element('call-title').textContent = entered.name;
  document.title = `${entered.name} · Duologue`;
  grid.follow(entered);
  chat.follow(entered);
  entered.on('typing', ({ peer, on }) => chat.setWriting(peer.id, on));
  chat.toggle(false);
  invite.toggle(false);
  onOwnMedia();
  show('call');
  entered.on('rejoined', () => announce('You are back in the room'));
  entered.on('left', ({ reason }) => left(reason));
}

/** @param {string} reason */
function left(reason) {
  room = null;
  share.stop();
  grid.clear();
  const { title, text } = endText(reason);
  element('ended-title').textContent = title;
  element('ended-text').textContent = text;
  element('screen-ended').dataset.reason = reason;
  show('ended');
}

/**
 * @param {import('/sdk/index.js').RoomPeer} peer
 * @param {string} name
 */
async function dismiss(peer, name) {
  if (!room || !confirm(`Put ${name} out of the room? All links given so far stop working.`)) return;
  try {
    await client.rooms.dismiss(room.id, peer.id);
  } catch (error) {
    showNotice(`That did not work: ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {'audio' | 'video'} kind */
async function toggle(kind) {
  if (!room) return;
  if (!devices.track(kind)) {
    await devices.reopen(kind);
    return;
  }
  devices.setEnabled(kind, !devices.sends(kind));
  if (kind === 'audio' || !share.track) room.setEnabled(kind, devices.sends(kind));
}

async function toggleShare() {
  if (share.track) {
    share.stop();
    return;
  }
  const before = room;
  try {
    await share.start();
  } catch {
    showNotice('Your screen could not be shared.');
  }
  // We may have left while the user was choosing.
  if (room !== before) share.stop();
}

function onOwnMedia() {
  grid.showOwn();
  showControl('toggle-mic', devices.sends('audio'), ['mic', 'Mute'], ['mic-off', 'Unmute']);
  showControl('toggle-cam', devices.sends('video'), ['cam', 'Camera'], ['cam-off', 'Camera']);
  element('toggle-cam').setAttribute('aria-label', devices.sends('video') ? 'Turn camera off' : 'Turn camera on');
  element('toggle-share').setAttribute('aria-pressed', String(share.track !== null));
  setIcon(element('toggle-share'), share.track ? 'screen-off' : 'screen', share.track ? 'Stop' : 'Share');
  const there = room;
  if (there) exchange = exchange.then(() => sendOwnMedia(there));
}

/**
 * Sends what there is now: the chosen devices, and the screen in place of the camera.
 *
 * @param {import('/sdk/index.js').Room} there
 */
async function sendOwnMedia(there) {
  const screen = share.track;
  const wanted = { audio: devices.track('audio'), video: screen ?? devices.track('video') };
  try {
    for (const kind of /** @type {const} */ (['audio', 'video'])) {
      if (there.sent(kind) === wanted[kind]) continue;
      await there.replaceTrack(kind, wanted[kind], { screen: kind === 'video' && screen !== null });
    }
  } catch (error) {
    console.warn('replaceTrack', error);
  }
}

/**
 * @param {string} id
 * @param {boolean} on
 * @param {[string, string]} whenOn Icon and label.
 * @param {[string, string]} whenOff
 */
function showControl(id, on, whenOn, whenOff) {
  const button = element(id);
  button.dataset.off = String(!on);
  setIcon(button, ...(on ? whenOn : whenOff));
}

/** @param {import('/sdk/index.js').StateEvent} event */
function showConnection({ state, terminal }) {
  document.body.dataset.connection = state;
  if (state === 'offline') {
    offlineTimer ||= setTimeout(
      () => showNotice(room ? 'Reconnecting to the server… The call goes on.' : 'No connection to the server. Trying again…'),
      OFFLINE_SHOWN_AFTER_MS,
    );
  }
  if (state !== 'online' && state !== 'closed') return;
  clearTimeout(offlineTimer);
  offlineTimer = 0;
  showNotice(state === 'closed' && terminal ? 'The server ended the connection. Reload the page to try again.' : null);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (!room || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape') {
    if (invite.open) invite.toggle(false);
    else if (chat.open) chat.toggle(false);
    return;
  }
  if (event.repeat || (event.target instanceof HTMLElement && event.target.closest('input'))) return;
  const button = { m: 'toggle-mic', v: 'toggle-cam', s: 'toggle-share', c: 'toggle-chat', i: 'open-invite' }[event.key.toLowerCase()];
  if (!button) return;
  // Otherwise the letter would land in the input that this opens.
  event.preventDefault();
  element(button).click();
}

/**
 * Shows one screen and moves the focus to its heading, so that a screen reader starts there.
 *
 * @param {'lobby' | 'call' | 'ended'} name
 */
function show(name) {
  for (const screen of ['lobby', 'call', 'ended']) element(`screen-${screen}`).hidden = screen !== name;
  document.body.dataset.state = name;
  window.scrollTo(0, 0);
  element(`screen-${name}`).querySelector('h1').focus({ preventScroll: true });
}

/** @param {string} text */
function hint(text) {
  element('door-hint').textContent = text;
}

/** @param {boolean} busy */
function setBusy(busy) {
  element('go-in').disabled = busy;
  element('again').disabled = busy;
}

/** @param {unknown} error */
function refusalText(error) {
  const code = error instanceof DuologueError ? error.code : 'internal';
  switch (code) {
    case 'not_found':
      return 'This room is not there any more.';
    case 'forbidden':
      return 'This link opens the room no longer. Ask for a new one.';
    case 'conflict':
      return 'The room is full: eight people are there already.';
    case 'rate_limited':
      return 'Too many attempts. Wait a moment, then try again.';
    default:
      return 'That did not work. Check your connection and try again.';
  }
}

/** @param {string} reason */
function endText(reason) {
  switch (reason) {
    case 'left':
      return { title: 'You have left the room.', text: 'The others can go on without you, and you can come back.' };
    case 'kicked':
      return { title: 'You are out of the room.', text: 'Somebody put you out, or the room was closed.' };
    default:
      return { title: 'The connection was lost.', text: 'You can try to go in again.' };
  }
}

/** What tests and bug reports read; it holds no tokens. */
function watchErrors() {
  const note = (/** @type {string} */ text) => {
    if (errors.length < 50) errors.push(text);
  };
  window.addEventListener('error', (event) => note(`error: ${event.message}`));
  window.addEventListener('unhandledrejection', (event) => note(`rejection: ${event.reason}`));
  document.addEventListener('securitypolicyviolation', (event) => {
    note(`csp: ${event.violatedDirective} ${event.blockedURI}`);
  });
  Object.defineProperty(window, 'duologueDebug', {
    get: () => ({
      screen: document.body.dataset.state,
      client: client.stateDetail,
      room: room && {
        id: room.id,
        self: room.self,
        role: room.role,
        peers: room.peers.map(({ id, state, media, lostUntil }) => ({ id, state, media, lostUntil })),
      },
      errors: [...errors],
    }),
  });
}
