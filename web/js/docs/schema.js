import { build } from '../admin/build.js';

/** Deeper than any of our schemas. */
const DEPTH_MAX = 8;
/** What bounds a value, and how that is said. @type {[string, (bound: any) => string][]} */
const BOUNDS = [
  ['minimum', (bound) => `from ${bound}`],
  ['maximum', (bound) => `to ${bound}`],
  ['minLength', (bound) => `${bound} characters at least`],
  ['maxLength', (bound) => `${bound} characters at most`],
  ['minItems', (bound) => `${bound} at least`],
  ['maxItems', (bound) => `${bound} at most`],
  ['pattern', (bound) => `like ${bound}`],
];

/** Shows schemas of one document. */
export class Schemas {
  #byName;

  /** @param {Record<string, any>} byName */
  constructor(byName) {
    this.#byName = byName;
  }

  /**
   * What a schema says, as elements.
   *
   * @param {any} schema
   * @param {number} [depth]
   * @returns {HTMLElement[]}
   */
  show(schema, depth = 0) {
    const choices = this.#choices(schema);
    if (choices.length > 1) {
      const shown = choices.map((choice, index) => build('li', {}, build('b', {}, index === 0 ? 'Either' : 'Or'), ...this.show(choice, depth)));
      return [build('ul', { class: 'answers' }, ...shown)];
    }
    const { properties, required, says } = this.#merged(schema);
    const lines = says ? [build('p', { class: 'hint' }, says)] : [];
    const members = Object.entries(properties);
    if (members.length === 0) {
      if (depth > 0) return lines;
      const words = this.#kind(schema);
      return [...lines, build('p', { class: 'hint' }, words === 'object' ? 'Nothing more.' : words)];
    }
    const list = members.map(([name, member]) => this.#member(name, member, required.has(name), depth));
    return [...lines, build('ul', { class: 'members' }, ...list)];
  }

  /**
   * All names, words and descriptions in a schema, for a search.
   *
   * @param {any} schema
   * @param {number} [depth]
   * @returns {string}
   */
  words(schema, depth = 0) {
    if (!schema || depth > DEPTH_MAX) return '';
    const choices = this.#choices(schema);
    if (choices.length > 1) return choices.map((choice) => this.words(choice, depth + 1)).join(' ');
    const inner = this.#inner(schema) ?? schema;
    if (inner !== schema && this.#choices(inner).length > 1) return this.words(inner, depth + 1);
    const { properties, says } = this.#merged(inner);
    const members = Object.entries(properties).map(([name, member]) => [name, member.description ?? '', this.words(member, depth + 1)].join(' '));
    return [this.#kind(schema), says, ...members].join(' ');
  }

  /**
   * @param {string} name
   * @param {any} schema
   * @param {boolean} isNeeded
   * @param {number} depth
   */
  #member(name, schema, isNeeded, depth) {
    const inner = this.#inner(schema);
    const deeper = inner && depth < DEPTH_MAX ? this.show(inner, depth + 1) : [];
    const needed = isNeeded ? build('span', { class: 'needed' }, ' required') : null;
    const says = schema.description ? build('span', { class: 'says' }, schema.description) : null;
    return build('li', {}, build('code', {}, name), ' ', build('span', { class: 'kind' }, this.#kind(schema)), needed, says, ...deeper);
  }

  /** @param {any} schema */
  #resolved(schema) {
    const name = schema?.$ref?.slice(schema.$ref.lastIndexOf('/') + 1);
    return name ? this.#byName[name] : (schema ?? {});
  }

  /** @param {any} schema @returns {any[]} What it may be, without null. */
  #choices(schema) {
    const { oneOf } = this.#resolved(schema);
    return oneOf ? oneOf.filter((/** @type {any} */ choice) => choice.type !== 'null') : [schema];
  }

  /** The object that a member, or each entry of it, is. @param {any} schema @returns {any} */
  #inner(schema) {
    const [choice, ...others] = this.#choices(schema);
    const resolved = this.#resolved(choice);
    if (resolved.items) return this.#inner(resolved.items);
    const isObject = resolved.properties || resolved.allOf || others.length > 0;
    return isObject ? (others.length > 0 ? schema : choice) : null;
  }

  /**
   * The members of an object, those of its parts too.
   *
   * @param {any} schema
   * @returns {{ properties: Record<string, any>, required: Set<string>, says: string }}
   */
  #merged(schema) {
    const [choice] = this.#choices(schema);
    const resolved = this.#resolved(choice);
    /** @type {Record<string, any>} */
    const properties = {};
    /** @type {Set<string>} */
    const required = new Set();
    for (const part of resolved.allOf ?? []) {
      const merged = this.#merged(part);
      Object.assign(properties, merged.properties);
      merged.required.forEach((name) => required.add(name));
    }
    Object.assign(properties, resolved.properties);
    for (const name of resolved.required ?? []) required.add(name);
    return { properties, required, says: resolved.description ?? '' };
  }

  /** @param {any} schema @returns {string} */
  #kind(schema) {
    const choices = this.#choices(schema);
    const isOptional = this.#resolved(schema).oneOf?.length > choices.length;
    const words = choices.map((choice) => this.#kindOf(this.#resolved(choice)));
    return [...words, ...(isOptional ? ['null'] : [])].join(' or ');
  }

  /** @param {any} schema @returns {string} */
  #kindOf(schema) {
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map((/** @type {any} */ word) => JSON.stringify(word)).join(', ');
    if (schema.items) return `list of ${this.#kind(schema.items)}`;
    const types = [schema.type ?? (schema.allOf || schema.properties ? 'object' : 'anything')].flat();
    const format = schema.format && !/^u?int|double|float/.test(schema.format) ? ` (${schema.format})` : '';
    const bounds = BOUNDS.filter(([name]) => schema[name] !== undefined).map(([name, say]) => say(schema[name]));
    return [types.join(' or ') + format, ...bounds].join(', ');
  }
}
