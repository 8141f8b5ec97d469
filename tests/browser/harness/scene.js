import { Server } from './server.js';
import { within } from './until.js';

/** Below the bound of the tests, so that a hanging browser is taken down and its server's log told. */
const PLAY_MS = 150_000;

/**
 * Runs a test with a server and people, and takes everything down again whatever happens. A failure
 * is told together with the end of the server's log.
 *
 * @param {import('./server.js').Choices} choices
 * @param {((server: Server) => Promise<import('./person.js').Person>)[]} arrivals
 * @param {(server: Server, people: import('./person.js').Person[]) => Promise<void>} play
 * @param {{ playMs?: number }} [longest]
 */
export async function scene(choices, arrivals, play, { playMs = PLAY_MS } = {}) {
  const server = await Server.start(choices);
  const people = [];
  try {
    // One after the other: two browsers starting at once on two cores slow each other down.
    for (const arrive of arrivals) people.push(await arrive(server));
    await within(playMs, play(server, people));
  } catch (error) {
    error.message += `\n--- server log ---\n${server.log}`;
    throw error;
  } finally {
    for (const person of people) await person.leave();
    await server.stop();
  }
}
