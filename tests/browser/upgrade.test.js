import { test } from 'node:test';
import { assertNoErrors, chatBothWays, hangUp, meet } from './harness/call.js';
import { keepWatching, offline, onDirectPath, online, sameCall, sessionOf } from './harness/comeback.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';

const BOUND = { timeout: 180_000 };
/** That of the first accounts. */
const OLD_SCHEMA = 4;

test('a direct call has pictures and sound in every second of an upgrade, and chat goes on after it', BOUND, () =>
  scene({}, [() => Person.inChromium('Ada'), () => Person.inChromium('Ben')], async (server, people) => {
    await meet(server, people);
    await onDirectPath(people);
    await chatBothWays(people);
    const session = await sessionOf(people);
    const watched = keepWatching(people, 1_000);
    await server.end();
    server.age(OLD_SCHEMA);
    await offline(people);
    await server.comeBack();
    await online(people);
    await sameCall(people, session);
    await chatBothWays(people, 'the same as ever');
    await watched.stop();
    await hangUp(people);
    await server.waitForNoAllocation();
    await assertNoErrors(people);
  }));
