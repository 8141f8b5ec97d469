/**
 * What people write to each other, as the SDK tells it: camelCase, with addresses that can be used as they are.
 *
 * @typedef {object} ChatFile
 * @property {string} id
 * @property {string} name
 * @property {number} size Bytes.
 * @property {string} type
 * @property {string} url Good until `expiresAt`; needs no token.
 * @property {number} expiresAt Unix milliseconds of the server.
 *
 * @typedef {'text' | 'voice' | 'image' | 'file'} ChatKind
 *
 * @typedef {object} ChatMessage
 * @property {string} mid Sorts as a string in the order of sending.
 * @property {string} from An alias.
 * @property {number} ts Unix milliseconds of the server.
 * @property {ChatKind} kind
 * @property {string} text May be empty beside a file.
 * @property {string | null} replyTo The `mid` of the message it answers.
 * @property {ChatFile | null} file
 *
 * @typedef {{ from: string, deliveredTo: string | null, readTo: string | null }} ChatReceipt
 * @typedef {{ from: string, mid: string | null, emoji: string, remove: boolean }} ChatReaction
 *
 * @typedef {object} ChatEvents
 * @property {ChatMessage} message
 * @property {ChatReceipt} receipt How far somebody has got with what others wrote. It never goes back.
 * @property {ChatReaction} reaction To a message, or to the call where `mid` is null.
 * @property {{ from: string, mid: string }} deleted
 */

/**
 * @param {any} data
 * @param {number} ts
 * @param {(url: string) => string} absolute
 * @returns {ChatMessage}
 */
export function messageOf(data, ts, absolute) {
  const { file } = data;
  return {
    mid: data.mid,
    from: data.from,
    ts: data.ts ?? ts,
    kind: data.kind ?? 'text',
    text: data.text ?? '',
    replyTo: data.reply_to ?? null,
    file: file
      ? {
          id: file.id,
          name: file.name,
          size: file.size,
          type: file.type,
          url: absolute(file.url),
          expiresAt: file.expires_at,
        }
      : null,
  };
}

/**
 * @param {any} data
 * @returns {ChatReceipt}
 */
export function receiptOf(data) {
  return { from: data.from, deliveredTo: data.delivered_to ?? null, readTo: data.read_to ?? null };
}

/**
 * @param {any} data
 * @returns {ChatReaction}
 */
export function reactionOf(data) {
  return { from: data.from, mid: data.mid ?? null, emoji: data.emoji, remove: data.remove === true };
}
