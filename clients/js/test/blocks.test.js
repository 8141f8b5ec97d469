import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Blocks } from '../src/blocks.js';
import { Rest } from '../src/rest.js';
import { fixture } from './fakes.js';

test('a block names the session, and the end comes from the server', async () => {
  const { inSession, client } = fixture();
  const { ws, session } = await inSession();
  const blocking = session.block();
  assert.deepEqual(ws.sent.at(-1).data, { session: 's1' });
  ws.ok('block.add');
  await blocking;
  assert.notEqual(session.state, 'ended');
  ws.push('session.ended', { session: 's1', reason: 'ended', duration_ms: 5 });
  assert.equal(session.state, 'ended');
  assert.equal(client.session, null);
});

test('a list is read to its last page', async () => {
  const asked = [];
  const fetch = async (url) => {
    asked.push(url);
    const isFirst = !url.includes('after');
    return Response.json({ blocks: [{ id: isFirst ? 'b' : 'c', at: 7 }], next: isFirst ? '7.b+' : null });
  };
  const blocks = new Blocks(new Rest({ baseUrl: 'http://h/ws', accessToken: async () => 't', fetch }));
  assert.deepEqual((await blocks.list()).map(({ id }) => id), ['b', 'c']);
  assert.deepEqual(asked, ['http://h/v1/blocks', 'http://h/v1/blocks?after=7.b%2B']);
});

test('blocks are listed and taken back over REST', async () => {
  const asked = [];
  const fetch = async (url, { method }) => {
    asked.push(`${method} ${url}`);
    return method === 'DELETE' ? new Response(null, { status: 204 }) : Response.json({ blocks: [{ id: 'b/1', at: 7 }] });
  };
  const blocks = new Blocks(new Rest({ baseUrl: 'http://h/ws', accessToken: async () => 't', fetch }));
  assert.deepEqual(await blocks.list(), [{ id: 'b/1', at: 7 }]);
  await blocks.remove('b/1');
  assert.deepEqual(asked, ['GET http://h/v1/blocks', 'DELETE http://h/v1/blocks/b%2F1']);
});
