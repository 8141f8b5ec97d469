import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNoErrors, chatBothWays, hangUp, meet } from './harness/call.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';

const BOUND = { timeout: 180_000 };

/** @param {Person} person */
async function assertNoSidewaysScroll(person) {
  const { content, window: visible, screen } = await person.evaluate(() => ({
    content: document.documentElement.scrollWidth,
    window: window.innerWidth,
    screen: document.body.dataset.state,
  }));
  assert.ok(content <= visible, `${screen}: ${content} px in ${visible} px`);
}

for (const width of [360, 390]) {
  test(`at ${width} px nothing scrolls sideways on any screen`, BOUND, () =>
    scene(
      {},
      [
        () => Person.inChromium('Ada', { width, height: 844 }),
        () => Person.inChromium('Ben', { width, height: 844 }),
      ],
      async (server, people) => {
        const [ada, ben] = people;
        await ada.visit(server.url);
        await ada.type('tag-input', 'a topic of thirty-two characters,chess,');
        await assertNoSidewaysScroll(ada);
        await ada.click('start');
        await ada.until('searching', 10_000, () => document.body.dataset.state === 'searching');
        await assertNoSidewaysScroll(ada);
        await ben.visit(server.url);
        await ben.type('tag-input', 'chess,');
        await ben.click('start');
        await ada.until('connected', 30_000, () => window.duologueDebug.session?.state === 'connected');
        await assertNoSidewaysScroll(ada);
        await ada.click('open-connection');
        await assertNoSidewaysScroll(ada);
        await ada.click('toggle-chat');
        await assertNoSidewaysScroll(ada);
        await ada.press('Escape');
        await ada.click('end');
        await ada.until('the end', 5_000, () => document.body.dataset.state === 'ended');
        await assertNoSidewaysScroll(ada);
        await assertNoErrors(people);
      },
    ));
}

test('guests who have to work first find each other as quickly as the work is done', BOUND, () =>
  scene(
    { guestWorkBits: 12 },
    [() => Person.inChromium('Ada'), () => Person.inChromium('Ben')],
    async (server, people) => {
      await meet(server, people);
      await assertNoErrors(people);
    },
  ));

test('two people without any device still meet and chat', BOUND, () =>
  scene(
    {},
    [() => Person.inChromium('Ada', { camera: false }), () => Person.inChromium('Ben', { camera: false })],
    async (server, people) => {
      await Promise.all(
        people.map(async (person) => {
          await person.visit(server.url);
          await person.click('start');
          await person.until('the problem explained', 10_000, () => !document.getElementById('problem').hidden);
          const title = await person.evaluate(() => document.getElementById('problem-title').textContent);
          assert.match(title, /camera/i);
          await person.click('problem-none');
          await person.until('connected', 30_000, () => window.duologueDebug.session?.state === 'connected');
        }),
      );
      await chatBothWays(people);
      await hangUp(people);
      await assertNoErrors(people);
    },
  ));

test('a person without a camera sees and hears one who has both', BOUND, () =>
  scene(
    {},
    [() => Person.inChromium('Ada', { camera: false }), () => Person.inChromium('Ben')],
    async (server, people) => {
      const [ada, ben] = people;
      await Promise.all(people.map((person) => person.visit(server.url)));
      await ada.click('start');
      await ada.until('the problem explained', 10_000, () => !document.getElementById('problem').hidden);
      await ada.click('problem-none');
      await ben.click('start');
      await ada.until('the picture of Ben', 30_000, () => window.duologueDebug.quality?.framesDecoded > 10);
      await ada.until('Ben on the screen', 5_000, () => document.getElementById('screen-call').dataset.video === 'on');
      await ben.until('Ada without a picture', 5_000, () => document.getElementById('screen-call').dataset.video === 'off');
      assert.ok((await ada.stats()).audioPackets > 0);
      await assertNoErrors(people);
    },
  ));

test('who starts while the browser still asks for the camera comes with it', BOUND, () =>
  scene(
    {},
    [() => Person.inChromium('Ada', { hesitationMs: 2_000 }), () => Person.inChromium('Ben', { hesitationMs: 2_000 })],
    async (server, people) => {
      await meet(server, people);
      await assertNoErrors(people);
    },
  ));

test('every control has a name, and the page runs under a strict policy', BOUND, () =>
  scene({}, [() => Person.inChromium('Ada')], async (server, people) => {
    const [ada] = people;
    const policy = (await fetch(server.url)).headers.get('content-security-policy') ?? '';
    assert.match(policy, /script-src|default-src/);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|\*/);
    await ada.visit(server.url);
    const nameless = await ada.evaluate(() =>
      [...document.querySelectorAll('button, input, select, video')]
        .filter((control) => {
          const labelled = control.getAttribute('aria-label') || control.labels?.length > 0;
          return !labelled && control.tagName !== 'VIDEO' && control.textContent.trim() === '';
        })
        .map((control) => control.id || control.outerHTML.slice(0, 80)),
    );
    assert.deepEqual(nameless, []);
    await assertNoErrors(people);
  }));
