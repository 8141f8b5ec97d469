/**
 * How a browser reaches an ICE server: `udp` and `tcp` for plain, `tls` for `turns:` URLs.
 *
 * @typedef {'udp' | 'tcp' | 'tls'} IceTransport
 */

/**
 * Keeps the URLs reached over one of `transports`; servers left without a URL fall away.
 *
 * @param {readonly import('./protocol.js').WireIceServer[]} servers
 * @param {readonly IceTransport[] | undefined} transports Undefined keeps everything.
 * @returns {RTCIceServer[]}
 */
export function filterIceServers(servers, transports) {
  const kept = [];
  for (const server of servers) {
    const all = typeof server.urls === 'string' ? [server.urls] : server.urls;
    const urls = transports ? all.filter((url) => transports.includes(transportOf(url))) : all;
    if (urls.length > 0) kept.push({ ...server, urls });
  }
  return kept;
}

/**
 * @param {string} url A `stun:`, `turn:` or `turns:` URL. RFC 7064, RFC 7065.
 * @returns {IceTransport}
 */
export function transportOf(url) {
  const lower = url.toLowerCase();
  if (lower.startsWith('turns:') || lower.startsWith('stuns:')) return 'tls';
  return lower.includes('transport=tcp') ? 'tcp' : 'udp';
}
