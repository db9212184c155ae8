// Persons, their cards and codes.
import { date, del, failure, get, h, notice, post } from "./api.js";
import { all, card, doing, field, form, sure, table } from "./kit.js";

export async function people() {
  const out = h("div", { class: "content inner" });
  const listing = h("div");
  const filter = h("input", { type: "search", placeholder: "Find a name", "aria-label": "Find a person" });
  const trouble = h("div");
  let persons = [];
  let credentials = [];

  const draw = () => {
    const wanted = filter.value.trim().toLowerCase();
    const shown = persons.filter((p) => (p.name + " " + (p.note || "")).toLowerCase().includes(wanted)).slice(0, 200);
    listing.replaceChildren(table(["Person", "Cards and codes", ""], shown.map((p) => {
      const mine = credentials.filter((c) => c.person === p.id);
      return [h("span", {}, h("strong", {}, p.name), p.note && h("span", { class: "soft" }, " · " + p.note)),
        h("div", { class: "row" }, mine.length ? mine.map((c) => chip(c)) : h("span", { class: "soft small" }, "none")),
        doing(sure("Remove", async () => { await del("/api/v1/people/" + encodeURIComponent(p.id)); await load(); }, trouble))];
    }), wanted ? "Nobody of this name." : "Nobody is entered yet. Add the first card or code above."),
    shown.length < persons.length ? h("p", { class: "soft small" }, `${shown.length} of ${persons.length} shown`) : "");
  };
  const chip = (c) => h("span", { class: "badge" + (c.revoked ? " bad" : "") }, c.kind === "card" ? "Card" : "Code", " ", limits(c),
    h("button", { type: "button", class: "quiet small", "aria-label": "Withdraw this " + c.kind, title: "Withdraw", onclick: async () => {
      try {
        await del("/api/v1/credentials/" + encodeURIComponent(c.id));
        await load();
      } catch (error) {
        trouble.replaceChildren(failure(error));
      }
    } }, "×"));
  const limits = (c) => [c.schedule, c.doors?.join(", "), c.valid_from && `from ${date(c.valid_from)}`, c.valid_until && `until ${date(c.valid_until)}`].filter(Boolean).map((t) => "· " + t).join(" ");
  const load = async () => {
    [persons, credentials] = await Promise.all([all("/api/v1/people", "people"), all("/api/v1/credentials", "credentials")]);
    names.replaceChildren(...persons.slice(0, 500).map((p) => h("option", { value: p.name })));
    draw();
  };
  filter.addEventListener("input", draw);

  const names = h("datalist", { id: "names" });
  const [profiles, doorList] = await Promise.all([get("/api/v1/schedules"), get("/api/v1/doors")]);
  out.append(newCredential(names, profiles.schedules, doorList.doors, load), card("Everybody", h("div", {}, filter), listing, trouble), names);
  await load();
  return out;
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
