// Groups, what is asked at the doors, holidays, and settings of access.
import { del, get, h, moment, notice, post, put } from "./api.js";
import { button, card, doing, field, form, sure, table } from "./kit.js";
import { silentAlarm } from "./duress.js";
import { guests } from "./guests.js";

const select = (value, ...options) => h("select", {}, options.map(([v, text]) => h("option", { value: v, selected: v === value }, text)));

export async function access(shell) {
  const [profiles, doors] = await Promise.all([get("/api/v1/schedules"), get("/api/v1/doors")]);
  return h("div", { class: "content-body" }, h("div", { class: "content inner" },
    await groups(profiles.schedules, doors.doors), await policies(profiles.schedules), await holidays(), await settings(),
    shell.session.role === "administrator" && await silentAlarm()));
}

export async function visits(shell) {
  return h("div", { class: "content-body" }, h("div", { class: "content inner" }, await presence(shell), await guests(), attendance()));
}

const rightText = (r) => `${r.doors?.join(", ") || "every door"}${r.schedule ? `, ${r.schedule}` : ", at any time"}`;

async function groups(profiles, doors) {
  const place = h("div");
  const listing = h("div");
  const name = h("input", { required: true, maxlength: "64", autocomplete: "off" });
  const only = doors.map((d) => h("input", { type: "checkbox", value: d.name }));
  const schedule = select("", ["", "At any time"], ...profiles.map((p) => [p.name, p.name]));
  const emergency = h("input", { type: "checkbox" });
  const load = async () => {
    const { groups: list } = await get("/api/v1/groups");
    const save = (g, rights) => put("/api/v1/groups/" + encodeURIComponent(g.name), { note: g.note, emergency: g.emergency, rights });
    listing.replaceChildren(table(["Group", "People", "May open", ""], list.map((g) => [h("span", {}, h("strong", {}, g.name), g.emergency && h("span", { class: "soft small" }, " also in a lockdown")), String(g.members),
      h("div", {}, g.rights.length ? g.rights.map((r, i) => h("div", { class: "row" }, rightText(r), button("×", "quiet small", async () => { await save(g, g.rights.filter((_, j) => j !== i)); await load(); }, place))) : h("span", { class: "soft" }, "nothing")),
      doing(sure("Remove", async () => { await del("/api/v1/groups/" + encodeURIComponent(g.name)); await load(); }, place))]), "There are no groups: what a person may open stands with the person."));
    return list;
  };
  await load();
  return card("Groups", null, listing, form(place, async () => {
    const wanted = name.value.trim();
    const known = (await load()).find((g) => g.name === wanted) || { rights: [] };
    const right = {};
    const chosen = only.filter((d) => d.checked).map((d) => d.value);
    if (chosen.length && chosen.length < only.length) right.doors = chosen;
    if (schedule.value) right.schedule = schedule.value;
    await put("/api/v1/groups/" + encodeURIComponent(wanted), { note: known.note, rights: [...known.rights, right], emergency: emergency.checked });
    place.replaceChildren(notice("good", "Saved", `Members of ${wanted} may open: ${rightText(right)}.`));
    await load();
  }, h("div", { class: "fields" }, field("Name", name, "One that is there gets a further right"), field("When", schedule)),
  h("fieldset", {}, h("legend", {}, "Doors (none: all)"), only.map((d) => h("label", { class: "check" }, d, d.value))),
  h("label", { class: "check" }, emergency, "Lets its members in also during a lockdown"), h("div", {}, h("button", { class: "primary" }, "Save right"))), place);
}

async function policies(profiles) {
  const place = h("div");
  const { policies: list } = await get("/api/v1/policies");
  return card("At the doors", null, table(["Door", "Card and code", "Who is inside already", ""], list.map((p) => {
    const second = select(p.second_factor || "", ["", "never both"], ...profiles.map((s) => [s.name, `both during ${s.name}`]));
    const passback = select(p.passback || "", ["", "comes in again"], ["soft", "comes in again, and it is noted"], ["hard", "is refused"]);
    return [h("strong", {}, p.door), second, passback, doing(button("Save", "small", async () => {
      await put("/api/v1/policies/" + encodeURIComponent(p.door), { second_factor: second.value, passback: passback.value });
      place.replaceChildren(notice("good", "Saved", `It counts at ${p.door} from now on.`));
    }, place))];
  }), "No doors are configured."), place);
}

async function holidays() {
  const place = h("div");
  const { holidays: list } = await get("/api/v1/calendar");
  const text = h("textarea", { spellcheck: false, placeholder: "12-25 Christmas\n2027-03-29 Easter Monday" });
  text.value = list.map((d) => `${d.date} ${d.name || ""}`.trim()).join("\n");
  return card("Holidays", null, form(place, async () => {
    const days = text.value.split("\n").map((l) => l.trim()).filter(Boolean).map((l) => {
      const [date, ...name] = l.split(/\s+/);
      return { date, name: name.join(" ") };
    });
    await put("/api/v1/calendar", { holidays: days });
    place.replaceChildren(notice("good", "Saved", `${days.length} holidays. On them a schedule has only the hours that are marked for holidays.`));
  }, field("One a line: the day, then its name", text, "12-25 is every year, 2027-03-29 once"), h("div", {}, h("button", { class: "primary" }, "Save holidays"))), place);
}

async function settings() {
  const place = h("div");
  const s = await get("/api/v1/access");
  const decoys = h("input", { type: "checkbox", checked: !s.no_decoys });
  const attended = h("input", { type: "checkbox", checked: s.attendance });
  const days = h("input", { type: "number", min: "1", max: "366", value: String(s.attendance_days || 31) });
  return card("Settings", null, form(place, async () => {
    await put("/api/v1/access", { no_decoys: !decoys.checked, attendance: attended.checked, attendance_days: Number(days.value) });
    place.replaceChildren(notice("good", "Saved", ""));
  }, h("label", { class: "check" }, decoys, "Up to four digits may be typed around a code, so that nobody reads it off the fingers; codes are a little longer"),
  h("label", { class: "check" }, attended, "Show when people came and went. Each look is written down; ask the people first"),
  field("For so many days back", days), h("div", {}, h("button", { class: "primary" }, "Save settings"))), place);
}

async function presence(shell) {
  const place = h("div");
  const listing = h("div");
  const reset = (person) => post("/api/v1/presence/reset", person ? { person } : {});
  const load = async () => {
    const { inside } = await get("/api/v1/presence");
    listing.replaceChildren(table(["Person", "Since", "Through", ""], inside.map((p) => [h("strong", {}, p.name || p.person), p.trusted ? moment(p.since) : h("span", { class: "soft" }, "not known"), p.door,
      doing(sure("Take off", async () => { await reset(p.person); await load(); }, place))]), "Nobody is inside who came in with a card, a code or a pass."),
    inside.length ? h("div", { class: "row" }, h("strong", {}, `${inside.length} inside`), sure("Take everybody off", async () => { await reset(); await load(); }, place)) : "");
  };
  await load();
  shell.every(5000, load);
  return card("Who is inside", null, listing, place);
}

function attendance() {
  const place = h("div");
  const day = (back) => new Date(Date.now() - back * 86400000).toISOString().slice(0, 10);
  const from = h("input", { type: "date", value: day(7), required: true });
  const to = h("input", { type: "date", value: day(-1), required: true });
  return card("Attendance", null, form(place, async () => {
    const { days } = await get("/api/v1/attendance?" + new URLSearchParams({ from: from.value, until: to.value }));
    place.replaceChildren(table(["Day", "Person", "In", "Out"], days.map((d) => [d.day, d.name, d.in ? moment(d.in) : "", d.out ? moment(d.out) : ""]), "Nobody came or went."),
      h("a", { href: "/api/v1/attendance?" + new URLSearchParams({ from: from.value, until: to.value, format: "csv" }), download: "attendance.csv" }, "Export CSV"));
  }, h("div", { class: "fields" }, field("From", from), field("Until", to)), h("div", {}, h("button", {}, "Show"))), place);
}
