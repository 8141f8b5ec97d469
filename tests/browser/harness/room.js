import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A picture of one point. PNG (ISO/IEC 15948) §5. */
const POINT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const ENTER_MS = 20_000;
const CONNECT_MS = 40_000;

/**
 * The first person makes a room and invites; the others follow the link one after the other.
 *
 * @param {import('./server.js').Server} server
 * @param {import('./person.js').Person[]} people
 * @param {string} [query] Settings in the address, as `?relay=only`.
 */
export async function gather(server, people, query = '') {
  const [host, ...guests] = people;
  await host.visit(`${server.url}room.html${query}`);
  await host.type('room-name', 'Tea at five');
  await host.click('go-in');
  await inside(host);
  await host.click('open-invite');
  await host.until('a link', ENTER_MS, () => document.getElementById('invite-link').value !== '');
  const link = await host.evaluate(() => document.getElementById('invite-link').value);
  await host.press('Escape');
  assert.match(link, /#room=[\w-]+&ticket=[\w-]+$/);
  for (const guest of guests) {
    await guest.visit(link.replace('#', `${query}#`));
    await guest.click('go-in');
    await inside(guest);
  }
  for (const person of people) await seesMoving(person, people.length - 1);
}

/** @param {import('./person.js').Person} person */
async function inside(person) {
  await person.until('inside the room', ENTER_MS, () => document.body.dataset.state === 'call');
}

/**
 * Waits until a person is shown so many others, and each picture goes on.
 *
 * @param {import('./person.js').Person} person
 * @param {number} others
 */
export async function seesMoving(person, others) {
  await person.until(`${others} pictures`, CONNECT_MS, async (expected) => {
    const videos = [...document.querySelectorAll('[data-testid=tile-peer][data-video=on] video')];
    if (videos.length !== expected) return false;
    const before = videos.map(({ currentTime }) => currentTime);
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
    return videos.every(({ currentTime, videoWidth }, index) => videoWidth > 0 && currentTime > before[index]);
  }, others);
}

/**
 * One writes; everybody else reads it.
 *
 * @param {import('./person.js').Person} writer
 * @param {import('./person.js').Person[]} readers
 * @param {string} text
 */
export async function writeToAll(writer, readers, text) {
  await writer.click('toggle-chat');
  await writer.type('chat-input', text);
  await writer.press('Enter');
  await writer.until('delivered', ENTER_MS, () => !document.querySelector('.message.own.pending, .message.own.failed'));
  await writer.click('toggle-chat');
  for (const reader of readers) await reads(reader, text);
}

/**
 * @param {import('./person.js').Person} reader
 * @param {string} text
 */
export async function reads(reader, text) {
  await reader.until(
    `the line "${text}"`,
    ENTER_MS,
    (line) => [...document.querySelectorAll('[data-testid=message-peer]')].filter((item) => item.textContent.includes(line)).length === 1,
    text,
  );
}

/**
 * One sends a picture; everybody else is shown it.
 *
 * @param {import('./person.js').Person} writer
 * @param {import('./person.js').Person[]} readers
 */
export async function sendPicture(writer, readers) {
  const directory = mkdtempSync(join(tmpdir(), 'duologue-picture-'));
  try {
    const path = join(directory, 'point.png');
    writeFileSync(path, Buffer.from(POINT, 'base64'));
    await writer.choose('attach-input', path);
    for (const reader of readers) {
      await reader.until('the picture', ENTER_MS, () => document.querySelector('.message:not(.own) [data-testid=picture]')?.naturalWidth === 1);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}
