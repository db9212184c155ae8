// Persons, their cards and codes.
import { badge, date, del, failure, get, h, notice, post, put } from "./api.js";
import { secondCode } from "./duress.js";
import { button, card, count, doing, field, form, sure, table } from "./kit.js";

const pageSize = 50;

export async function people(shell) {
  const out = h("div", { class: "content inner" });
  const listing = h("div");
  const trouble = h("div");
  const filter = h("input", { type: "search", placeholder: "Find a name, a note or a flat", "aria-label": "Find a person" });
  const group = h("select", { "aria-label": "Group" });
  const names = h("datalist", { id: "names" });
  const chosen = new Set(); // ids on this page
  const much = h("span", { class: "soft small" });
  const bulk = h("div", { class: "row", hidden: true });
  const mark = () => {
    bulk.hidden = chosen.size === 0;
    much.textContent = `${chosen.size} chosen`;
  };
  let before = []; // where the pages before this one began
  let here = "";

  const load = async () => {
    const query = new URLSearchParams({ sort: "name", limit: pageSize, q: filter.value.trim(), group: group.value, after: here });
    const page = await get("/api/v1/people?" + query);
    names.replaceChildren(...page.people.map((p) => h("option", { value: p.name })));
    const turn = (label, go, on) => on && h("button", { type: "button", class: "small", onclick: () => { go(); load().catch((e) => trouble.replaceChildren(failure(e))); } }, label);
    chosen.clear();
    mark();
    listing.replaceChildren(table(["", "Person", "Flat", "Groups", "Opens with", ""], page.people.map((p) => [
      h("input", { type: "checkbox", "aria-label": `Choose ${p.name}`, onchange: (e) => { chosen[e.target.checked ? "add" : "delete"](p.id); mark(); } }),
      h("span", {}, h("strong", {}, p.name), p.note && h("span", { class: "soft" }, " · " + p.note)), p.flat || "", (p.groups || []).join(", "),
      [p.cards && `${p.cards} ${p.cards === 1 ? "card" : "cards"}`, p.codes && `${p.codes} ${p.codes === 1 ? "code" : "codes"}`].filter(Boolean).join(", ") || h("span", { class: "soft small" }, "nothing"),
      doing(h("button", { type: "button", class: "small", onclick: () => open(p.id) }, "Open"))]),
    filter.value.trim() || group.value ? "Nobody of this name." : "Nobody is entered yet. Add the first card or code above.", "narrow"),
    h("div", { class: "row" }, turn("Previous 50", () => { here = before.pop(); }, before.length > 0), turn("Next 50", () => { before.push(here); here = page.next; }, page.next),
      h("span", { class: "soft small" }, `${count(page.total, "person", "people")} in all`)));
  };
  const moveOut = sure("Move out everybody chosen", async () => {
    await post("/api/v1/people/delete", { ids: [...chosen] });
    trouble.replaceChildren(notice("good", "Moved out", `${count(chosen.size, "person", "people")} with every card, code and right.`));
    await load();
  }, trouble);
  let waiting = 0;
  const search = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { before = []; here = ""; load().catch((e) => trouble.replaceChildren(failure(e))); }, 200);
  };
  filter.addEventListener("input", search);
  group.addEventListener("change", search);

  const [profiles, doorList, groupList] = await Promise.all([get("/api/v1/schedules"), get("/api/v1/doors"), get("/api/v1/groups")]);
  group.replaceChildren(h("option", { value: "" }, "All groups"), ...groupList.groups.map((g) => h("option", {}, g.name)));
  const person = h("div");
  const open = async (id) => {
    try {
      person.replaceChildren(detail(await get("/api/v1/people/" + encodeURIComponent(id)), { groups: groupList.groups, schedules: profiles.schedules, doors: doorList.doors, administrator: shell.session.role === "administrator" }, { open, load, close: () => person.replaceChildren() }));
      person.scrollIntoView({ block: "nearest" });
    } catch (error) {
      trouble.replaceChildren(failure(error));
    }
  };
  out.append(newCredential(names, profiles.schedules, doorList.doors, load), person,
    card("Everybody", null, h("div", { class: "fields" }, filter, group), listing, bulk, trouble), shortCodes(), lists(load), learnMany(), names);
  bulk.append(moveOut, much);
  await load();
  return out;
}

const limits = (c) => [c.schedule, c.doors?.join(", "), c.valid_from && `from ${date(c.valid_from)}`, c.valid_until && `until ${date(c.valid_until)}`, c.uses && `${c.uses} uses`].filter(Boolean).join(" · ");
const rightText = (r) => `${r.doors?.join(", ") || "every door"}${r.schedule ? `, ${r.schedule}` : ", at any time"}${r.valid_from ? `, from ${date(r.valid_from)}` : ""}${r.valid_until ? `, until ${date(r.valid_until)}` : ""}`;

const unlimited = (r) => !r.doors && !r.schedule && !r.valid_from && !r.valid_until;

// rights edits what one person may open beside the groups: doors, hours, days. They are stored with the person.
function rights(kept, schedules, doors) {
  const rows = h("div", { class: "stack" });
  const only = doors.map((d) => h("input", { type: "checkbox", value: d.name }));
  const schedule = h("select", {}, h("option", { value: "" }, "At any time"), schedules.map((s) => h("option", {}, s.name)));
  const from = h("input", { type: "datetime-local" });
  const to = h("input", { type: "datetime-local" });
  const draw = () => rows.replaceChildren(...kept.map((r) => h("div", { class: "row" }, h("span", {}, rightText(r)),
    h("button", { type: "button", class: "quiet small", "aria-label": `Take away: ${rightText(r)}`, onclick: () => { kept = kept.filter((k) => k !== r); draw(); } }, "×"))));
  draw();
  const add = () => {
    const right = {};
    const chosen = only.filter((d) => d.checked).map((d) => d.value);
    if (chosen.length && chosen.length < only.length) right.doors = chosen;
    if (schedule.value) right.schedule = schedule.value;
    if (from.value) right.valid_from = new Date(from.value).toISOString();
    if (to.value) right.valid_until = new Date(to.value).toISOString();
    kept = [...kept, right];
    draw();
  };
  const box = h("div", { class: "stack" }, rows, h("details", {}, h("summary", {}, "A right of their own"), h("div", { class: "stack" },
    h("fieldset", {}, h("legend", {}, "Doors (none: all)"), only.map((d) => h("label", { class: "check" }, d, d.value))),
    h("div", { class: "fields" }, field("When", schedule), field("From", from), field("Until", to)),
    h("div", {}, h("button", { type: "button", class: "small", onclick: add }, "Add this right")))));
  return { box, value: () => kept };
}

// shortCodes names the codes that became too short because more people have one. It looks while the rest is shown already.
function shortCodes() {
  const box = h("div");
  const place = h("div");
  const look = async () => {
    const found = [];
    let next = "";
    do {
      const page = await get("/api/v1/credentials?" + new URLSearchParams({ too_short: 1, limit: 200, after: next }));
      found.push(...page.credentials);
      next = page.next;
    } while (next && found.length < 200);
    if (!found.length) return;
    const title = `${found.length}${next ? " or more" : ""} ${found.length === 1 && !next ? "code is" : "codes are"} too short now`;
    box.replaceChildren(card(title, badge("warn", "easier to guess"),
      h("p", { class: "soft" }, "More people have a code than when these were drawn. They still open; draw them anew, and give the new ones out."),
      table(["Person", "Has", "Needs", "Code"], found.map((c) => {
        const cell = h("td", {});
        cell.append(button("Draw anew", "small", async () => {
          const made = await post(`/api/v1/credentials/${encodeURIComponent(c.id)}/redraw`);
          cell.replaceChildren(h("code", {}, made.code), h("span", { class: "soft small" }, " write it down now: it is not kept"));
        }, place));
        return [h("strong", {}, c.name), count(c.digits, "digit", "digits"), count(c.needs_digits, "digit", "digits"), cell];
      }), "", "narrow"), place));
  };
  look().catch((error) => box.replaceChildren(failure(error)));
  return box;
}

// detail is one person with everything that opens a door.
function detail(p, { groups, schedules, doors, administrator }, { open, load, close }) {
  const place = h("div");
  const address = "/api/v1/people/" + encodeURIComponent(p.id);
  const name = h("input", { required: true, maxlength: "64", value: p.name });
  const note = h("input", { maxlength: "64", value: p.note || "" });
  const flat = h("input", { maxlength: "5", inputmode: "numeric", value: p.flat || "" });
  const member = groups.map((g) => h("input", { type: "checkbox", value: g.name, checked: (p.groups || []).includes(g.name) }));
  const own = rights((p.rights || []).filter((r) => !unlimited(r)), schedules, doors);
  const all = h("input", { type: "checkbox", checked: (p.rights || []).some(unlimited) });
  const again = async () => { await load(); await open(p.id); };
  const credential = "/api/v1/credentials/";
  const redraw = (c) => button(c.needs_digits ? "Draw a longer one" : "Draw anew", "small", async () => {
    const made = await post(`${credential}${encodeURIComponent(c.id)}/redraw`);
    await again();
    document.querySelector("#person-said")?.replaceChildren(notice("good", `Code of ${p.name}`, "", h("p", { class: "secret" }, made.code), h("p", { class: "small" }, "Write it down now: the panel does not keep it.")));
  }, place);
  return card(p.name, h("button", { type: "button", class: "quiet small", onclick: close }, "Close"),
    form(place, async () => {
      const wish = { name: name.value.trim(), note: note.value.trim(), flat: flat.value.trim(), groups: member.filter((m) => m.checked).map((m) => m.value) };
      wish.rights = all.checked ? [{}] : own.value();
      await put(address, wish);
      await again();
    }, h("div", { class: "fields" }, field("Name", name), field("Flat", flat, "A number; it may be typed before a code"), field("Note", note)),
    h("fieldset", {}, h("legend", {}, "May open"), h("label", { class: "check" }, all, "every door at any time"),
      member.map((m) => h("label", { class: "check" }, m, `what ${m.value} may open`)), own.box),
    !(p.rights || []).length && !(p.groups || []).length && notice("warn", "Opens nothing", "This person has no right of their own and is in no group."),
    h("div", { class: "row" }, h("button", { class: "primary" }, "Save person"), sure("Move out", async () => { await del(address); close(); await load(); }, place),
      h("span", { class: "soft small" }, "Moving out takes every card, code and right at once."))),
    table(["Opens with", "Limits", ""], p.credentials.map((c) => [
      h("span", {}, c.kind === "card" ? "Card" : `Code${c.flat ? ` after ${c.flat}` : ""}`, " ", c.clonable && badge("warn", "can be copied"), c.needs_digits && badge("warn", `too short now: needs ${c.needs_digits} digits`)),
      limits(c), doing(c.kind === "code" && redraw(c), " ", c.kind === "code" && administrator && secondCode(c, p), " ", sure("Withdraw", async () => { await del(credential + encodeURIComponent(c.id)); await again(); }, place))]), "No card and no code.", "narrow"),
    h("div", { id: "person-said" }), place);
}

// lists brings a list of people in, showing the difference before anything is changed.
function lists(load) {
  const place = h("div");
  const file = h("input", { type: "file", accept: ".csv,.json,text/csv,application/json", id: "list-file", required: true });
  const replace = h("input", { type: "checkbox" });
  let stop = null;
  const send = async (dry) => {
    const chosen = file.files[0];
    stop = new AbortController();
    const answer = await fetch(`/api/v1/people/import?dry_run=${dry ? 1 : 0}&replace=${replace.checked ? 1 : 0}`, {
      method: "POST", body: await chosen.text(), signal: stop.signal, headers: { "Content-Type": chosen.name.endsWith(".json") ? "application/json" : "text/csv" } });
    if (!answer.ok) {
      const problem = await answer.json();
      place.replaceChildren(notice("bad", problem.detail || problem.title, "", h("ul", {}, (problem.causes || []).slice(0, 200).map((c) => h("li", {}, c)))));
      return;
    }
    const bar = h("progress", { max: 1, value: 0 });
    const drawn = [];
    let result = null;
    place.replaceChildren(h("div", { class: "row" }, bar, h("button", { type: "button", class: "small", onclick: () => stop.abort() }, "Stop")));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      const parts = (rest + (value || "")).split("\n");
      rest = parts.pop();
      for (const line of parts.map((t) => JSON.parse(t))) {
        if (line.progress) {
          bar.max = line.progress.of;
          bar.value = line.progress.done;
          drawn.push(...(line.progress.codes || []));
        }
        if (line.problem) throw new Error(line.problem.detail);
        result = line.result || result;
      }
      if (done) break;
    }
    const sum = `${result.added} added, ${result.changed} changed, ${result.removed} removed, ${result.unchanged} as they are`;
    const wrong = (result.mistakes || []).map((m) => h("li", {}, `Line ${m.line}: ${m.text}`));
    const differences = (result.differences || []).map((d) => [d.what, d.name, d.line ? `line ${d.line}` : "", (d.how || []).join(", ")]);
    place.replaceChildren(notice(wrong.length ? "bad" : "good", wrong.length ? `${result.mistake_count === 1 ? "1 mistake" : result.mistake_count + " mistakes"}: nothing can be brought in` : dry ? "This is what would change" : "Brought in", sum, wrong.length > 0 && h("ul", {}, wrong)),
      differences.length > 0 ? table(["", "Person", "", ""], differences, "") : "",
      dry && !wrong.length && result.added + result.changed + result.removed > 0 ? button("Bring it in", "primary", () => send(false), place) : "",
      drawn.length > 0 ? notice("warn", "Drawn codes: keep them now", "The panel does not keep them.", table(["Person", "Code"], drawn.map((c) => [c.name, h("code", {}, c.code)]), "")) : "");
    if (!dry) await load();
  };
  return card("Lists of people", h("span", { class: "row" }, h("a", { href: "/api/v1/people/export", download: "people.csv" }, "Export CSV"), h("a", { href: "/api/v1/people/export?format=json", download: "people.json" }, "JSON")),
    form(place, () => send(true), field("A CSV or JSON file", file, "Columns: name, note, flat, groups, card, code (digits, or draw), doors, schedule, valid_from, valid_until"),
      h("label", { class: "check" }, replace, "Remove everybody who is not in the list"), h("div", {}, h("button", { class: "primary" }, "Show the difference"))), place);
}

// learnMany takes cards one after the other: whose turn it is stands in large letters, and the last one can be taken back.
function learnMany() {
  const place = h("div");
  const search = h("input", { placeholder: "all without a card, or a name or flat", autocomplete: "off" });
  let running = null;
  const run = async () => {
    running = new AbortController();
    const turns = [];
    for (let after = ""; turns.length < 1000;) {
      const page = await get("/api/v1/people?" + new URLSearchParams({ sort: "name", limit: 500, q: search.value.trim(), after }));
      turns.push(...page.people.filter((p) => p.cards === 0));
      if (!page.next) break;
      after = page.next;
    }
    let said = "";
    let last = null;
    const stop = h("button", { type: "button", onclick: () => running.abort() }, "Stop");
    for (let i = 0; i < turns.length && !running.signal.aborted;) {
      const step = new AbortController();
      running.signal.addEventListener("abort", () => step.abort());
      let go = 0;
      const leap = (by) => { go = by; step.abort(); };
      place.replaceChildren(h("div", { class: "notice call", role: "status", "aria-live": "assertive" }, h("span", { class: "small" }, `Card ${i + 1} of ${turns.length}`), h("p", { class: "big" }, turns[i].name, turns[i].flat ? `, flat ${turns[i].flat}` : ""), "Present the card to any reader. It opens nothing meanwhile."),
        h("p", { class: "soft" }, said), h("div", { class: "row" }, h("button", { type: "button", onclick: () => leap(1) }, "Skip"),
          last && h("button", { type: "button", onclick: () => leap(-1) }, `Take back ${last.name}'s card`), stop));
      try {
        const found = await post("/api/v1/learn", { person: turns[i].id }, { signal: step.signal });
        said = `${turns[i].name}: ${found.uid}`;
        last = { name: turns[i].name, credential: found.credential.id, at: i };
        i += 1;
      } catch (error) {
        if (error.name !== "AbortError") {
          said = error.kind === "no-card" ? "No card for half a minute: still waiting." : error.message;
        } else if (go > 0) {
          i += 1;
        } else if (go < 0 && last) {
          await del("/api/v1/credentials/" + encodeURIComponent(last.credential));
          i = last.at;
          said = `${last.name}'s card was taken back.`;
          last = null;
        }
      }
    }
    place.replaceChildren(notice("good", "Done", turns.length ? said : "Everybody here has a card."));
  };
  return card("Learn many cards", null, form(place, run, field("For whom", search, "Those who have no card yet, by name"), h("div", {}, h("button", {}, "Begin"))), place);
}

function newCredential(names, profiles, doorList, saved) {
  const place = h("div");
  const person = h("input", { name: "person", required: true, list: "names", autocomplete: "off", maxlength: "100" });
  const uid = h("input", { id: "card-uid", class: "mono", placeholder: "04A1B2C3", spellcheck: false, autocomplete: "off", maxlength: "30" });
  const code = h("input", { id: "typed-code", class: "mono", inputmode: "numeric", autocomplete: "off", placeholder: "drawn by the panel", maxlength: "12" });
  const from = h("input", { type: "datetime-local" });
  const to = h("input", { type: "datetime-local" });
  const schedule = h("select", {}, h("option", { value: "" }, "At any time"), profiles.map((p) => h("option", {}, p.name)));
  const only = doorList.map((d) => h("input", { type: "checkbox", value: d.name }));
  let learning = null;
  let kind = "card";

  const learn = h("button", { type: "button", onclick: async () => {
    if (learning) {
      learning.abort();
      return;
    }
    learning = new AbortController();
    learn.textContent = "Cancel";
    place.replaceChildren(h("div", { class: "notice call", role: "status" }, h("div", { class: "waiting" }, h("div", {}, h("strong", {}, "Present the card now"), "Hold it to any reader of this panel, within 30 seconds. It opens nothing meanwhile."))));
    try {
      const found = await post("/api/v1/learn", {}, { signal: learning.signal });
      uid.value = found.uid;
      place.replaceChildren(notice("good", "Card read", `${found.uid} at ${found.reader}. Save it below.`));
    } catch (error) {
      place.replaceChildren(error.name === "AbortError" ? "" : failure(error));
    }
    learning = null;
    learn.textContent = "Present the card now";
  } }, "Present the card now");

  const cardFields = h("div", { class: "row end" }, h("label", { class: "grow" }, "Card number (UID)", uid), learn);
  const codeFields = h("label", { hidden: true }, "Code of 4 to 12 digits", code, h("span", { class: "hint" }, "Leave it empty: the panel draws one that nobody guesses, and shows it once."));
  const choose = (k) => {
    kind = k;
    cardFields.hidden = k !== "card";
    codeFields.hidden = k !== "code";
    for (const b of kinds.children) b.setAttribute("aria-pressed", String(b.dataset.kind === k));
  };
  const kinds = h("div", { class: "row", role: "group", "aria-label": "Kind" },
    h("button", { type: "button", dataset: { kind: "card" }, onclick: () => choose("card") }, "Card"),
    h("button", { type: "button", dataset: { kind: "code" }, onclick: () => choose("code") }, "Code"));
  choose("card");

  const f = form(place, async () => {
    const doors = only.filter((d) => d.checked).map((d) => d.value);
    const wish = { person: person.value.trim(), kind };
    if (kind === "card") wish.uid = uid.value.trim();
    else if (code.value) wish.code = code.value.trim();
    if (doors.length && doors.length < only.length) wish.doors = doors;
    if (from.value) wish.valid_from = new Date(from.value).toISOString();
    if (to.value) wish.valid_until = new Date(to.value).toISOString();
    if (schedule.value) wish.schedule = schedule.value;
    const made = await post("/api/v1/credentials", wish);
    place.replaceChildren(made.code && !wish.code
      ? notice("good", `Code of ${wish.person}`, "", h("p", { class: "secret" }, made.code), h("p", { class: "small" }, "Write it down now: the panel does not keep it."))
      : notice("good", "Saved", `${wish.person} can use this ${kind} now.`));
    uid.value = code.value = "";
    await saved();
  },
  h("div", { class: "fields" }, field("Person", person, "A new name makes a new person"), h("fieldset", {}, h("legend", {}, "Opens with"), kinds)),
  cardFields, codeFields,
  h("details", {}, h("summary", {}, "Limit to times, dates or doors"), h("div", { class: "fields padded" },
    field("Schedule", schedule), field("Valid from", from), field("Valid until", to),
    doorList.length > 1 && h("fieldset", {}, h("legend", {}, "Doors (none: all)"), only.map((d) => h("label", { class: "check" }, d, d.value))))),
  h("div", {}, h("button", { class: "primary" }, "Save")));
  return card("Add a card or a code", null, f, place);
}
