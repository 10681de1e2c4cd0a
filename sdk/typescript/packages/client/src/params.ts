/** Connection parameters: JSON that a server's hooks decide by. */
import { clientError, invalidArgument } from "./errors.js";

/** Bytes of parameters as they are sent. */
const PARAMS_MAX = 4096;

/**
 * Parameters as JSON in ASCII; undefined when there are none. Headers hold bytes whose meaning beyond ASCII is a matter of
 * agreement; escapes need none.
 */
export function writeParams(params: unknown): string | undefined {
  if (params === undefined) return undefined;
  let json: string | undefined;
  try {
    json = JSON.stringify(params);
  } catch (cause) {
    throw clientError("invalid_argument", "params: expected a value for JSON", { path: "params" }, cause);
  }
  if (json === undefined) throw invalidArgument("params", "a value for JSON", params);
  const ascii = json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  if (ascii.length > PARAMS_MAX) {
    const expected = `at most ${PARAMS_MAX} bytes of JSON`;
    const message = `params: expected ${expected}, received ${ascii.length}`;
    throw clientError("invalid_argument", message, { path: "params", expected, received: ascii.length });
  }
  return ascii;
}

/** A text as part of a path, or of a subprotocol: those may hold no parentheses. */
export function escape(text: string): string {
  return encodeURIComponent(text).replaceAll("(", "%28").replaceAll(")", "%29");
}
