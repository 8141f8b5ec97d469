const UNITS = ['', 'k', 'M', 'G', 'T'];

/**
 * A number short enough to be read at a glance.
 *
 * @param {number} value
 * @param {string} [unit]
 */
export function short(value, unit = '') {
  let step = 0;
  let left = value;
  while (Math.abs(left) >= 1_000 && step < UNITS.length - 1) {
    left /= 1_000;
    step += 1;
  }
  const digits = step === 0 || left >= 100 ? 0 : 1;
  const prefix = UNITS[step] ?? '';
  return `${left.toFixed(digits)}${prefix || unit ? ' ' : ''}${prefix}${unit}`.trim();
}

/** @param {number | null | undefined} bytes */
export function bytes(bytes) {
  return bytes === null || bytes === undefined ? '–' : short(bytes, 'B');
}

/** @param {number | null | undefined} ms */
export function millis(ms) {
  if (ms === null || ms === undefined) return '–';
  return ms < 1_000 ? `${Math.round(ms * 10) / 10} ms` : `${Math.round(ms / 100) / 10} s`;
}

/**
 * How long something has gone on.
 *
 * @param {number} ms
 */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/**
 * @param {number | null | undefined} at Unix milliseconds.
 * @param {'short' | 'medium'} [precision] To the minute, or to the second.
 */
export function moment(at, precision = 'short') {
  if (at === null || at === undefined) return '–';
  return new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: precision });
}

/** @param {number} at Unix milliseconds. */
export function clockTime(at) {
  return new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}

/** Ways of media as people say them. @type {Record<string, string>} */
const PATHS = {
  direct: 'direct',
  relay_udp: 'relayed, UDP',
  relay_tcp: 'relayed, TCP',
  relay_tls: 'relayed, TLS',
  relay_other: 'relayed',
  unknown: 'unknown',
};

/** @param {string | null | undefined} path */
export function pathWords(path) {
  return path ? (PATHS[path] ?? path) : '–';
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} many
 */
export function counted(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}
