// What the tabs of the administration are built from.
import { date, failure, get, h } from "./api.js";

export const card = (title, side, ...content) => h("section", { class: "card" }, h("header", {}, h("h2", {}, title), side), ...content);

export function table(heads, rows, empty) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, heads.map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((c) => (c instanceof HTMLTableCellElement ? c : h("td", {}, c))))))));
}

export const doing = (...content) => h("td", { class: "do" }, ...content);

// button runs work when pressed, and says in place what went wrong.
export function button(label, cls, work, place) {
  const b = h("button", { type: "button", class: cls, onclick: async () => {
    b.disabled = true;
    try {
      await work();
    } catch (error) {
      place.replaceChildren(failure(error));
    }
    b.disabled = false;
  } }, label);
  return b;
}

// sure asks a second press within four seconds before something is gone.
export function sure(label, work, place) {
  let armed = 0;
  const b = button(label, "small danger", async () => {
    if (Date.now() - armed > 4000) {
      armed = Date.now();
      b.textContent = `Really ${label.toLowerCase()}?`;
      setTimeout(() => { b.textContent = label; }, 4000);
      return;
    }
    await work();
  }, place);
  return b;
}

export function form(place, send, ...content) {
  const f = h("form", {}, ...content);
  f.addEventListener("submit", async (e) => {
    e.preventDefault();
    const go = f.querySelector("button:not([type=button])");
    go.disabled = true;
    try {
      await send(f);
    } catch (error) {
      place.replaceChildren(failure(error));
    }
    go.disabled = false;
  });
  return f;
}

export const field = (label, input, hint) => h("label", {}, label, input, hint && h("span", { class: "hint" }, hint));

// all reads a list page by page.
export async function all(path, name) {
  const items = [];
  for (let after = ""; ;) {
    const page = await get(`${path}?limit=1000&after=${encodeURIComponent(after)}`);
    items.push(...page[name]);
    if (!page.next || items.length >= 10000) return items;
    after = page.next;
  }
}

export const facts = (...pairs) => h("dl", { class: "facts" }, pairs.filter(([, v]) => v).map(([k, v]) => [h("dt", {}, k), h("dd", {}, v)]));

export const statusTone = { active: "good", ok: "good", ending: "warn", waiting: "warn", grace: "warn", pending: "warn", starting: "warn", failed: "bad", ended: "bad", revoked: "bad", unusable: "bad" };
export const statusWords = { active: "active", ending: "ending soon", waiting: "waiting for association", grace: "in its grace time", pending: "not yet begun", ended: "ended", revoked: "revoked", unusable: "cannot be used" };
export const until = (t) => (t ? `until ${date(t)}` : "no end");
