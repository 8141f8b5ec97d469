import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNoErrors, chatBothWays, meet } from './harness/call.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';
import { PASSWORD, assertSound, keepPicture } from './harness/staff.js';

const BOUND = { timeout: 180_000 };
const SHOWN_MS = 15_000;
/** Whoever is lost is waited for. */
const LOST_MS = 60_000;

/** Whether the page has heard what there is; what it makes of it comes with the same answer. */
const isAnswered = () => performance.getEntriesByType('resource').some(({ name, responseEnd }) => name.endsWith('/v1/stats') && responseEnd > 0);

/** Opens the dialog and fills it in. */
async function fill(person, way, name, password) {
  await person.click('open-account');
  if (way) await person.evaluate((id) => document.querySelector(`[data-testid=${id}]`).click(), `account-way-${way}`);
  await person.evaluate(() => {
    for (const id of ['account-username', 'account-password']) document.getElementById(id).value = '';
  });
  await person.type('account-username', name);
  await person.press('Tab');
  await person.type('account-password', password);
  await person.press('Enter');
}

async function logIn(person, way, name) {
  await fill(person, way, name, PASSWORD);
  await isIn(person, name);
}

const isIn = (person, name) =>
  person.until(`logged in as ${name}`, SHOWN_MS, (wanted) => document.body.dataset.account === 'in' && document.getElementById('account-name').textContent === wanted, name);
const isOut = (person) => person.until('logged out', SHOWN_MS, () => document.body.dataset.account === 'out');
const isSaid = (person, words) =>
  person.until(`the words “${words}”`, SHOWN_MS, (wanted) => document.getElementById('account-outcome').textContent.includes(wanted), words);
const isOffered = (person) => person.until('the way in', SHOWN_MS, () => !document.getElementById('open-account').hidden);

test('who registers and who logs in call each other, and a logout everywhere ends the call of another browser', BOUND, () =>
  scene(
    {},
    [() => Person.inChromium('Ada'), () => Person.inFirefox('Ben'), () => Person.inChromium('Ada at home', { width: 360, height: 780 })],
    async (server, [ada, ben, home]) => {
      server.addAccount('ben', PASSWORD, 'user');
      await ada.visit(server.url);
      await isOffered(ada);
      await logIn(ada, 'register', 'ada');
      await ben.visit(server.url);
      await isOffered(ben);
      await fill(ben, 'login', 'ben', 'a wrong password');
      await isSaid(ben, 'name or the password is wrong');
      await ben.click('account-close');
      await logIn(ben, 'login', 'ben');

      // It begins with a reload: the login is still there.
      await meet(server, [ada, ben]);
      for (const person of [ada, ben]) assert.equal((await person.debug()).isGuest, false, person.name);
      await chatBothWays([ada, ben]);
      const leaked = await ada.evaluate(async () => {
        const answer = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: reject }));
        const database = await answer(indexedDB.open('duologue.login', 1));
        const { refreshToken } = await answer(database.transaction('login').objectStore('login').get('current'));
        database.close();
        if (Object.values(localStorage).some((text) => text.includes(refreshToken))) return ['localStorage'];
        const asked = performance.getEntriesByType('resource').map(({ name }) => name);
        return [location.href, ...asked].filter((url) => url.includes(refreshToken) || /token|eyJ/.test(url));
      });
      assert.deepEqual(leaked, [], 'no token is in an address');

      await home.visit(server.url);
      await isOffered(home);
      await logIn(home, 'login', 'ada');
      await home.click('open-account');
      await assertSound(home, 'the account');
      await keepPicture(home, 'account-phone');
      await home.click('log-out-everywhere');
      await isSaid(home, 'logged out everywhere');
      await isOut(home);
      await isOut(ada);
      await ada.until('the end', SHOWN_MS, () => document.body.dataset.state === 'ended');
      await ada.until('why', SHOWN_MS, () => document.getElementById('notice').textContent.startsWith('You have been logged out'));
      await ben.until('the end', LOST_MS, () => document.body.dataset.state === 'ended');
      await assertNoErrors([ada, ben, home]);
    },
  ));

test('two tabs share a login, whoever renews it, and a logout in one is seen in the other', BOUND, () =>
  scene({}, [() => Person.inChromium('Ada')], async (server, [ada]) => {
    await ada.visit(server.url);
    await isOffered(ada);
    await logIn(ada, 'register', 'ada');
    const second = await ada.anotherTab('Ada again');
    const tabs = [ada, second];
    for (let round = 0; round < 3; round += 1) {
      // A page that was just opened has no access token: both renew, at the same time.
      await Promise.all(tabs.map((tab) => tab.visit(server.url)));
      await Promise.all(tabs.map((tab) => isIn(tab, 'ada')));
      await Promise.all(tabs.map((tab) => tab.click('open-account')));
      const told = await Promise.all(tabs.map((tab) => tab.saved('save-data')));
      for (const text of told) assert.equal(JSON.parse(text).account.username, 'ada');
    }
    await ada.click('log-out');
    await isSaid(ada, 'You are logged out');
    await isOut(second);
    await second.visit(server.url);
    await isOut(second);
    await assertNoErrors(tabs);
    await second.leave();
  }));

test('who deletes the account is asked for the password, and cannot log in any more', BOUND, () =>
  scene({}, [() => Person.inFirefox('Ada')], async (server, [ada]) => {
    await ada.visit(server.url);
    await isOffered(ada);
    await fill(ada, 'register', 'ada', 'short');
    await isSaid(ada, 'at least 8 characters');
    await ada.click('account-close');
    await logIn(ada, 'register', 'ada');
    await ada.click('open-account');
    await ada.click('account-delete-open');
    await assertSound(ada, 'the end of the account');
    await ada.type('account-delete-password', 'a wrong password');
    await ada.press('Enter');
    await isSaid(ada, 'name or the password is wrong');
    await isIn(ada, 'ada');
    await ada.evaluate(() => {
      document.getElementById('account-delete-password').value = '';
    });
    await ada.type('account-delete-password', PASSWORD);
    await ada.press('Enter');
    await isSaid(ada, 'Your account is gone');
    await isOut(ada);
    await ada.click('account-close');
    await fill(ada, 'login', 'ada', PASSWORD);
    await isSaid(ada, 'name or the password is wrong');
    await assertNoErrors([ada]);
  }));

test('where there are no accounts nothing is seen of them, and where they are closed nobody is told to register', BOUND, async () => {
  for (const [accounts, isThere] of [['none', false], ['closed', true]]) {
    await scene({ accounts }, [() => Person.inChromium('Ada')], async (server, [ada]) => {
      await ada.visit(server.url);
      if (isThere) await isOffered(ada);
      else await ada.until('the answer', SHOWN_MS, isAnswered);
      const hidden = await ada.evaluate(() => ['open-account', 'account-ways'].map((id) => document.getElementById(id).hidden));
      assert.deepEqual(hidden, [!isThere, true]);
      await assertNoErrors([ada]);
    });
  }
});
