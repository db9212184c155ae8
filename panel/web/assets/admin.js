// The installer's and administrator's page: a client of the API like any other.
import { badge, by, call, date, del, failure, follow, get, h, moment, notice, post, put, time } from "./api.js";
import { enter, leave } from "./login.js";
import { say, why } from "./words.js";

const root = by("root");
const session = await enter(root);
const face = await get("/api/v1/face");
const view = h("main", { class: "content" });
let alive = () => {}; // ends what the shown section keeps running

const sections = {
  overview: ["Overview", overview],
  licenses: ["Licenses", licenses],
  people: ["People & credentials", people],
  schedules: ["Schedules", schedules],
  buttons: ["Call buttons", buttons],
  doors: ["Doors", doors],
  journal: ["Journal", journal],
  users: ["Users", users],
};
if (session.role !== "administrator") sections.users[0] = "Your account";
if (session.role === "resident") location.replace("/app");

const links = Object.entries(sections).map(([id, [title]]) => h("a", { href: "#" + id }, title));
root.className = "admin";
root.replaceChildren(
  h("div", { class: "side" },
    h("div", { class: "brand" }, h("img", { src: "/assets/icon.svg", alt: "" }), h("span", {}, face.site || "Door panel")),
    h("nav", { "aria-label": "Sections" }, links),
    h("footer", {}, h("span", { class: "small soft" }, `${session.user}, ${session.role}`),
      h("span", { class: "row" }, h("a", { class: "small", href: "/" }, "Face"), h("button", { class: "quiet small", onclick: leave }, "Log out")))),
  view);

async function show() {
  const id = sections[location.hash.slice(1)] ? location.hash.slice(1) : "overview";
  alive();
  alive = () => {};
  for (const a of links) {
    if (a.hash === "#" + id) {
      a.setAttribute("aria-current", "page");
      a.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else a.removeAttribute("aria-current");
  }
  const [title, build] = sections[id];
  document.title = `${title} · ${face.site || "Door panel"}`;
  const body = h("div", { class: "content-body" });
  view.replaceChildren(h("header", {}, h("h1", {}, title)), body);
  try {
    const built = await build();
    body.replaceWith(...[built].flat().filter(Boolean));
  } catch (error) {
    if (error.status === 401) location.reload();
    body.replaceWith(failure(error));
  }
}

// every runs work now and again while the section is shown.
function every(ms, work) {
  const timer = setInterval(() => work().catch(() => {}), ms);
  const before = alive;
  alive = () => { before(); clearInterval(timer); };
}

const card = (title, side, ...content) => h("section", { class: "card" }, h("header", {}, h("h2", {}, title), side), ...content);

function table(heads, rows, empty) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, heads.map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((c) => (c instanceof HTMLTableCellElement ? c : h("td", {}, c))))))));
}

const doing = (...content) => h("td", { class: "do" }, ...content);

// button runs work when pressed, and says in place what went wrong.
function button(label, cls, work, place) {
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
function sure(label, work, place) {
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

function form(place, send, ...content) {
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

const field = (label, input, hint) => h("label", {}, label, input, hint && h("span", { class: "hint" }, hint));

// all reads a list page by page.
async function all(path, name) {
  const items = [];
  for (let after = ""; ;) {
    const page = await get(`${path}?limit=1000&after=${encodeURIComponent(after)}`);
    items.push(...page[name]);
    if (!page.next || items.length >= 10000) return items;
    after = page.next;
  }
}

const facts = (...pairs) => h("dl", { class: "facts" }, pairs.filter(([, v]) => v).map(([k, v]) => [h("dt", {}, k), h("dd", {}, v)]));

const statusTone = { active: "good", ok: "good", ending: "warn", waiting: "warn", grace: "warn", pending: "warn", starting: "warn", failed: "bad", ended: "bad", revoked: "bad", unusable: "bad" };
const statusWords = { active: "active", ending: "ending soon", waiting: "waiting for association", grace: "in its grace time", pending: "not yet begun", ended: "ended", revoked: "revoked", unusable: "cannot be used" };
const until = (t) => (t ? `until ${date(t)}` : "no end");

// ---- Overview

async function overview() {
  const place = h("div", { class: "content-body" });
  const draw = async () => {
    const [s, e, d] = await Promise.all([get("/api/v1/status"), get("/api/v1/entitlements"), get("/api/v1/doors")]);
    const failed = s.parts.filter((p) => p.state === "failed");
    place.replaceChildren(h("div", { class: "content inner" },
      s.read_only && notice("warn", "Nothing can be changed", "The stored data was written by a newer version. Doors work; install that version again to change settings."),
      !s.clock_trusted && notice("warn", "The clock is not trusted", "Cards and codes with dates or schedules are refused until the panel knows the time."),
      ...(s.notes || []).map((n) => notice("warn", "Set aside at start", n)),
      failed.length > 0 && notice("bad", failed.length === 1 ? "One part does not work" : `${failed.length} parts do not work`, failed.map((p) => `${p.kind} ${p.name}: ${p.detail || "failed"}`).join("; ")),
      h("div", { class: "columns" },
        card("This panel", s.clock_trusted ? badge("good", "clock trusted") : badge("warn", "clock not trusted"),
          facts(["Name", s.site], ["Version", s.version], ["Running since", moment(s.started)], ["Its time", moment(s.now)], ["Panel id", h("code", {}, s.panel)],
            ["Journal", `${s.seq} entries`], ["License roots", s.roots.length ? s.roots.map((r) => h("code", {}, r + " ")) : "none: no license can be activated"],
            ["Certificate", s.fingerprint && h("code", {}, s.fingerprint)])),
        h("div", { class: "stack wide" },
          card("Doors", null, table(["Door", "Strike", "Contact"], d.doors.map((x) => [x.name, strike(x), contact(x)]), "No doors are configured.")),
          card("Parts", null, table(["Part", "State", ""], s.parts.map((p) => [`${p.kind} ${p.name}`, badge(statusTone[p.state] || "", p.state), h("span", { class: "soft small" }, p.detail || "")]), "Nothing is connected.")))),
      entitlements(e)));
  };
  await draw();
  every(5000, draw);
  return place;
}

function entitlements(e) {
  const rows = Object.entries(e.features).map(([, f]) => [f.title, badge(statusTone[f.status] || "", statusWords[f.status] || f.status), f.count ? String(f.count) : "", until(f.until), h("span", { class: "soft small" }, f.message || "")]);
  return card("What the licenses give", location.hash === "#licenses" ? null : h("a", { href: "#licenses" }, "Add a license"),
    h("div", { class: "row" }, h("span", { class: "big" }, String(e.buttons)), h("span", { class: "soft" }, e.buttons === 1 ? "call button can be used: the free one" : `call buttons can be used: ${e.buttons - 1} licensed + 1 free`)),
    rows.length > 0 && table(["Feature", "State", "Count", "Time", ""], rows, ""),
    e.missing.length > 0 && h("div", { class: "stack" }, h("p", { class: "soft small" }, "No license for these is stored in this panel:"), h("div", { class: "row tight" }, e.missing.map((m) => badge("", m.title)))),
    h("p", { class: "soft small" }, "Exit, fire alarm, the first button and calls in this network never need a license."));
}

// ---- Licenses

async function licenses() {
  const place = h("div");
  const held = h("div");
  const file = h("input", { type: "file", accept: "image/png,image/jpeg", class: "sr", id: "license-file" });
  const text = h("textarea", { id: "license-text", placeholder: "DP1:…", spellcheck: false, autocomplete: "off" });
  const present = async (work) => {
    place.replaceChildren(h("p", { class: "waiting", role: "status" }, "Checking the license …"));
    try {
      const a = await work();
      place.replaceChildren(notice(a.result === "activated" ? "good" : "call", a.result === "activated" ? "License activated" : "Already active", a.message));
      text.value = "";
      await draw();
    } catch (error) {
      place.replaceChildren(failure(error));
    }
  };
  const picture = (f) => present(() => call("POST", "/api/v1/licenses", f));
  const drop = h("div", { class: "drop" }, "Drop a picture of the license's QR code here", h("label", { for: "license-file", class: "button" }, "Choose or take a picture"), file);
  for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (e) => { e.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (e) => {
    e.preventDefault();
    drop.classList.remove("over");
    const f = [...e.dataTransfer.files].find((x) => ["image/png", "image/jpeg"].includes(x.type));
    const words = e.dataTransfer.getData("text/plain");
    if (f) picture(f);
    else if (words) present(() => post("/api/v1/licenses", { token: words.trim() }));
    else place.replaceChildren(notice("bad", "Not a picture", "Drop a PNG or JPEG file, or the text of the code."));
  });
  file.addEventListener("change", () => { if (file.files[0]) picture(file.files[0]); file.value = ""; });

  async function draw() {
    const [l, e] = await Promise.all([get("/api/v1/licenses"), get("/api/v1/entitlements")]);
    held.replaceChildren(h("div", { class: "content inner" },
      card("Stored licenses", badge("", String(l.licenses.length)), table(["License", "Gives", "State", "Time", "Activated", "Issuer"], l.licenses.map((x) => [
        h("span", {}, x.label || "License", h("br"), h("code", { class: "soft small" }, x.id)),
        Object.entries(x.grants || {}).map(([k, n]) => `${(e.features[k] || {}).title || k}${n > 1 ? ` × ${n}` : ""}`).join(", "),
        h("span", {}, badge(statusTone[x.status] || "", statusWords[x.status] || x.status), x.message && h("span", { class: "soft small" }, " " + x.message)),
        until(x.until), date(x.activated), h("code", { class: "small" }, x.issuer)]), "No license is stored. The panel works with one call button and everything in its own network.")),
      entitlements(e)));
  }
  await draw();
  return [h("div", { class: "columns" },
    card("Add a license", null, drop, form(place, () => present(() => post("/api/v1/licenses", { token: text.value.trim() })), field("Or its text", text), h("div", {}, h("button", { class: "primary" }, "Activate"))), place),
    ), held];
}

// ---- People and credentials

async function people() {
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

// ---- Schedules

const dayNames = { mon: "Mon", tue: "Tue", wed: "Wed", thu: "Thu", fri: "Fri", sat: "Sat", sun: "Sun" };

async function schedules() {
  const place = h("div");
  const listing = h("div");
  const name = h("input", { required: true, maxlength: "64", autocomplete: "off" });
  const slots = h("div", { class: "stack" });

  const slot = (value = { days: ["mon", "tue", "wed", "thu", "fri"], from: "08:00", to: "18:00" }) => {
    const days = Object.keys(dayNames).map((d) => h("input", { type: "checkbox", value: d, checked: value.days.includes(d) }));
    const from = h("input", { required: true, pattern: "[0-2][0-9]:[0-5][0-9]", value: value.from, maxlength: "5", inputmode: "numeric" });
    const to = h("input", { required: true, pattern: "[0-2][0-9]:[0-5][0-9]", value: value.to, maxlength: "5", inputmode: "numeric" });
    const box = h("div", { class: "slot" },
      h("fieldset", {}, h("legend", {}, "Days"), h("div", { class: "days" }, days.map((d) => h("label", {}, d, dayNames[d.value])))),
      h("div", { class: "row end" }, field("From", from), field("To", to), h("button", { type: "button", class: "quiet small", onclick: () => box.remove() }, "Remove these hours")));
    box.value = () => ({ days: days.filter((d) => d.checked).map((d) => d.value), from: from.value, to: to.value });
    slots.append(box);
  };
  const load = async () => {
    const { schedules: list } = await get("/api/v1/schedules");
    listing.replaceChildren(table(["Schedule", "Hours", ""], list.map((p) => [h("strong", {}, p.name),
      h("span", {}, p.slots.map((s) => h("div", {}, `${s.days.map((d) => dayNames[d] || d).join(", ")}  ${s.from} – ${s.to}`))),
      doing(h("button", { type: "button", class: "small", onclick: () => { name.value = p.name; slots.replaceChildren(); p.slots.forEach(slot); name.focus(); } }, "Change"), " ",
        sure("Remove", async () => { await del("/api/v1/schedules/" + encodeURIComponent(p.name)); await load(); }, place))]),
    "There are no schedules: cards and codes open at any time."));
  };
  slot();
  await load();
  return [h("div", { class: "columns" }, card("Schedules", null, listing), card("Make or change one", null, form(place, async () => {
    await put("/api/v1/schedules/" + encodeURIComponent(name.value.trim()), { slots: [...slots.children].map((s) => s.value()) });
    place.replaceChildren(notice("good", "Saved", `${name.value.trim()} can be chosen for cards and codes.`));
    name.value = "";
    slots.replaceChildren();
    slot();
    await load();
  }, field("Name", name), slots, h("div", { class: "row" }, h("button", { type: "button", onclick: () => slot() }, "More hours"), h("button", { class: "primary" }, "Save schedule"))),
  h("p", { class: "soft small" }, "24:00 is midnight at the end of a day; hours that end before they begin run into the next day."), place))];
}

// ---- Call buttons

async function buttons() {
  const listing = h("div");
  const place = h("div");
  const number = h("input", { type: "number", min: "1", max: "9999", required: true });
  const label = h("input", { required: true, maxlength: "100", autocomplete: "off" });
  const target = h("input", { maxlength: "100", autocomplete: "off", spellcheck: false, class: "mono", placeholder: "sip:101@192.168.1.20" });
  const load = async () => {
    const { buttons: list } = await get("/api/v1/buttons");
    number.value = String(list.length ? Math.max(...list.map((b) => b.number)) + 1 : 1);
    listing.replaceChildren(table(["No.", "Label", "Calls", "State", ""], list.map((b) => [String(b.number), h("strong", {}, b.label), b.target ? h("code", {}, b.target) : h("span", { class: "soft" }, "nobody"),
      h("span", {}, b.active ? badge("good", "active") : badge("warn", "not active"), !b.active && b.why && h("span", { class: "soft small" }, " " + b.why)),
      doing(h("button", { type: "button", class: "small", onclick: () => { number.value = String(b.number); label.value = b.label; target.value = b.target || ""; label.focus(); } }, "Change"), " ",
        sure("Clear", async () => { await del("/api/v1/buttons/" + b.number); await load(); }, place))]), "No button is set."));
  };
  await load();
  return [card("Call buttons", h("a", { href: "#licenses" }, "Add more with a license"), listing), card("Set a button", null, form(place, async () => {
    const b = await put("/api/v1/buttons/" + number.value, { label: label.value.trim(), target: target.value.trim() });
    place.replaceChildren(notice(b.active ? "good" : "warn", "Saved", b.active ? `Button ${b.number} rings now.` : b.why || "It is not active yet."));
    label.value = target.value = "";
    await load();
  }, h("div", { class: "fields" }, field("Number", number), field("Label", label, "What the visitor reads"), field("Calls", target, "A telephone's address; empty: nobody")), h("div", {}, h("button", { class: "primary" }, "Save button"))), place)];
}

// ---- Doors

const strike = (d) => (d.strike === "released" ? badge("good", "released") : d.strike === "failed" ? badge("bad", "failed") : badge("", "locked"));
const contact = (d) => (d.alarm ? badge("bad", { held: "held open", forced: "forced open", fire: "fire alarm" }[d.alarm] || d.alarm) : d.contact === "none" ? h("span", { class: "soft small" }, "not wired") : badge(d.contact === "open" ? "warn" : "", d.contact));

async function doors() {
  const place = h("div");
  const listing = h("div");
  const load = async () => {
    const { doors: list } = await get("/api/v1/doors");
    listing.replaceChildren(table(["Door", "Strike", "Contact", "Without power", ""], list.map((d) => [h("strong", {}, d.name), strike(d), contact(d),
      h("span", { class: "soft" }, d.safe === "fail-safe" ? "unlocked (fail-safe)" : "locked (fail-secure)"),
      doing(button("Open", "primary small", async () => {
        try {
          await post(`/api/v1/doors/${encodeURIComponent(d.name)}/open`);
          place.replaceChildren(notice("good", "", `${d.name} is released.`));
        } catch (error) {
          if (!error.why) throw error;
          place.replaceChildren(notice("bad", "Not opened", why(error.why)));
        }
        await load();
      }, place))]), "No doors are configured."));
  };
  await load();
  every(2000, load);
  return card("Doors", null, listing, place);
}

// ---- Journal

async function journal() {
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
  alive = () => source.close();
  return card("What happened", live, filter, newest.entries.length ? null : h("p", { class: "empty" }, "Nothing has happened yet."), list, h("div", { class: "row" }, more), place);
}

// ---- Users

async function users() {
  const own = h("div");
  const old = h("input", { type: "password", required: true, autocomplete: "current-password" });
  const fresh = h("input", { type: "password", required: true, autocomplete: "new-password", minlength: "10" });
  const mine = card("Your own password", null, form(own, async (f) => {
    await put("/api/v1/session/password", { old: old.value, new: fresh.value });
    f.reset();
    own.replaceChildren(notice("good", "Changed", "Other devices where you were logged in must log in again."));
  }, field("Old password", old), field("New password", fresh), h("div", {}, h("button", { class: "primary" }, "Change password"))), own);
  if (session.role !== "administrator") return mine;

  const listing = h("div");
  const place = h("div");
  const name = h("input", { required: true, maxlength: "32", autocomplete: "off", autocapitalize: "none", spellcheck: false });
  const role = h("select", {}, h("option", { value: "installer" }, "Installer"), h("option", { value: "administrator" }, "Administrator"), h("option", { value: "resident" }, "Resident"));
  const password = h("input", { type: "password", autocomplete: "new-password", minlength: "10" });
  const load = async () => {
    const { users: list } = await get("/api/v1/users");
    listing.replaceChildren(table(["User", "Role", ""], list.map((u) => [h("strong", {}, u.user), u.role,
      doing(u.user !== session.user && sure("Remove", async () => { await del("/api/v1/users/" + encodeURIComponent(u.user)); await load(); }, place))]), ""));
  };
  await load();
  return [card("Who may log in", null, listing, h("p", { class: "soft small" }, "Administrators may do everything. Installers may do everything but this page. Residents open doors at /app.")),
    h("div", { class: "columns" },
      card("Add or change a user", null, form(place, async () => {
        const wish = { role: role.value };
        if (password.value) wish.password = password.value;
        await put("/api/v1/users/" + encodeURIComponent(name.value.trim()), wish);
        place.replaceChildren(notice("good", "Saved", `${name.value.trim()} may log in as ${role.value}.`));
        name.value = password.value = "";
        await load();
      }, field("Name", name, "a to z, 0 to 9"), field("Role", role), field("Password", password, "At least 10 characters; empty keeps the old one"), h("div", {}, h("button", { class: "primary" }, "Save user"))), place),
      mine)];
}

addEventListener("hashchange", show);
await show();
