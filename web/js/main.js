import { Client, DuologueError, LoginKeeper } from '/sdk/index.js';
import { AccountDialog } from './account-dialog.js';
import { CallScreen } from './call-screen.js';
import { Debug } from './debug.js';
import { deviceId } from './device-id.js';
import { wireDevicePicker } from './device-picker.js';
import { Devices } from './devices.js';
import { fillEnded } from './ended.js';
import { Lobby } from './lobby.js';
import { element, showNotice, showScreen } from './page.js';
import { wirePreview } from './preview.js';
import { ReportDialog } from './report-dialog.js';
import { SearchScreen } from './searching.js';
import { Settings, wireSettings } from './settings.js';

/** A connection that is back sooner was never missed. */
const OFFLINE_SHOWN_AFTER_MS = 1_000;

/** What a moderator has done. @type {Record<string, string>} */
const WORDS_BY_ACTION = {
  warn: 'A moderator asks you to mind your manners.',
  mute: 'A moderator lets you write nothing for now.',
  restrict: 'You are not matched with anybody for now.',
  ban: 'A moderator has closed this site to you.',
};

const settings = new Settings();
const keeper = new LoginKeeper();
const devices = new Devices();

/** @type {Client | null} */
let client = null;
/** The settings `client` was made with. */
let clientKey = '';
/** @type {import('/sdk/index.js').Search | null} */
let search = null;
/** @type {import('/sdk/index.js').Session | null} */
let session = null;
let endedByMe = false;
let offlineTimer = 0;

const lobby = new Lobby(start);
const searchScreen = new SearchScreen(cancel);
const callScreen = new CallScreen(devices, {
  onNext: next,
  onEnd: end,
  takesFiles: () => client?.server?.features?.includes('files') === true,
});
const reportDialog = new ReportDialog(() => {
  endedByMe = true;
});
const accountDialog = new AccountDialog({ client: currentClient, keeper });
const debug = new Debug({
  client: () => client,
  search: () => search,
  session: () => session,
  messages: () => callScreen.messages,
});

wireSettings(settings);
wirePreview(devices, begin);
wireDevicePicker(devices);
element('ended-next').addEventListener('click', begin);
element('ended-home').addEventListener('click', () => showScreen('lobby'));
window.addEventListener('pagehide', (event) => {
  // A page kept in the back/forward cache may come back; one that is thrown away says goodbye.
  if (!event.persisted) client?.close();
});
startIfAllowedBefore();

/** The start button: asks for the devices once, then begins. */
async function start() {
  const { state, problem } = devices;
  // `asking`: the preview has put the question, its answer decides what we send.
  if (state === 'unasked' || state === 'asking' || (state === 'none' && problem)) {
    lobby.setBusy(true);
    lobby.hint('Allow your camera and microphone in the browser’s question.');
    await devices.start();
    lobby.setBusy(false);
    lobby.hint('');
  }
  if (devices.problem && devices.state === 'none') {
    lobby.hint('You can join without a camera, too: see the note at your picture.');
    element('problem').scrollIntoView({ block: 'nearest' });
    return;
  }
  begin();
}

/** Searches with what the lobby says and the devices there are. */
function begin() {
  lobby.hint('');
  const options = { ...lobby.wishes, ...(devices.stream && { stream: devices.stream }) };
  follow(currentClient().queue(options));
}

/** @param {import('/sdk/index.js').Search} started */
async function follow(started) {
  search = started;
  searchScreen.follow(started);
  showScreen('searching');
  try {
    enter(await started.matched);
  } catch (error) {
    if (search === started) search = null;
    leaveSearch(error);
  }
}

/** @param {unknown} error */
function leaveSearch(error) {
  searchScreen.stop();
  const code = error instanceof DuologueError ? error.code : 'internal';
  // Cancelled by us, or replaced by a newer search whose screen stays.
  if (code === 'cancelled') {
    if (!search) showScreen('lobby');
    return;
  }
  showScreen('lobby');
  if (code !== 'closed') lobby.hint(`That did not work: ${error instanceof Error ? error.message : code}`);
}

function cancel() {
  const cancelled = search;
  search = null;
  cancelled?.cancel();
}

/** @param {import('/sdk/index.js').Session} matched */
function enter(matched) {
  search = null;
  searchScreen.stop();
  session = matched;
  endedByMe = false;
  debug.ended = null;
  callScreen.follow(matched);
  reportDialog.follow(matched);
  showScreen('call');
  matched.on('quality', (quality) => {
    debug.lastQuality = quality;
  });
  matched.on('ended', ({ reason, durationMs }) => leave(matched, reason, durationMs));
}

/**
 * @param {import('/sdk/index.js').Session} left
 * @param {string} reason
 * @param {number} durationMs
 */
function leave(left, reason, durationMs) {
  if (session !== left) return;
  debug.ended = { reason, durationMs };
  session = null;
  callScreen.stop();
  // We skipped: the next search already has the screen.
  if (reason === 'skipped' && endedByMe) return;
  const shown = reason === 'ended' && endedByMe ? 'mine' : reason;
  fillEnded({ reason: shown, durationMs, messages: callScreen.messages.length });
  showScreen('ended');
}

async function next() {
  const left = session;
  if (!left) return;
  callScreen.setBusy(true);
  endedByMe = true;
  try {
    follow(await left.next());
  } catch (error) {
    endedByMe = false;
    callScreen.setBusy(false);
    const waitMs = error instanceof DuologueError ? error.retryAfterMs : 0;
    callScreen.toast(
      waitMs > 0 ? `Not so fast: try again in ${Math.ceil(waitMs / 1_000)} s.` : 'That did not work. Try again.',
    );
  }
}

async function end() {
  endedByMe = true;
  callScreen.setBusy(true);
  await session?.end();
}

/** The client for the settings as they are now; another choice makes another client. */
function currentClient() {
  const options = settings.clientOptions;
  const key = JSON.stringify(options);
  if (client && key === clientKey) return client;
  client?.close();
  clientKey = key;
  const url = new URL('/ws', location.href.replace(/^http/, 'ws')).href;
  const made = new Client({ url, guest: { deviceId: deviceId() }, keeper, ...options });
  made.on('state', (event) => {
    if (made === client) showConnection(event);
  });
  made.on('drain', () => showNotice('The server is about to restart. Your place is kept where possible.'));
  made.on('notice', (notice) => showNotice(noticeText(notice)));
  client = made;
  return made;
}

/**
 * @param {{ action: string, reason: string, until: number | null }} notice
 * @returns {string}
 */
function noticeText({ action, reason, until }) {
  const words = WORDS_BY_ACTION[action] ?? 'A message from the operator of this site.';
  const end = until === null ? '' : ` Until ${new Date(until).toLocaleString()}.`;
  const why = reason ? ` Reason: ${reason.replaceAll('_', ' ')}.` : '';
  return `${words}${end}${why}`;
}

/** @param {import('/sdk/index.js').StateEvent} event */
function showConnection({ state, reason, terminal }) {
  document.body.dataset.connection = state;
  if (state === 'offline') offlineTimer ||= setTimeout(showOffline, OFFLINE_SHOWN_AFTER_MS);
  if (state !== 'online' && state !== 'closed') return;
  clearTimeout(offlineTimer);
  offlineTimer = 0;
  if (reason === 'logged_out') accountDialog.show();
  showNotice(state === 'closed' && terminal ? closedText(reason) : null);
}

function showOffline() {
  showNotice(session ? 'Reconnecting to the server… Your call goes on.' : 'No connection to the server. Trying again…');
}

/** @param {string | undefined} reason */
function closedText(reason) {
  switch (reason) {
    case 'replaced':
      return 'Duologue is now open in another window. Reload to use it here.';
    case 'logged_out':
      return 'You have been logged out. You can go on as a guest.';
    case 'forbidden':
      return 'This site has closed its door to you for now.';
    case 'version':
      return 'This page is out of date. Reload it to go on.';
    default:
      return 'The server ended the connection. Reload the page to try again.';
  }
}

/** Shows the preview at once to those who have already said yes to it. */
async function startIfAllowedBefore() {
  try {
    const name = /** @type {PermissionName} */ ('camera');
    const permission = await navigator.permissions.query({ name });
    if (permission.state === 'granted') await devices.start();
  } catch {
    // Not every browser knows this permission; then the button asks.
  }
}
