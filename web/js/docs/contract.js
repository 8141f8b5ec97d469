/**
 * One thing that the server promises.
 *
 * @typedef {object} Entry
 * @property {string} id For the address.
 * @property {string} group
 * @property {string} verb
 * @property {boolean} isSent Whether the server says it of its own accord.
 * @property {string} name
 * @property {string} summary
 * @property {string} about
 * @property {string[]} facts
 * @property {Part[]} parts
 * @property {any} example What goes over the wire, if there is one.
 */

/**
 * A schema with what it is the schema of.
 *
 * @typedef {object} Part
 * @property {string} title
 * @property {string} says
 * @property {any} schema
 */

const CLIENT = 'WebSocket: what clients say';
const SERVER = 'WebSocket: what the server says';
const CODES = 'WebSocket: codes';

/**
 * @param {any} openapi
 * @returns {Entry[]} Every operation, by its tag.
 */
export function operations(openapi) {
  const entries = [];
  for (const { name: tag } of openapi.tags) {
    for (const [path, byMethod] of Object.entries(openapi.paths)) {
      for (const [method, operation] of Object.entries(/** @type {any} */ (byMethod))) {
        if (operation.tags[0] === tag) entries.push(operationEntry(path, method, operation));
      }
    }
  }
  return entries;
}

/**
 * @param {string} path
 * @param {string} method
 * @param {any} operation
 * @returns {Entry}
 */
function operationEntry(path, method, operation) {
  const parts = [];
  const parameters = operation.parameters ?? [];
  if (parameters.length > 0) {
    const properties = Object.fromEntries(parameters.map((/** @type {any} */ { name, in: where, schema, description }) => [
      name,
      { ...schema, description: [`In the ${where}.`, description].filter(Boolean).join(' ') },
    ]));
    const required = parameters.filter((/** @type {any} */ parameter) => parameter.required).map((/** @type {any} */ { name }) => name);
    parts.push({ title: 'Parameters', says: '', schema: { type: 'object', properties, required } });
  }
  const body = operation.requestBody;
  if (body) {
    const [[type, { schema }]] = /** @type {[[string, any]]} */ (Object.entries(body.content));
    parts.push({ title: 'Body', says: body.required ? type : `${type}, may be missing`, schema });
  }
  for (const [status, response] of Object.entries(/** @type {Record<string, any>} */ (operation.responses))) {
    const [content] = Object.entries(response.content ?? {});
    const [type, told] = /** @type {[string, any]} */ (content ?? ['', null]);
    // A problem is the same everywhere.
    const schema = type === 'application/problem+json' ? null : told?.schema;
    parts.push({ title: `Answer ${status}`, says: response.description, schema: schema ?? null });
  }
  const roles = operation['x-roles'];
  const who = roles.includes('none') ? 'Everybody may.' : `An access token of ${roles.join(', ')} is needed.`;
  return {
    id: operation.operationId,
    group: `REST: ${operation.tags[0]}`,
    verb: method.toUpperCase(),
    isSent: false,
    name: path,
    summary: operation.summary,
    about: operation.description ?? '',
    facts: [who],
    parts,
    example: null,
  };
}

/**
 * @param {any} asyncapi
 * @returns {Entry[]} Every message of both directions, then the codes.
 */
export function messages(asyncapi) {
  const all = asyncapi.components.messages;
  const keyOf = (/** @type {any} */ { $ref }) => $ref.slice($ref.lastIndexOf('/') + 1);
  const dataOf = (/** @type {any} */ message) => message.payload.properties.data ?? message.payload.properties.error;
  const entries = [];
  for (const [key, operation] of Object.entries(/** @type {Record<string, any>} */ (asyncapi.operations))) {
    const message = all[key];
    const isSent = operation.action === 'send';
    const parts = [{ title: 'Data', says: '', schema: dataOf(message) }];
    if (operation.reply) {
      const [ok] = operation.reply.messages.map((/** @type {any} */ reference) => all[keyOf(reference)]);
      parts.push({ title: 'Data of the ok', says: '', schema: dataOf(ok) });
    }
    const codes = message['x-error-codes'];
    const facts = codes ? [`Refused with: ${codes.join(', ')}.`] : [];
    if (message.payload.properties.seq) facts.push('Counted by seq: it is never dropped.');
    const [{ payload: example }] = message.examples;
    const group = isSent ? SERVER : CLIENT;
    const verb = isSent ? 'push' : 'request';
    const { name, summary, description: about = '' } = message;
    entries.push({ id: key, group, verb, isSent, name, summary, about, facts, parts, example });
  }
  for (const key of ['server.ok', 'server.error']) {
    const { name, summary, examples: [{ payload: example }], ...message } = all[key];
    const parts = [{ title: 'Data', says: '', schema: dataOf(message) }];
    entries.push({ id: key, group: SERVER, verb: 'reply', isSent: true, name, summary, about: '', facts: [], parts, example });
  }
  const socket = asyncapi.channels.socket;
  for (const { code, reason, terminal } of socket['x-close-codes']) {
    const about = terminal ? 'Coming back cannot help.' : '';
    entries.push(codeEntry(`close.${code}`, 'close', String(code), reason, about));
  }
  for (const { code, retryable } of socket['x-error-codes']) {
    const about = retryable ? 'The same request may succeed later.' : '';
    entries.push(codeEntry(`error.${code}`, 'error', code, retryable ? 'may be tried again' : 'the same request fails again', about));
  }
  return entries;
}

/**
 * @param {string} id
 * @param {string} verb
 * @param {string} name
 * @param {string} summary
 * @param {string} about
 * @returns {Entry}
 */
function codeEntry(id, verb, name, summary, about) {
  return { id, group: CODES, verb, isSent: true, name, summary, about, facts: [], parts: [], example: null };
}
