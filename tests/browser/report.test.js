import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNoErrors, meet } from './harness/call.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';

test('a report ends the call for both, is thanked for, and is taken once', { timeout: 120_000 }, () =>
  scene(
    {},
    [() => Person.inChromium('Ada'), () => Person.inFirefox('Ben')],
    async (server, people) => {
      const [ada, ben] = people;
      await meet(server, people);
      await ada.click('report-call');
      await ada.click('report-send');
      await ada.until('the thanks', 10_000, () => document.getElementById('report-outcome').textContent.startsWith('Thank'));
      for (const person of people) {
        await person.until('the end', 10_000, () => document.body.dataset.state === 'ended');
      }
      assert.equal(await ben.evaluate(() => document.getElementById('screen-ended').dataset.reason), 'ended');
      assert.equal(await ada.evaluate(() => document.getElementById('screen-ended').dataset.reason), 'mine');
      await ada.click('report-close');
      await ada.click('report-ended');
      await ada.click('report-send');
      await ada.until('the refusal', 10_000, () => document.getElementById('report-outcome').textContent.includes('before'));
      await assertNoErrors(people);
    },
  ));
