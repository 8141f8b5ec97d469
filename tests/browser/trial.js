import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { assertRelayed, chatBothWays, hangUp, meet, watchMedia } from './harness/call.js';
import { Person } from './harness/person.js';
import { sendPicture } from './harness/room.js';
import { until } from './harness/until.js';

// Calls through the server that deploy/trial/run has installed; that script starts this one.
const { TRIAL_URL, TRIAL_LEADER, TRIAL_ROOT } = process.env;
const BOUND = { timeout: 180_000 };
const WATCH_MS = 5_000;
/** A killed server is up again after a second, and the pages come back to it by themselves. */
const BACK_MS = 60_000;

const server = { url: TRIAL_URL };
/** Ada in Chromium, Fay in Firefox. @type {Person[]} */
const people = [];

before(async () => {
  assert.ok(TRIAL_URL && TRIAL_LEADER && TRIAL_ROOT, 'deploy/trial/run starts this');
  const authority = readFileSync(TRIAL_ROOT, 'utf8');
  people.push(await Person.inChromium('Ada', { authority }), await Person.inFirefox('Fay', { authority }));
}, BOUND);

after(async () => {
  for (const person of people) await person.leave();
}, BOUND);

for (const via of ['udp', 'tcp', 'tls']) {
  test(`Chromium and Firefox talk through the relay over ${via}`, BOUND, () => talk(people, via));
}

test('chat, a picture, a reload and a backup disturb no call', BOUND, async () => {
  await meet(server, people, '?relay=only&via=udp');
  await chatBothWays(people);
  const [ada, fay] = people;
  for (const person of people) await person.click('toggle-chat');
  await sendPicture(ada, [fay]);
  for (const person of people) await person.click('toggle-chat');
  inside('systemctl', 'reload', 'duologue');
  inside('duologue', 'backup', '--config', '/etc/duologue/duologue.toml', '/root/backup.db');
  await watchMedia(people, WATCH_MS);
  await hangUp(people);
});

test('a call outlives the server', BOUND, async () => {
  await meet(server, people, '?relay=only&via=udp');
  inside('systemctl', 'kill', '--signal=SIGKILL', 'duologue');
  await until('systemd has started it again', BACK_MS, () => {
    const shown = inside('systemctl', 'show', '--property=ActiveState,NRestarts', 'duologue');
    return shown.includes('NRestarts=1') && shown.includes('ActiveState=active');
  });
  for (const person of people) {
    const { framesDecoded } = await person.stats();
    await until(`${person.name} sees again`, BACK_MS, async () => (await person.stats()).framesDecoded > framesDecoded + 20);
  }
  await chatBothWays(people);
  await hangUp(people);
});

/**
 * @param {Person[]} pair
 * @param {'udp' | 'tcp' | 'tls'} via
 */
async function talk(pair, via) {
  await meet(server, pair, `?relay=only&via=${via}`);
  await assertRelayed(pair, via);
  await watchMedia(pair, WATCH_MS);
  await hangUp(pair);
}

/** Runs a command on the machine of the server. */
function inside(...command) {
  const environment = ['env', '--ignore-environment', 'HOME=/root', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'];
  return execFileSync('nsenter', ['--target', TRIAL_LEADER, '--all', '--', ...environment, ...command], { encoding: 'utf8' });
}
