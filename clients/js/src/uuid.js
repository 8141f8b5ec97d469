/** A version 4 UUID; `crypto.randomUUID` is missing outside secure contexts. RFC 9562 §5.4. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte, index) => {
    let value = byte;
    if (index === 6) value = (byte & 0x0f) | 0x40;
    if (index === 8) value = (byte & 0x3f) | 0x80;
    return value.toString(16).padStart(2, '0');
  });
  return [[0, 4], [4, 6], [6, 8], [8, 10], [10, 16]]
    .map(([from, to]) => hex.slice(from, to).join(''))
    .join('-');
}
