/** Numbers tried before others get their turn: some milliseconds on a slow phone. */
const CHUNK = 1_024;
const BLOCK_BYTES = 64;
/** What SHA-256 appends at least: one bit, and the length. */
const TAIL_BYTES = 9;

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. FIPS 180-4 §4.2.2. */
const K = Uint32Array.from(primes(64), (prime) => fraction(Math.cbrt(prime)));
/** The same of the square roots of the first 8. FIPS 180-4 §5.3.3. */
const START = Uint32Array.from(primes(8), (prime) => fraction(Math.sqrt(prime)));

/**
 * Does what a server asks of a guest, and gives it as the server wants it back.
 *
 * @param {{ challenge: string, bits: number }} task
 */
export async function work({ challenge, bits }) {
  const pause = () => new Promise((/** @type {(value?: any) => void} */ resolve) => setTimeout(resolve));
  return { challenge, number: await solve(challenge, bits, pause) };
}

/**
 * Finds a number such that the SHA-256 of `challenge`, a dot and the number begins with so many zero bits.
 * Every few milliseconds the page gets its turn, so nothing stutters meanwhile.
 *
 * @param {string} challenge ASCII.
 * @param {number} bits At most 32.
 * @param {() => Promise<void>} pause Lets others work.
 * @returns {Promise<string>} The number, in decimal.
 */
export async function solve(challenge, bits, pause) {
  const prefix = new TextEncoder().encode(`${challenge}.`);
  const state = Uint32Array.from(START);
  const whole = prefix.length - (prefix.length % BLOCK_BYTES);
  // What comes before the number is the same each time, so most of it is hashed once.
  for (let at = 0; at < whole; at += BLOCK_BYTES) compress(state, new DataView(prefix.buffer, at, BLOCK_BYTES));
  const rest = prefix.subarray(whole);
  for (let number = 0; ; number += 1) {
    if (number > 0 && number % CHUNK === 0) await pause();
    if (leadingZeros(firstWord(state, whole, rest, String(number))) >= bits) return String(number);
  }
}

/**
 * The first 32 bits of the hash.
 *
 * @param {Uint32Array} state After the first `whole` bytes.
 * @param {number} whole
 * @param {Uint8Array} rest
 * @param {string} digits
 */
function firstWord(state, whole, rest, digits) {
  const length = rest.length + digits.length;
  const blocks = new Uint8Array(Math.ceil((length + TAIL_BYTES) / BLOCK_BYTES) * BLOCK_BYTES);
  blocks.set(rest);
  for (let at = 0; at < digits.length; at += 1) blocks[rest.length + at] = digits.charCodeAt(at);
  blocks[length] = 0x80;
  const view = new DataView(blocks.buffer);
  // The upper half of the length in bits stays zero.
  view.setUint32(blocks.length - 4, (whole + length) * 8);
  const hash = Uint32Array.from(state);
  for (let at = 0; at < blocks.length; at += BLOCK_BYTES) compress(hash, new DataView(blocks.buffer, at, BLOCK_BYTES));
  return wordAt(hash, 0);
}

const words = new Uint32Array(64);

/**
 * FIPS 180-4 §6.2.2.
 *
 * @param {Uint32Array} state Becomes that after the block.
 * @param {DataView} block
 */
function compress(state, block) {
  for (let at = 0; at < 16; at += 1) words[at] = block.getUint32(at * 4);
  for (let at = 16; at < 64; at += 1) {
    const near = wordAt(words, at - 15);
    const far = wordAt(words, at - 2);
    const mixedNear = turned(near, 7) ^ turned(near, 18) ^ (near >>> 3);
    const mixedFar = turned(far, 17) ^ turned(far, 19) ^ (far >>> 10);
    words[at] = wordAt(words, at - 16) + mixedNear + wordAt(words, at - 7) + mixedFar;
  }
  let [a, b, c, d, e, f, g, h] = /** @type {Eight} */ (/** @type {unknown} */ (state));
  for (let at = 0; at < 64; at += 1) {
    const chosen = (e & f) ^ (~e & g);
    const first = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + chosen + wordAt(K, at) + wordAt(words, at)) | 0;
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const second = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + majority) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  state.set([a, b, c, d, e, f, g, h].map((word, at) => word + wordAt(state, at)));
}

/** @typedef {[number, number, number, number, number, number, number, number]} Eight */

/**
 * @param {Uint32Array} words
 * @param {number} at Within them.
 */
function wordAt(words, at) {
  return /** @type {number} */ (words[at]);
}

/**
 * @param {number} word
 * @param {number} by
 */
function turned(word, by) {
  return (word >>> by) | (word << (32 - by));
}

/** @param {number} word */
function leadingZeros(word) {
  return Math.clz32(word);
}

/** @param {number} value */
function fraction(value) {
  return Math.floor((value % 1) * 2 ** 32);
}

/**
 * @param {number} count
 * @returns {number[]}
 */
function primes(count) {
  /** @type {number[]} */
  const found = [];
  for (let candidate = 2; found.length < count; candidate += 1) {
    if (found.every((prime) => candidate % prime !== 0)) found.push(candidate);
  }
  return found;
}
