/**
 * Words for aliases. Everybody in a room sees the same alias of a person, and so the same name, and
 * nobody has to give one.
 */
const KINDS = [
  'Amber', 'Bold', 'Brisk', 'Calm', 'Clever', 'Copper', 'Coral', 'Cosy', 'Dapper', 'Early', 'Fair', 'Gentle',
  'Golden', 'Happy', 'Hazel', 'Honest', 'Ivory', 'Jolly', 'Keen', 'Kind', 'Lively', 'Lucky', 'Merry', 'Mild',
  'Misty', 'Nimble', 'Olive', 'Patient', 'Proud', 'Quiet', 'Silver', 'Sunny',
];
const ANIMALS = [
  'Badger', 'Beaver', 'Bison', 'Crane', 'Curlew', 'Dolphin', 'Eagle', 'Falcon', 'Finch', 'Fox', 'Gecko', 'Hare',
  'Heron', 'Ibex', 'Jay', 'Koala', 'Lark', 'Lynx', 'Marten', 'Moose', 'Newt', 'Otter', 'Owl', 'Panda',
  'Puffin', 'Raven', 'Robin', 'Seal', 'Stork', 'Swan', 'Tapir', 'Wren',
];

/** Backgrounds that room.css knows for those without a picture. */
const SHADES = 8;

/**
 * @param {string} alias
 * @returns {{ name: string, initials: string, shade: number }}
 */
export function personOf(alias) {
  const hash = hashOf(alias);
  const kind = KINDS[hash % KINDS.length] ?? '';
  const animal = ANIMALS[(hash >>> 5) % ANIMALS.length] ?? '';
  return { name: `${kind} ${animal}`, initials: `${kind[0]}${animal[0]}`, shade: (hash >>> 10) % SHADES };
}

/**
 * @param {string} text
 * @returns {number} 32 bits, FNV-1a.
 */
function hashOf(text) {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  // The low bits of this hash alone are not even; the high ones come down.
  return (hash ^ (hash >>> 15)) >>> 0;
}
