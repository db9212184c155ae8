// What happened.
import { badge, date, follow, get, h, moment, time } from "./api.js";
import { button, card } from "./kit.js";
import { say } from "./words.js";

export async function journal(shell) {
  const list = h("ol", { class: "log" });
  const place = h("div");
  const filter = h("input", { type: "search", placeholder: "Filter: a name, a door, refused …", "aria-label": "Filter the journal" });
  const live = h("span", {}, badge("", "connecting"));
  const asked = { kind: kinds(), door: h("input", { placeholder: "Door", "aria-label": "Door" }), who: h("input", { placeholder: "Name", "aria-label": "Name" }),
    since: h("input", { type: "date", "aria-label": "From" }), until: h("input", { type: "date", "aria-label": "Before" }) };
  const query = () => new URLSearchParams(Object.entries(asked).map(([name, input]) => [name, input.value.trim()]).filter(([, value]) => value)).toString();
  const newest = await get("/api/v1/journal?before=9007199254740991&limit=100");
  let oldest = newest.entries.length ? newest.entries.at(-1).seq : 0;
  const item = (e) => {
    const said = say(e);
    const li = h("li", { class: said.tone }, h("time", { title: `${moment(e.time)}${e.trusted ? "" : ", clock not trusted"}` }, time(e.time)), h("span", { class: "dot" }),
      h("span", { class: "what" }, said.text, h("span", { class: "kind" }, `${date(e.time)} · no. ${e.seq} · ${e.kind}${e.trusted ? "" : " · clock not trusted"}`)));
    li.dataset.text = li.textContent.toLowerCase();
    return li;
  };
  const sift = () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const li of list.children) li.hidden = !li.dataset.text.includes(wanted);
  };
  filter.addEventListener("input", sift);
  list.append(...newest.entries.map(item));
  let chosen = "";
  const older = async () => {
    const { entries, next } = await get(`/api/v1/journal?before=${oldest}&limit=100&${chosen}`);
    list.append(...entries.map(item));
    oldest = next || (entries.length ? entries.at(-1).seq : 0);
    more.hidden = chosen ? !next : entries.length < 100;
    sift();
  };
  const more = button("Older entries", "", older, place);
  const search = button("Search", "primary", async () => {
    chosen = query();
    list.replaceChildren();
    oldest = Number.MAX_SAFE_INTEGER;
    await older();
    if (!list.children.length) place.replaceChildren(h("p", { class: "empty" }, "Nothing fits in what was looked through."));
    else place.replaceChildren();
  }, place);
  const save = button("Save as CSV", "", async () => { location.href = `/api/v1/journal/export?format=csv&${query()}`; }, place);
  more.hidden = newest.entries.length < 100;
  const after = newest.entries.length ? newest.entries[0].seq : 0;
  const source = follow("/api/v1/journal/events?after=" + after, "entry", (e) => {
    if (chosen) return; // what was searched for stays
    list.prepend(item(e));
    while (list.children.length > 2000) list.lastChild.remove();
    sift();
  }, (up) => live.replaceChildren(up ? badge("good", "live") : badge("warn", "not connected")));
  shell.onLeave(() => source.close());
  return card("What happened", live, h("div", { class: "stack" }, h("div", { class: "fields" }, ...Object.values(asked)), h("div", { class: "row" }, search, save), filter), newest.entries.length ? null : h("p", { class: "empty" }, "Nothing has happened yet."), list, h("div", { class: "row" }, more), place);
}

// kinds are the groups by which the journal is searched.
const kinds = () => h("select", { "aria-label": "Kind" }, ...[["", "All"], ["access.", "Access"], ["access.refused", "Refused"], ["door.", "Doors"], ["strike.", "Strikes"],
  ["call.", "Calls"], ["fire.,tamper.,lockdown.,door.forced,door.held,strike.failed", "Alarms"], ["login.,config.", "Logins and changes"], ["license.", "Licenses"], ["system.,device.,clock.,journal.", "The panel"]]
  .map(([value, label]) => h("option", { value }, label)));
