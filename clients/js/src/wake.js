/**
 * Calls back when the page may have come back to life: the network returned, the tab was shown, or
 * the page left the back/forward cache. Timers of hidden pages are late; these events are not.
 *
 * @param {() => void} onWake
 * @returns {() => void} Stops listening.
 */
export function watchWake(onWake) {
  const window = globalThis.window;
  const document = globalThis.document;
  if (!window || !document) return () => {};
  const onVisible = () => {
    if (document.visibilityState === 'visible') onWake();
  };
  window.addEventListener('online', onWake);
  window.addEventListener('pageshow', onWake);
  document.addEventListener('visibilitychange', onVisible);
  return () => {
    window.removeEventListener('online', onWake);
    window.removeEventListener('pageshow', onWake);
    document.removeEventListener('visibilitychange', onVisible);
  };
}
