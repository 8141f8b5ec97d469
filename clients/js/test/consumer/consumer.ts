// Compiled, never run: the generated types must serve a strict TypeScript page.
import { Client, DuologueError, VoiceRecorder, type Quality, type Room, type RoomPeer, type Session } from '../../types/index.js';

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
session.on('message', ({ kind, file, replyTo }) => console.log(kind === 'voice', file?.url.length, replyTo?.length));
session.on('receipt', ({ deliveredTo, readTo }) => console.log(deliveredTo ?? '', readTo ?? ''));
session.on('reaction', ({ mid: of, emoji, remove }) => console.log(of ?? 'the call', emoji.length, remove));
await session.chat.sendFile(new File(['x'], 'x.txt'), { onProgress: ({ sent, total }) => console.log(sent / total) });
await session.chat.react('👍', mid);
await session.chat.remove(mid);
session.chat.markRead();
const { messages } = await session.chat.history({ limit: 10 });
console.log(messages.map(({ deleted, reactions }) => !deleted && reactions.length));
const recorder = new VoiceRecorder(new MediaStream().getAudioTracks()[0]!);
recorder.start();
console.log((await recorder.stop()).durationMs.toFixed());
try {
  await (await session.next()).matched;
} catch (error) {
  if (error instanceof DuologueError) console.log(error.code, error.retryAfterMs);
}

const { id } = await client.rooms.create('Tea');
const { ticket } = await client.rooms.invite(id);
const room: Room = await client.rooms.join(id, { ticket });
room.on('track', ({ peer, track }) => console.log(peer.id.length, peer.stream?.active, track.kind));
room.on('peer-left', ({ peer, reason }: { peer: RoomPeer; reason: string }) => console.log(peer.state, reason));
room.peers.forEach((peer) => console.log(peer.media.video, peer.lostUntil?.toFixed()));
await room.leave();
const group: Room = await client.search({ size: 3, tags: ['chess'] }).matched;
console.log(group.size?.toFixed(), group.tagsCommon.join(), group.deadline?.toFixed());
await group.block(group.peers[0]!.id);
// @ts-expect-error a group has a size
client.search({ tags: ['chess'] });

// @ts-expect-error an unknown event is refused
session.on('nonsense', () => {});
// @ts-expect-error an unknown transport is refused
new Client({ url: '', guest: { deviceId: 'd' }, iceTransports: ['sctp'] });
