/** A zip of files as they are, without compression: photos are compressed already. */

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** @param {Uint8Array} bytes */
export function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Little-endian bytes of [value, size] pairs. */
function packed(...fields) {
  const bytes = new Uint8Array(fields.reduce((sum, [, size]) => sum + size, 0));
  let at = 0;
  for (const [value, size] of fields) for (let i = 0; i < size; i++) bytes[at++] = value / 256 ** i;
  return bytes;
}

export class Zip {
  parts = [];
  central = [];
  size = 0;
  names = new Set();

  /** Adds a file; a name that is taken gets a number. @param {string} name @param {Blob} blob */
  async add(name, blob) {
    const dot = name.lastIndexOf("."), [stem, end] = [name.slice(0, dot), name.slice(dot)];
    for (let n = 2; this.names.has(name.toLowerCase()); n++) name = `${stem} (${n})${end}`;
    this.names.add(name.toLowerCase());
    const title = new TextEncoder().encode(name), now = new Date();
    const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
    const day = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
    const crc = crc32(new Uint8Array(await blob.arrayBuffer()));
    const about = [[20, 2], [0x800, 2], [0, 2], [time, 2], [day, 2], [crc, 4], [blob.size, 4],
      [blob.size, 4], [title.length, 2], [0, 2]];
    this.parts.push(packed([0x04034b50, 4], ...about), title, blob);
    this.central.push(packed([0x02014b50, 4], [20, 2], ...about, [0, 2], [0, 2], [0, 2], [0, 4], [this.size, 4]), title);
    this.size += 30 + title.length + blob.size;
  }

  /** @returns {Blob} the whole archive */
  blob() {
    const length = this.central.reduce((sum, part) => sum + part.length, 0), count = this.names.size;
    const end = packed([0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [length, 4], [this.size, 4], [0, 2]);
    return new Blob([...this.parts, ...this.central, end], { type: "application/zip" });
  }
}
