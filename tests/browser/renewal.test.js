import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNoErrors, assertRelayed, chatBothWays, hangUp, meet, watchMedia } from './harness/call.js';
import { keepWatching, sameCall, sessionOf } from './harness/comeback.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';
import { ORDERED_NAME } from './harness/server.js';
import { until } from './harness/until.js';

const BOUND = { timeout: 180_000 };
const ORDER_MS = 60_000;
const TLS = '?relay=only&via=tls';

// Pages, WebSockets and TURN are all over TLS, and the browsers trust the authority that issues, nothing is overlooked.
test('a certificate is renewed by ACME below a call over TLS that no second of freezes', BOUND, () => {
  const arrive = (name) => (server) => Person.inChromium(name, { authority: server.acme.root, localName: ORDERED_NAME });
  const choices = { ordersCertificates: true, recentPartnerPause: '0s' };
  return scene(choices, [arrive('Ada'), arrive('Ben')], async (server, people) => {
    await meet(server, people, TLS);
    await assertRelayed(people, 'tls');
    const session = await sessionOf(people);
    const connections = await socketsOf(people);
    const first = await server.orderedCertificate();
    const watched = keepWatching(people, 1_000);
    await watchMedia(people, 5_000);
    server.renewByAcme();
    await until('a second certificate', ORDER_MS, async () => (await server.issued()) >= 2);
    await watchMedia(people, 5_000);
    const second = await server.orderedCertificate();
    assert.notEqual(second.serialNumber, first.serialNumber, 'the new one is shown');
    await chatBothWays(people);
    await sameCall(people, session);
    assert.deepEqual(await socketsOf(people), connections, 'nobody had to come back');
    await watched.stop();
    await assertRelayed(people, 'tls');
    await hangUp(people);
    await server.waitForNoAllocation();

    // With the new one everything can be begun anew.
    await meet(server, people, TLS);
    await assertRelayed(people, 'tls');
    await hangUp(people);
    await assertNoErrors(people);
  });
});

/** How many WebSockets each has opened. */
function socketsOf(people) {
  return Promise.all(people.map((person) => person.evaluate(() => window.openedSockets)));
}
