import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoginKeeper } from '../src/index.js';
import { fixture, settle } from './fakes.js';

const ann = { id: 'u_ann', role: 'user', guest: false };
const ben = { id: 'u_ben', role: 'user', guest: false };

/** What the tabs of one browser share: a storage, its events, and locks. */
function browser() {
  const entries = new Map();
  const vault = {
    record: undefined,
    get: async () => vault.record,
    change: async (decide) => {
      const next = decide(vault.record);
      if (next !== undefined) vault.record = next ?? undefined;
    },
  };
  const tabs = [];
  let last = Promise.resolve();
  const locks = {
    request: (_name, work) => {
      const done = last.then(work);
      last = done.catch(() => {});
      return done;
    },
  };
  return {
    entries,
    vault,
    tab() {
      const events = new EventTarget();
      tabs.push(events);
      const tell = (key) => {
        for (const other of tabs.filter((one) => one !== events)) {
          other.dispatchEvent(Object.assign(new Event('storage'), { key }));
        }
      };
      const storage = {
        getItem: (key) => entries.get(key) ?? null,
        setItem: (key, text) => {
          entries.set(key, text);
          tell(key);
        },
        removeItem: (key) => {
          entries.delete(key);
          tell(key);
        },
      };
      return new LoginKeeper({ vault, storage, locks, events });
    },
  };
}

/** A server side with refresh tokens that are good once, of one family that a second use ends. */
function server({ user = ann } = {}) {
  const state = { good: 'refresh-0', isDead: false, count: 0, asked: [], gate: Promise.resolve() };
  const give = () => {
    state.count += 1;
    state.good = `refresh-${state.count}`;
    return Response.json({ access_token: `access-${state.count}`, refresh_token: state.good, expires_in: 300, user });
  };
  const refused = () => Response.json({ code: 'unauthorized', detail: 'no' }, { status: 401 });
  const fetch = async (url, { headers, body }) => {
    const path = new URL(url).pathname;
    state.asked.push({ path, token: headers?.authorization ?? null });
    await state.gate;
    if (path === '/v1/auth/login') return give();
    if (path === '/v1/auth/logout') {
      state.isDead = true;
      return new Response(null, { status: 204 });
    }
    if (path !== '/v1/auth/refresh') return Response.json({ path });
    if (state.isDead || JSON.parse(body).refresh_token !== state.good) {
      state.isDead = true;
      return refused();
    }
    return give();
  };
  return { state, fetch };
}

/** @returns {ReturnType<typeof fixture>} */
const tabOf = (shared, { fetch }, more = {}) => fixture({ fetch, keeper: shared.tab(), ...more });

test('a login is there in the next tab and after a reload', async () => {
  const [shared, side] = [browser(), server()];
  const first = tabOf(shared, side);
  await first.client.login('ann', 'correct horse');
  assert.deepEqual(first.client.account, { user: ann, username: 'ann' });
  const second = tabOf(shared, side);
  assert.deepEqual(second.client.account, { user: ann, username: 'ann' });
  second.client.connect().catch(() => {});
  await settle();
  second.socket().serverOpens();
  assert.deepEqual(second.socket().take('hello').data.token, 'access-2');
});

test('what is kept is no access token and no password', async () => {
  const [shared, side] = [browser(), server()];
  await tabOf(shared, side).client.login('ann', 'correct horse');
  const [shown, kept] = [[...shared.entries.values()].join(), JSON.stringify(shared.vault.record)];
  assert.match(kept, /refresh-1/);
  assert.doesNotMatch(kept, /access-|correct horse/);
  assert.doesNotMatch(shown, /refresh|access-|correct horse/);
});

test('tabs that renew at once use each refresh token once', async () => {
  const [shared, side] = [browser(), server()];
  await tabOf(shared, side).client.login('ann', 'correct horse');
  const tabs = [1, 2, 3, 4].map(() => tabOf(shared, side));
  const told = await Promise.all(tabs.map(({ client }) => client.ownData()));
  assert.equal(told.length, 4);
  assert.equal(side.state.isDead, false, 'nobody used one twice');
  assert.equal(side.state.asked.filter(({ path }) => path === '/v1/auth/refresh').length, 4);
});

test('a tab that slept renews with what the others have left', async () => {
  const [shared, side] = [browser(), server()];
  const sleeper = tabOf(shared, side);
  await sleeper.client.login('ann', 'correct horse');
  for (let turn = 0; turn < 3; turn += 1) await tabOf(shared, side).client.ownData();
  await sleeper.clock.advance(400_000);
  await sleeper.client.ownData();
  assert.equal(side.state.isDead, false);
  assert.equal(shared.vault.record.refreshToken, side.state.good);
});

test('a logout in one tab ends the others, and they do not come back as guests unawares', async () => {
  const [shared, side] = [browser(), server()];
  const first = tabOf(shared, side);
  await first.client.login('ann', 'correct horse');
  const second = tabOf(shared, side);
  const socket = await second.online({ user: ann, access_token: undefined, refresh_token: undefined });
  await first.client.logout();
  await settle();
  assert.equal(second.client.account, null);
  assert.deepEqual(
    [second.states.at(-1).state, second.states.at(-1).reason, second.client.user],
    ['closed', 'logged_out', null],
  );
  assert.equal(socket.types().at(-1), 'bye');
  await second.clock.advance(60_000);
  assert.equal(second.sockets.length, 1);
  // Whoever goes on wants to.
  second.client.connect().catch(() => {});
  await settle();
  second.socket().serverOpens();
  assert.deepEqual(second.socket().take('hello').data.guest, { device_id: 'd1' });
});

test('a login that was ended elsewhere closes as that, with or without a keeper', async () => {
  for (const keeper of [browser().tab(), undefined]) {
    const side = server();
    const { client, states, socket, sockets, clock } = fixture({ fetch: side.fetch, keeper });
    await client.login('ann', 'correct horse');
    client.connect().catch(() => {});
    await settle();
    socket().serverOpens();
    const resume = { resume_token: 'resume-1', resume_window_ms: 30_000 };
    socket().ok('hello', { connection: 'c', user: ann, resumed: false, gap: false, ...resume });
    await settle();
    side.state.isDead = true;
    socket().serverCloses(4401);
    await clock.advance(8_000);
    // The access token is tried, and refused.
    sockets.at(-1).serverOpens();
    sockets.at(-1).serverCloses(4401);
    await clock.advance(8_000);
    assert.deepEqual([states.at(-1).state, states.at(-1).reason], ['closed', 'logged_out']);
    assert.equal(client.account, null);
    assert.equal(keeper?.read() ?? null, null);
    assert.equal((await keeper?.load()) ?? null, null);
    assert.equal(sockets.length, 2);
  }
});

test('a logout while another tab renews is not undone by it', async () => {
  const [shared, side] = [browser(), server()];
  const first = tabOf(shared, side);
  await first.client.login('ann', 'correct horse');
  const second = tabOf(shared, side);
  let open;
  side.state.gate = new Promise((resolve) => {
    open = resolve;
  });
  const told = second.client.ownData().catch((error) => error);
  await settle();
  await shared.tab().clear('u_ann');
  open();
  await told;
  assert.deepEqual([shared.tab().read(), await shared.tab().load()], [null, null]);
});

test('another user in another tab takes nothing of ours, and who is not connected is whoever is logged in', async () => {
  const [shared, side] = [browser(), server()];
  const first = tabOf(shared, side);
  await first.client.login('ann', 'correct horse');
  await first.online({ user: ann, access_token: undefined, refresh_token: undefined });
  const asked = side.state.asked.length;
  const other = tabOf(shared, server({ user: ben }));
  await other.client.login('ben', 'battery staple');
  await settle();
  assert.deepEqual([first.states.at(-1).state, first.states.at(-1).reason], ['closed', 'logged_out']);
  await first.clock.advance(400_000);
  assert.equal(side.state.asked.length, asked, 'nothing is asked as ann any more');
  assert.equal((await shared.tab().load()).user.id, 'u_ben', 'who is logged in stays so');
  assert.equal(first.client.account.username, 'ben');
});

test('where nothing can be stored the login holds for the tab', async () => {
  const forbidden = () => {
    throw new DOMException('no', 'SecurityError');
  };
  const storage = { getItem: () => null, setItem: forbidden, removeItem: forbidden };
  const keeper = new LoginKeeper({ storage, locks: undefined, events: new EventTarget() });
  // Node has no IndexedDB.
  const { client } = fixture({ fetch: server().fetch, keeper });
  await client.login('ann', 'correct horse');
  assert.equal(client.account.username, 'ann');
  await client.ownData();
  await client.logout();
  assert.equal(keeper.read(), null);
});

test('what others have written in the storage is nobody', async () => {
  const events = new EventTarget();
  for (const text of ['', '{', '7', '{"user":{"id":7}}', '{"user":null}']) {
    const storage = { getItem: () => text, setItem() {}, removeItem() {} };
    assert.equal(new LoginKeeper({ storage, events }).read(), null, text);
  }
  for (const record of [7, 'x', {}, { user: { id: 'u' } }, { user: {}, refreshToken: 'x' }]) {
    const vault = { get: async () => record, change: async () => {} };
    assert.equal(await new LoginKeeper({ vault, storage: undefined, events }).load(), null, JSON.stringify(record));
  }
});
