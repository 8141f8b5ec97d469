// Compiled, never run: the generated types must serve a strict TypeScript page.
import { Client, DuologueError, type Quality, type Session } from '../../types/index.js';

const client = new Client({ url: 'wss://host/ws', guest: { deviceId: 'd' }, iceTransports: ['udp', 'tls'] });
client.on('state', ({ state, retryInMs }) => console.log(state satisfies string, retryInMs?.toFixed()));

const search = client.queue({ tags: ['chess'], tagWaitMs: 5_000 });
search.on('status', ({ ahead, etaMs }) => console.log(ahead + 1, etaMs ?? 'unknown'));

const session: Session = await search.matched;
session.on('track', ({ stream }) => stream.getVideoTracks());
session.on('quality', (quality: Quality) => console.log(quality.path === 'relay' && quality.relayProtocol));
session.on('peer-left', ({ canReconnect }) => console.log(!canReconnect));
const { mid } = await session.chat.send('hello');
console.log(mid.length, session.remainingMs()?.toFixed(), session.peer.tagsCommon.join());
try {
  await (await session.next()).matched;
} catch (error) {
  if (error instanceof DuologueError) console.log(error.code, error.retryAfterMs);
}

// @ts-expect-error an unknown event is refused
session.on('nonsense', () => {});
// @ts-expect-error an unknown transport is refused
new Client({ url: '', guest: { deviceId: 'd' }, iceTransports: ['sctp'] });
