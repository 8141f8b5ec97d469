import { announce, element } from '../page.js';
import { Tile } from './tile.js';

/** Everybody in the room, ourselves first. */
export class Grid {
  #list = element('grid');
  #devices;
  #share;
  /** @type {Tile | null} */
  #own = null;
  /** @type {Map<string, Tile>} */
  #tileByPeer = new Map();
  /** @type {import('/sdk/index.js').Room | null} */
  #room = null;
  #onDismiss;

  /**
   * @param {import('../devices.js').Devices} devices
   * @param {import('../screen-share.js').ScreenShare} share
   * @param {(peer: import('/sdk/index.js').RoomPeer, name: string) => void} onDismiss Somebody is to be put out.
   */
  constructor(devices, share, onDismiss) {
    this.#devices = devices;
    this.#share = share;
    this.#onDismiss = onDismiss;
  }

  /** @param {import('/sdk/index.js').Room} room */
  follow(room) {
    this.clear();
    this.#room = room;
    this.#own = new Tile(room.self, true);
    this.#list.append(this.#own.element);
    for (const peer of room.peers) this.#add(room, peer);
    room.on('peer-joined', ({ peer }) => {
      this.#add(room, peer);
      announce(`${this.#tileByPeer.get(peer.id)?.name} has come in`);
    });
    room.on('peer-left', ({ peer, reason }) => this.#remove(peer, reason));
    room.on('track', ({ peer, track }) => {
      for (const type of ['mute', 'unmute', 'ended']) track.addEventListener(type, () => this.#show(peer));
      this.#tileByPeer.get(peer.id)?.play(peer.stream);
      this.#show(peer);
    });
    for (const type of /** @type {const} */ (['peer-state', 'peer-media', 'peer-lost', 'peer-resumed'])) {
      room.on(type, ({ peer }) => this.#show(peer));
    }
    this.showOwn();
    this.#count();
  }

  clear() {
    for (const tile of this.#tileByPeer.values()) tile.remove();
    this.#tileByPeer.clear();
    this.#own?.remove();
    this.#own = null;
    this.#room = null;
  }

  /** Shows what we send now. */
  showOwn() {
    const shared = this.#share.track;
    const { stream } = this.#devices;
    this.#own?.play(shared ? new MediaStream([shared]) : stream);
    this.#own?.show({
      media: { audio: this.#devices.sends('audio'), video: true, screen: shared !== null },
      note: '',
      playing: shared !== null || this.#devices.sends('video'),
    });
  }

  /**
   * @param {import('/sdk/index.js').Room} room
   * @param {import('/sdk/index.js').RoomPeer} peer
   */
  #add(room, peer) {
    this.#tileByPeer.get(peer.id)?.remove();
    const tile = new Tile(peer.id, false);
    const mayDismiss = room.role === 'owner' ? peer.role !== 'owner' : room.role === 'moderator' && peer.role === 'member';
    if (mayDismiss) tile.addButton('Remove', () => this.#onDismiss(peer, tile.name));
    this.#tileByPeer.set(peer.id, tile);
    this.#list.append(tile.element);
    if (peer.stream?.getTracks().length) tile.play(peer.stream);
    this.#show(peer);
    this.#count();
  }

  /**
   * @param {import('/sdk/index.js').RoomPeer} peer
   * @param {string} reason
   */
  #remove(peer, reason) {
    const tile = this.#tileByPeer.get(peer.id);
    if (!tile) return;
    tile.remove();
    this.#tileByPeer.delete(peer.id);
    announce(reason === 'kicked' ? `${tile.name} was removed` : `${tile.name} has left`);
    this.#count();
  }

  /** @param {import('/sdk/index.js').RoomPeer} peer */
  #show(peer) {
    const tile = this.#tileByPeer.get(peer.id);
    const track = peer.stream?.getVideoTracks()[0];
    const flows = track?.readyState === 'live' && !track.muted;
    tile?.show({ media: peer.media, note: noteOf(peer), playing: peer.media.video && flows === true });
    if (tile) tile.element.dataset.call = peer.state;
  }

  #count() {
    const there = this.#tileByPeer.size + 1;
    this.#list.dataset.count = String(there);
    element('room-count').textContent = there === 1 ? 'Only you so far' : `${there} people`;
    element('alone').hidden = there > 1 || this.#room === null;
  }
}

/** @param {import('/sdk/index.js').RoomPeer} peer */
function noteOf(peer) {
  if (peer.lostUntil !== null) return 'away';
  switch (peer.state) {
    case 'connecting':
      return 'connecting…';
    case 'reconnecting':
      return 'finding another way…';
    case 'failed':
      return 'no way through';
    default:
      return '';
  }
}
