import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { assertNoErrors, meet } from './harness/call.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';

const BOUND = { timeout: 180_000 };
const STEP_MS = 15_000;

/**
 * Waits for something about the newest message of one side.
 *
 * @param {Person} person
 * @param {string} what
 * @param {'own' | 'peer'} side
 * @param {(item: Element, argument?: any) => unknown} probe Must not use anything from outside.
 * @param {unknown} [argument]
 */
function untilNewest(person, what, side, probe, argument) {
  return person.until(
    what,
    STEP_MS,
    ({ of, source, given }) => {
      const item = [...document.querySelectorAll(`[data-testid=message-${of}]`)].at(-1);
      // A policy without eval: the probe is taken apart by hand.
      return item !== undefined && window.chatProbes[source](item, given);
    },
    { of: side, source: probe.name, given: argument },
  );
}

/** What can be asked about a message; put into the page, whose policy forbids to make functions of text. */
function installProbes() {
  window.chatProbes = {
    seen: (item) => item.dataset.state === 'seen',
    delivered: (item) => item.dataset.state === 'delivered' || item.dataset.state === 'seen',
    says: (item, text) => item.textContent.includes(text),
    quotes: (item, text) => item.querySelector('[data-testid=quote]')?.textContent === text,
    reacted: (item, text) => item.querySelector('[data-testid=reactions]')?.textContent.includes(text),
    attachment: (item, name) => item.querySelector('[data-testid=attachment]')?.download === name,
    picture: (item) => item.querySelector('[data-testid=picture]')?.naturalWidth === 2,
    voice: (item) => item.querySelector('[data-testid=voice-note]')?.readyState >= 1,
    plays: (item) => item.querySelector('[data-testid=voice-note]').currentTime > 0.3,
    deleted: (item) => item.classList.contains('deleted'),
  };
}
const [seen, delivered, says, quotes, reacted, attachment, picture, voice, plays, deleted] = [
  'seen', 'delivered', 'says', 'quotes', 'reacted', 'attachment', 'picture', 'voice', 'plays', 'deleted',
].map((name) => ({ name }));

/** A picture of 2 x 1 points. PNG (ISO/IEC 15948) §5. */
function png() {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(data.length);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([head, body, check]);
  };
  const size = Buffer.from([0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 0]);
  const points = deflateSync(Buffer.from([0, 255, 0, 0, 0, 0, 255]));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', size), chunk('IDAT', points), chunk('IEND', Buffer.alloc(0))]);
}

/** @param {Buffer} bytes */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/**
 * @param {Person} person
 * @param {string} text
 */
async function write(person, text) {
  await person.type('chat-input', text);
  await person.press('Enter');
}

/**
 * Clicks a control of the newest message of one side, which shows its controls when it has the focus.
 *
 * @param {Person} person
 * @param {'own' | 'peer'} side
 * @param {string} testId
 */
function use(person, side, testId) {
  return person.evaluate(
    ([of, wanted]) => {
      const item = [...document.querySelectorAll(`[data-testid=message-${of}]`)].at(-1);
      item.focus();
      item.querySelector(`[data-testid=${wanted}]`).click();
    },
    [side, testId],
  );
}

for (const [title, arrive] of [
  ['Chromium and Chromium', () => Person.inChromium('Ben')],
  ['Chromium and Firefox', () => Person.inFirefox('Ben')],
]) {
  test(`${title}: receipts, answers, reactions, files, voice notes, deletion`, BOUND, () => {
    const directory = mkdtempSync(join(tmpdir(), 'duologue-chat-'));
    const bytes = randomBytes(700_000);
    const [file, image] = [join(directory, 'the report.bin'), join(directory, 'two.png')];
    writeFileSync(file, bytes);
    writeFileSync(image, png());
    return scene({}, [() => Person.inChromium('Ada'), arrive], async (server, people) => {
      const [ada, ben] = people;
      await meet(server, people);
      for (const person of people) await person.evaluate(installProbes);

      await ada.click('toggle-chat');
      await write(ada, 'is this seen?');
      await untilNewest(ada, 'delivered while the other panel is closed', 'own', delivered);
      assert.equal(await ben.evaluate(() => document.querySelector('[data-testid=chat-badge]').textContent), '1');
      await ben.click('toggle-chat');
      await untilNewest(ada, 'seen once it is open', 'own', seen);

      await use(ben, 'peer', 'message-reply');
      await write(ben, 'it is');
      await untilNewest(ada, 'the answer with its quote', 'peer', quotes, 'is this seen?');
      await use(ada, 'peer', 'message-react');
      await use(ada, 'peer', 'pick');
      await untilNewest(ben, 'the reaction', 'own', reacted, '👍 1');

      await ada.click('call-reaction');
      await ben.until('a sign over the call', STEP_MS, () => document.getElementById('sky').dataset.last === 'theirs 👍');

      await ada.choose('attach-input', file);
      await untilNewest(ben, 'the file', 'peer', attachment, 'the report.bin');
      const got = await ben.evaluate(async () => {
        const link = [...document.querySelectorAll('[data-testid=attachment]')].at(-1);
        const response = await fetch(link.href);
        const body = await response.arrayBuffer();
        const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
        return {
          hash: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
          disposition: response.headers.get('content-disposition'),
        };
      });
      assert.equal(got.hash, createHash('sha256').update(bytes).digest('hex'));
      assert.equal(got.disposition, "attachment; filename*=UTF-8''the%20report.bin");
      await untilNewest(ada, 'sent', 'own', delivered);

      await ben.choose('attach-input', image);
      await untilNewest(ada, 'the picture', 'peer', picture);

      await ada.click('voice-record');
      await ada.until('recording for a while', STEP_MS, () =>
        /^0:0[2-9]$/.test(document.getElementById('recording-time').textContent),
      );
      await ada.click('voice-send');
      await untilNewest(ben, 'the voice note', 'peer', voice);
      await ben.evaluate(async () => {
        const note = [...document.querySelectorAll('[data-testid=voice-note]')].at(-1);
        await note.play();
      });
      await untilNewest(ben, 'the voice note is heard', 'peer', plays);

      await ada.click('voice-record');
      await ada.press('Escape');
      await ada.until('nothing recorded', STEP_MS, () => document.getElementById('recording').hidden);

      await use(ada, 'own', 'message-delete');
      await untilNewest(ben, 'the deletion', 'peer', deleted);
      await untilNewest(ada, 'the deletion', 'own', deleted);
      await write(ada, 'goodbye');
      await untilNewest(ben, 'goodbye', 'peer', says, 'goodbye');
      await assertNoErrors(people);
    }).finally(() => rmSync(directory, { recursive: true, force: true }));
  });
}

test('a picture that is none is refused with a reason, and can be tried again or left', BOUND, () => {
  const directory = mkdtempSync(join(tmpdir(), 'duologue-chat-'));
  const lie = join(directory, 'lie.png');
  writeFileSync(lie, '<html><script>alert(1)</script></html>');
  return scene({}, [() => Person.inChromium('Ada'), () => Person.inChromium('Ben')], async (server, people) => {
    const [ada, ben] = people;
    await meet(server, people);
    await ada.click('toggle-chat');
    await ada.choose('attach-input', lie);
    await ada.until('the reason', STEP_MS, () => document.querySelector('.message.failed .why')?.textContent === 'This file is not taken');
    await ben.click('toggle-chat');
    assert.equal(await ben.evaluate(() => document.querySelectorAll('[data-testid=message-peer]').length), 0);
    await assertNoErrors(people);
  }).finally(() => rmSync(directory, { recursive: true, force: true }));
});
