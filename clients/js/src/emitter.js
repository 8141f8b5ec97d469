/**
 * Typed events. `Events` maps an event's name to what its listeners receive.
 *
 * @template {object} Events
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<(event: any) => void>>} */
  #listenersByType = new Map();

  /**
   * Adds a listener and returns the function that removes it.
   *
   * @template {keyof Events} Type
   * @param {Type} type
   * @param {(event: Events[Type]) => void} listener
   * @returns {() => void}
   */
  on(type, listener) {
    const listeners = this.#listenersByType.get(type) ?? new Set();
    listeners.add(listener);
    this.#listenersByType.set(type, listeners);
    return () => this.off(type, listener);
  }

  /**
   * Adds a listener for one event only.
   *
   * @template {keyof Events} Type
   * @param {Type} type
   * @param {(event: Events[Type]) => void} listener
   * @returns {() => void}
   */
  once(type, listener) {
    const off = this.on(type, (event) => {
      off();
      listener(event);
    });
    return off;
  }

  /**
   * @template {keyof Events} Type
   * @param {Type} type
   * @param {(event: Events[Type]) => void} listener
   */
  off(type, listener) {
    this.#listenersByType.get(type)?.delete(listener);
  }

  /**
   * Calls the listeners of `type`. For the SDK's own use.
   *
   * @template {keyof Events} Type
   * @param {Type} type
   * @param {Events[Type]} event
   */
  emit(type, event) {
    for (const listener of [...(this.#listenersByType.get(type) ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        // A listener's fault belongs to the page, not to the call: report it and go on.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
