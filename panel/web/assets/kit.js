// What the tabs of the administration are built from.
import { badge, date, failure, get, h } from "./api.js";

export const card = (title, side, ...content) => h("section", { class: "card" }, h("header", {}, h("h2", {}, title), side), ...content);

// table shows rows under heads. With "narrow" a small display stands each row as a list of its own, named by the heads.
export function table(heads, rows, empty, cls = "") {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  const cell = (c, i) => {
    const td = c instanceof HTMLTableCellElement ? c : h("td", {}, c);
    if (heads[i]) td.dataset.label = heads[i];
    return td;
  };
  return h("div", { class: "scroll" }, h("table", { class: cls }, h("thead", {}, h("tr", {}, heads.map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map(cell))))));
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

export const statusTone = { active: "good", ok: "good", ending: "warn", waiting: "warn", grace: "warn", pending: "warn", starting: "warn", failed: "bad", ended: "bad", revoked: "bad", unusable: "bad", "used-elsewhere": "bad", unconfirmed: "bad" };
export const statusWords = { active: "active", ending: "ending soon", waiting: "waiting for somebody", grace: "in its grace time", pending: "not yet begun", ended: "ended", revoked: "revoked", unusable: "cannot be used",
  "used-elsewhere": "used on another panel", unconfirmed: "not confirmed by the hub", released: "released", missing: "not licensed" };
export const status = (word) => badge(statusTone[word] || "", statusWords[word] || word);
export const until = (t) => (t ? `until ${date(t)}` : "no end");

// days is how many days are left until t, in words.
export function days(t, now) {
  const left = new Date(t).getTime() - now;
  if (left <= 0) return "over";
  const n = Math.ceil(left / 86400000);
  return n === 1 ? "less than a day left" : `${n} days left`;
}

export const count = (n, one, many) => `${n} ${n === 1 ? one : many}`;
