/** The mark in a saved file: XMP that says by what its colours came, as `history.marked` writes it. */

import { crc32 } from "./zip.js";

const PACKET = "http://ns.adobe.com/xap/1.0/\0"; // what JPEG calls it
const TEXT = "XML:com.adobe.xmp\0\0\0\0\0"; // and PNG: not packed, in no language

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** SHA-256 of a file; null where the page came by plain http, which has no cryptography. */
async function digest(file) {
  if (!self.crypto.subtle) return null;
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())));
}

/** What a person asked for, in words. */
function told(vividness, { hints = [], version = 0, reference = null }) {
  const words = [`vividness ${Number(vividness.toPrecision(6))}`];
  if (reference) words.push("palette of another photo");
  if (version) words.push(`variant ${version + 1}`);
  for (const { x, y, color, reach } of hints) {
    words.push(`hint x ${x} y ${y} ${color}` + (reach == null ? "" : ` reach ${reach}`));
  }
  return words.join(", ");
}

/** Bytes from texts in UTF-8, bytes, and numbers of four bytes, the first one the highest. */
function joined(...parts) {
  const bytes = parts.map((part) => {
    if (typeof part === "string") return new TextEncoder().encode(part);
    if (typeof part !== "number") return part;
    return Uint8Array.from([24, 16, 8, 0], (shift) => part >>> shift);
  });
  return new Uint8Array(bytes.flatMap((some) => [...some]));
}

/** Where XMP goes in, and how it is wrapped. */
function placed(bytes, packet) {
  if (bytes[0] === 0x89) { // PNG: behind its header
    const body = joined("iTXt", TEXT, packet);
    return [33, joined(body.length - 4, body, crc32(body))];
  }
  const length = joined(PACKET, packet).length + 2; // JPEG: behind JFIF's segment
  const head = Uint8Array.of(0xff, 0xe1, length >> 8, length & 255);
  return [bytes[3] === 0xe0 ? 4 + bytes[4] * 256 + bytes[5] : 2, joined(head, PACKET, packet)];
}

/**
 * @param {Blob} result  JPEG or PNG @param {string} packet  with places for what is not known yet
 * @param {{file:Blob, vividness:number, wish:object}} made  from what, and how
 */
export async function marked(result, packet, { file, vividness, wish }) {
  const sha256 = await digest(file);
  const values = {
    SOURCE: sha256 ? `source sha256 ${sha256}` : "source unknown",
    SETTINGS: told(vividness, wish),
    WHEN: new Date().toISOString().replace(/\.\d+Z/, "+00:00"),
    INSTANCE: hex(crypto.getRandomValues(new Uint8Array(16))),
  };
  const full = packet.replace(/\{([A-Z]+)\}/g, (_, name) => values[name]);
  const start = new Uint8Array(await result.slice(0, 64).arrayBuffer());
  const [at, part] = placed(start, full);
  return new Blob([result.slice(0, at), part, result.slice(at)], { type: result.type });
}
