/**
 * @typedef {object} Block
 * @property {string} id By which it is taken back.
 * @property {number} at Since when: Unix milliseconds.
 */

/** Whom we keep away. Of other people we know an alias of one call, so a block has no name. */
export class Blocks {
  #rest;

  /** @param {import('./rest.js').Rest} rest */
  constructor(rest) {
    this.#rest = rest;
  }

  /**
   * All of them, the newest first.
   *
   * @returns {Promise<Block[]>}
   */
  async list() {
    return this.#rest.list('/v1/blocks', 'blocks');
  }

  /**
   * Lets somebody near again.
   *
   * @param {string} id
   * @throws {import('./errors.js').DuologueError} `not_found` when there is no such block.
   */
  async remove(id) {
    await this.#rest.request('DELETE', `/v1/blocks/${encodeURIComponent(id)}`);
  }
}
