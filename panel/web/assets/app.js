// The residents' page: the doors, one large button each.
import { by, badge, failure, get, h, notice, post } from "./api.js";
import { guests } from "./guests.js";
import { enter, leave } from "./login.js";
import { why } from "./words.js";

const root = by("app");
const session = await enter(root, "Open your doors from any device in this network.");
const face = await get("/api/v1/face");
const cards = new Map();
const list = h("div", { class: "door" });
const trouble = h("div");

root.replaceChildren(
  h("header", { class: "row" }, h("h1", { class: "grow" }, face.site || "Doors"), h("button", { class: "quiet small", onclick: leave }, "Log out")),
  trouble, list, await guests(),
  h("p", { class: "soft small" }, `Logged in as ${session.user}.`),
);

function card(name) {
  const place = h("div");
  const state = h("span");
  const open = h("button", { class: "primary", onclick: async () => {
    open.disabled = true;
    place.replaceChildren();
    try {
      await post(`/api/v1/doors/${encodeURIComponent(name)}/open`);
      place.replaceChildren(notice("good", "", "The door is released."));
    } catch (error) {
      place.replaceChildren(error.why ? notice("bad", "Not opened", why(error.why)) : failure(error));
    }
    open.disabled = false;
    refresh();
  } }, "Open");
  list.append(h("section", { class: "card", "aria-label": `Door ${name}` }, h("header", {}, h("h2", {}, name), state), open, place));
  return state;
}

async function refresh() {
  try {
    const { doors } = await get("/api/v1/doors");
    for (const d of doors) {
      if (!cards.has(d.name)) cards.set(d.name, card(d.name));
      cards.get(d.name).replaceChildren(d.alarm ? badge("bad", d.alarm) : d.strike === "released" ? badge("good", "released") : badge("", d.contact === "open" ? "open" : "locked"));
    }
    trouble.replaceChildren();
  } catch (error) {
    if (error.status === 401) location.reload();
    trouble.replaceChildren(failure(error));
  }
}

await refresh();
setInterval(refresh, 2000);
