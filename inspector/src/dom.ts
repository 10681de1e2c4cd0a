// Elements from code. Text becomes text nodes and attributes are set by name: nothing that a guest wrote is ever parsed as
// HTML. This module is the only one that makes elements.

export type Child = Node | string | number | null | undefined;

/** Makes an element. `on*` members are listeners, the others attributes. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | boolean | ((event: Event) => void)> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false) made.setAttribute(name, value);
  }
  append(made, children);
  return made;
}

/** Replaces what is inside. */
export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren();
  append(parent, children);
}

function append(parent: Element, children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined) continue;
    parent.append(child instanceof Node ? child : shown(String(child)));
  }
}

/** Text with its control and direction-changing characters made visible, so that a name cannot pretend to be another. */
export function shown(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, (odd) => {
    return `\\u${odd.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** A table of texts. */
export function table(head: string[], rows: Child[][]): HTMLTableElement {
  const titles = head.map((title) => element("th", {}, title));
  const lines = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element("table", {}, element("thead", {}, element("tr", {}, ...titles)), element("tbody", {}, ...lines));
}

export function button(label: string, onclick: () => void, attributes: Record<string, string> = {}): HTMLButtonElement {
  return element("button", { type: "button", onclick, ...attributes }, label);
}

/** A time as the reader's clock shows it. */
export function time(ms: unknown): string {
  return typeof ms === "number" && ms > 0 ? new Date(ms).toLocaleString() : "";
}
