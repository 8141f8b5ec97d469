import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNoErrors, hangUp, meet } from './harness/call.js';
import { Person } from './harness/person.js';
import { scene } from './harness/scene.js';

const BOUND = { timeout: 180_000 };

const twoChromiums = [() => Person.inChromium('Ada', { cameras: 2 }), () => Person.inChromium('Ben')];

/** Waits until the person sends this kind of picture, and the other side shows that it moves. */
async function untilPicture(sender, receiver, surface) {
  await sender.until(`sends ${surface ?? 'the camera'}`, 10_000, (wanted) => {
    const { track } = window.keptPeerConnections.at(-1).getSenders().find(({ track: sent }) => sent?.kind === 'video');
    return (track.getSettings().displaySurface ?? null) === wanted;
  }, surface);
  const { framesDecoded } = await receiver.stats();
  await receiver.until('a moving picture', 10_000, (seen) => window.duologueDebug.quality?.framesDecoded > seen, framesDecoded + 10);
}

test('a shared screen takes the place of the camera and gives it back', BOUND, () =>
  scene({}, twoChromiums, async (server, people) => {
    const [ada, ben] = people;
    await meet(server, people);
    const told = (shares) =>
      ben.until('told what it is', 10_000, (wanted) => document.getElementById('screen-call').dataset.shares === wanted, shares);
    const pressed = () => ada.evaluate(() => document.getElementById('toggle-share').getAttribute('aria-pressed'));

    await untilPicture(ada, ben, null);
    await ada.click('toggle-share');
    await told('true');
    await untilPicture(ada, ben, 'monitor');
    assert.equal(await pressed(), 'true');
    // Turning the camera off and on meanwhile does not touch the screen.
    await ada.click('toggle-cam');
    await untilPicture(ada, ben, 'monitor');
    await ada.click('toggle-cam');

    await ada.click('toggle-share');
    await told('false');
    await untilPicture(ada, ben, null);
    assert.equal(await pressed(), 'false');

    // Whoever goes on to somebody else takes no screen along.
    await ada.click('toggle-share');
    await told('true');
    await hangUp(people);
    assert.equal(await pressed(), 'false');
    await assertNoErrors(people);
  }));

test('another camera can be picked during a call, and is the one of the next visit', BOUND, () =>
  scene({}, twoChromiums, async (server, people) => {
    const [ada, ben] = people;
    await meet(server, people);
    const sentTrack = () => window.keptPeerConnections.at(-1).getSenders().find(({ track }) => track?.kind === 'video').track.getSettings().deviceId;
    const before = await ada.evaluate(sentTrack);
    await ada.click('call-settings');
    const picked = await ada.evaluate((current) => {
      const select = document.getElementById('settings-camera');
      const other = [...select.options].find(({ value }) => value !== current);
      select.value = other.value;
      select.dispatchEvent(new Event('change', { bubbles: true }));
      return other.value;
    }, before);
    await ada.press('Escape');
    assert.notEqual(picked, before);
    await ada.until('the other camera sent', 10_000, (wanted) => {
      const sender = window.keptPeerConnections.at(-1).getSenders().find(({ track }) => track?.kind === 'video');
      return sender.track.getSettings().deviceId === wanted;
    }, picked);
    // Chromium sends no picture of a second fake camera after a first one, whatever page asks for it: its own one has to do.
    const moment = await ada.evaluate(() => document.getElementById('self-video').currentTime);
    await ada.until('her own picture', 10_000, (since) => {
      const video = document.getElementById('self-video');
      return video.srcObject.getVideoTracks()[0].label === 'fake_device_1' && video.currentTime > since + 0.5;
    }, moment);

    await hangUp(people);
    await ada.visit(server.url);
    await ada.until('the preview', 10_000, (wanted) => {
      const track = document.getElementById('preview').srcObject?.getVideoTracks()[0];
      return track?.getSettings().deviceId === wanted;
    }, picked);
    await assertNoErrors(people);
  }));
