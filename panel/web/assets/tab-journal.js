// What happened.
import { badge, date, follow, get, h, moment, time } from "./api.js";
import { button, card } from "./kit.js";
import { say } from "./words.js";

export async function journal(shell) {
  const list = h("ol", { class: "log" });
  const place = h("div");
  const filter = h("input", { type: "search", placeholder: "Filter: a name, a door, refused …", "aria-label": "Filter the journal" });
  const live = h("span", {}, badge("", "connecting"));
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
  const more = button("Older entries", "", async () => {
    const { entries } = await get(`/api/v1/journal?before=${oldest}&limit=100`);
    list.append(...entries.map(item));
    oldest = entries.length ? entries.at(-1).seq : 0;
    more.hidden = entries.length < 100;
    sift();
  }, place);
  more.hidden = newest.entries.length < 100;
  const after = newest.entries.length ? newest.entries[0].seq : 0;
  const source = follow("/api/v1/journal/events?after=" + after, "entry", (e) => {
    list.prepend(item(e));
    while (list.children.length > 2000) list.lastChild.remove();
    sift();
  }, (up) => live.replaceChildren(up ? badge("good", "live") : badge("warn", "not connected")));
  shell.onLeave(() => source.close());
  return card("What happened", live, filter, newest.entries.length ? null : h("p", { class: "empty" }, "Nothing has happened yet."), list, h("div", { class: "row" }, more), place);
}
