import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture } from './fakes.js';

test('a report names the session and blocks, and the end comes from the server', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession();
  const reporting = session.report('spam');
  assert.deepEqual(ws.sent.at(-1).data, { session: 's1', reason: 'spam', block: true });
  ws.ok('report.submit', { report: 'r1' });
  assert.deepEqual(await reporting, { report: 'r1' });
  assert.notEqual(session.state, 'ended');
  ws.push('session.ended', { session: 's1', reason: 'ended', duration_ms: 5 });
  assert.equal(session.state, 'ended');
});

test('a report says what is known, also when the session is over', async () => {
  const { inSession } = fixture();
  const { ws, session } = await inSession();
  ws.push('session.ended', { session: 's1', reason: 'skipped', duration_ms: 5 });
  session.report('other', { comment: 'he shouts', mids: ['m1'], block: false }).catch(() => {});
  assert.deepEqual(ws.sent.at(-1).data, {
    session: 's1',
    reason: 'other',
    comment: 'he shouts',
    evidence: { mids: ['m1'] },
    block: false,
  });
});
