/** The three encodings. */
import { bareCodec } from "./codec-bare.js";
import { cborCodec } from "./codec-cbor.js";
import { jsonCodec } from "./codec-json.js";
import type { Codec, Encoding } from "./messages.js";

/** All encodings by their names. */
export const CODECS: Readonly<Record<Encoding, Codec>> = { bare: bareCodec, json: jsonCodec, cbor: cborCodec };
