// The simulated hardware beside the face: everything that a person can touch at a real door, and the demo around it.
import { badge, by, call, failure, get, h, notice, post, time } from "./api.js";
import { say } from "./words.js";

const bench = by("bench");
const records = by("records");
let state = {};
let skew = 0;
let audio = null;
const parts = []; // functions that show a new state

const tile = (title, side, ...content) => h("section", { class: "tile" }, h("header", {}, h("h2", {}, title), side), ...content);

// act sends something to the hardware and says beside it what went wrong.
function act(place, work) {
  return async () => {
    try {
      place.replaceChildren();
      await work();
      await refresh();
    } catch (error) {
      place.replaceChildren(failure(error));
    }
  };
}

async function refresh() {
  state = await get("/sim/state");
  skew = new Date(state.time).getTime() - Date.now();
  for (const part of parts) part();
}

// optional is null when this simulation has no such part.
async function optional(path) {
  try {
    return await get(path);
  } catch {
    return null;
  }
}

export async function start() {
  await refresh();
  const [licenses, people] = await Promise.all([optional("/sim/licenses"), optional("/sim/people")]);
  bench.dataset.reader = (state.readers || ["front-in"])[0];
  bench.replaceChildren(head(), h("div", { class: "grid" }, [
    ...Object.keys(state.strikes || {}).map(door), inputs(), phone(), licenses ? codes(licenses.licenses) : null,
    people ? residents(people.people) : null, clockTile(), reader(), scanner(),
  ].filter(Boolean)));
  bench.hidden = false;
  const journal = await optional("/sim/journal?after=0");
  if (journal) showJournal(journal.entries);
  const events = new EventSource("/sim/events");
  for (const kind of ["strike", "light", "text"]) events.addEventListener(kind, () => refresh().catch(() => {}));
  events.addEventListener("tone", (e) => sound(JSON.parse(e.data).value));
  setInterval(() => refresh().catch(() => {}), 1000);
}

function head() {
  const code = h("div");
  const loud = h("button", { type: "button", class: "small", "aria-pressed": "false", onclick: () => {
    audio = audio ? null : new AudioContext();
    loud.setAttribute("aria-pressed", String(Boolean(audio)));
  } }, "Sound");
  parts.push(() => {
    const text = state.setup_code ? `${state.setup_code.slice(0, 4)} ${state.setup_code.slice(4)}` : "";
    if (code.dataset.code === text) return;
    code.dataset.code = text;
    code.replaceChildren(text ? notice("call", "Setup code", "", h("span", { class: "mono" }, text), " makes the first administrator at ", h("a", { href: "/admin" }, "/admin"), ".") : "");
  });
  return h("header", {},
    h("div", { class: "row" }, h("h2", { class: "grow" }, "The hardware, simulated"), loud, h("a", { class: "button small", href: "/admin" }, "Administration")),
    h("ol", { class: "guide" },
      h("li", {}, "Press ", h("b", {}, "a call button"), " on the panel: the demo phone rings."),
      h("li", {}, h("b", {}, "Answer"), " it, then press ", h("b", {}, "1"), ": the door is released."),
      h("li", {}, "Scan ", h("b", {}, "a license"), ": more buttons come alive, and access control starts."),
      h("li", {}, "Present ", h("b", {}, "a card"), " or type a code: the door opens for whom it knows.")),
    code);
}

function door(name) {
  const place = h("div");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 58 84");
  svg.setAttribute("aria-hidden", "true");
  for (const [cls, x, y, w, height] of [["frame", 6, 4, 46, 76], ["panel", 9, 7, 40, 70], ["bolt", 42, 40, 8, 7]]) {
    const r = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [k, v] of Object.entries({ class: cls, x, y, width: w, height, rx: 2 })) r.setAttribute(k, v);
    svg.append(r);
  }
  const strike = h("p", { class: "state", role: "status" });
  const leaf = h("p", { class: "soft small" });
  const picture = h("div", { class: "leaf" }, svg, h("div", {}, strike, leaf));
  const push = h("button", { type: "button", onclick: act(place, () => post("/sim/contact", { door: name, open: !state.contacts?.[name] })) });
  const show = () => {
    const s = state.strikes[name] || {};
    const open = Boolean(state.contacts?.[name]);
    picture.classList.toggle("released", s.on);
    picture.classList.toggle("open", open);
    const since = Math.max(0, Date.now() + skew - new Date(s.since).getTime());
    const left = (state.pulse_ms?.[name] || 0) - since;
    strike.textContent = s.on ? (left > 0 ? `Released for ${(left / 1000).toFixed(1)} s more` : `Released, ${(since / 1000).toFixed(1)} s`) : "Locked";
    leaf.textContent = open ? "The door stands open" : "The door is shut";
    push.textContent = open ? "Shut the door" : s.on ? "Open the door" : "Force the door";
  };
  parts.push(show);
  setInterval(show, 100);
  show();
  return tile(`Door ${name}`, null, picture, push, place);
}

function phone() {
  if (!state.phone || !state.phone.state) return null;
  const place = h("div");
  const words = h("p", {}, h("strong", {}, ""));
  const from = h("p", { class: "small" });
  const box = h("div", { class: "phone" });
  const send = (action, digit) => act(place, () => post("/sim/phone", digit ? { action, digit } : { action }));
  const answer = h("button", { type: "button", class: "primary grow", onclick: send("answer") }, "Answer");
  const reject = h("button", { type: "button", class: "grow danger", onclick: send("reject") }, "Reject");
  const hangup = h("button", { type: "button", class: "grow danger", onclick: send("hangup") }, "Hang up");
  const keys = h("div", { class: "keys", role: "group", "aria-label": "Keys of the phone" },
    [..."123456789*0#"].map((k) => h("button", { type: "button", onclick: send("digit", k) }, k)));
  box.append(h("div", { class: "screen", role: "status" }, words, from), h("div", { class: "row" }, answer, reject, hangup), keys);
  const show = () => {
    const p = state.phone || {};
    box.className = "phone " + p.state;
    words.firstChild.textContent = { idle: "Quiet", ringing: "Ringing", in_call: "In a call" }[p.state] || p.state;
    from.textContent = p.state === "idle" ? "Ring it from the panel" : p.from || "";
    answer.disabled = reject.disabled = p.state !== "ringing";
    answer.hidden = reject.hidden = p.state === "in_call";
    hangup.hidden = p.state !== "in_call";
    for (const k of keys.children) k.disabled = p.state !== "in_call";
  };
  parts.push(show);
  show();
  return tile("Demo phone", null, box, place);
}

const readerField = () => h("select", { "aria-label": "Reader" }, (state.readers || []).map((r) => h("option", {}, r)));

function residents(people) {
  const place = h("div");
  const where = readerField();
  return tile("Residents of this demo", null, h("label", {}, "At the reader", where),
    people.map((p) => h("div", { class: "row" }, h("span", { class: "grow" }, p.name, p.what && h("span", { class: "hint" }, p.what)),
      p.card && h("button", { type: "button", class: "small", title: p.card, onclick: act(place, () => post("/sim/badge", { reader: where.value, uid: p.card })) }, "Show card"),
      p.code && h("button", { type: "button", class: "small", title: p.code, onclick: act(place, () => post("/sim/keys", { reader: where.value, keys: p.code + "#" })) }, "Type code"))),
    place);
}

function reader() {
  const place = h("div");
  const where = readerField();
  const uid = h("input", { value: "04A1B2C3", maxlength: "40", spellcheck: false, autocomplete: "off", class: "mono" });
  const keys = h("input", { inputmode: "numeric", maxlength: "12", autocomplete: "off", placeholder: "482913" });
  const card = h("form", { onsubmit: (e) => { e.preventDefault(); act(place, () => post("/sim/badge", { reader: where.value, uid: uid.value }))(); } },
    h("div", { class: "row end" }, h("label", { class: "grow" }, "Any card (UID)", uid), h("button", {}, "Present")));
  const code = h("form", { onsubmit: (e) => { e.preventDefault(); act(place, () => post("/sim/keys", { reader: where.value, keys: keys.value.replace(/[^0-9*#]/g, "") + "#" }))(); } },
    h("div", { class: "row end" }, h("label", { class: "grow" }, "Any code", keys), h("button", {}, "Type")));
  return tile("Reader and keypad", null, h("label", {}, "Reader", where), card, code, place);
}

function codes(licenses) {
  const place = h("div");
  const t = tile("License codes of this demo", badge("", "scan one"), h("div", { class: "codes" }, licenses.map((l) =>
    h("button", { type: "button", title: "Hold before the scanner", onclick: act(place, () => call("POST", "/sim/scan", l.text)) },
      l.picture && h("img", { src: l.picture, alt: "" }), h("span", {}, l.name), l.what && h("span", { class: "what" }, l.what)))), place);
  t.classList.add("wide");
  return t;
}

function scanner() {
  const place = h("div");
  const file = h("input", { type: "file", accept: "image/png,image/jpeg", class: "sr", id: "scan-file" });
  const text = h("input", { "aria-label": "Text of a code", placeholder: "DP1:…", spellcheck: false, autocomplete: "off", class: "mono" });
  const scan = (what) => act(place, async () => {
    await call("POST", "/sim/scan", what);
    place.replaceChildren(notice("", "", "Held before the scanner. The display says what came of it."));
  })();
  const drop = h("div", { class: "drop" }, "Drop a picture or the text of a QR code here", h("label", { for: "scan-file", class: "button small" }, "Choose a picture"), file);
  for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (e) => { e.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (e) => {
    e.preventDefault();
    drop.classList.remove("over");
    const picture = [...e.dataTransfer.files].find((f) => ["image/png", "image/jpeg"].includes(f.type));
    const words = e.dataTransfer.getData("text/plain");
    if (picture || words) scan(picture || words);
  });
  file.addEventListener("change", () => { if (file.files[0]) scan(file.files[0]); file.value = ""; });
  return tile("Code scanner", null, drop,
    h("form", { onsubmit: (e) => { e.preventDefault(); if (text.value) scan(text.value); } }, h("div", { class: "row" }, h("div", { class: "grow" }, text), h("button", {}, "Scan"))), place);
}

function inputs() {
  const place = h("div");
  const names = Object.keys(state.inputs || { exit: 0, fire: 0, tamper: 0, service: 0 });
  const titles = { exit: "Exit button", fire: "Fire alarm", tamper: "Tamper switch", service: "Service button" };
  const brief = ["exit", "service"];
  const buttons = names.map((name) => {
    const b = h("button", { type: "button", onclick: act(place, async () => {
      const on = brief.includes(name) || !state.inputs?.[name];
      await post("/sim/input", { input: name, on });
      if (brief.includes(name)) await post("/sim/input", { input: name, on: false });
    }) }, titles[name] || name);
    parts.push(() => { if (!brief.includes(name)) b.setAttribute("aria-pressed", String(Boolean(state.inputs?.[name]))); });
    return b;
  });
  return tile("Wired inputs", null, h("div", { class: "switches" }, buttons), place);
}

function clockTile() {
  const place = h("div");
  const shown = h("p", { class: "tabular" });
  const trust = h("button", { type: "button", onclick: act(place, () => post("/sim/clock", { trusted: !(state.clock_trusted ?? true) })) });
  const hours = (n) => h("button", { type: "button", class: "small", onclick: act(place, () => post("/sim/clock", { now: new Date(Date.now() + skew + n * 3600e3).toISOString() })) }, n < 24 ? `+${n} h` : `+${n / 24} d`);
  const side = h("span");
  parts.push(() => {
    const trusted = state.clock_trusted ?? true;
    shown.textContent = new Date(Date.now() + skew).toLocaleString();
    side.replaceChildren(trusted ? badge("good", "trusted") : badge("warn", "not trusted"));
    trust.textContent = trusted ? "Lose the time" : "Set the time";
  });
  return tile("Clock", side, shown, h("div", { class: "switches" }, trust, hours(1), hours(24), hours(24 * 365)), place);
}

function showJournal(first) {
  const list = h("ol", { class: "log tall", "aria-live": "polite" });
  let last = 0;
  const add = (entries) => {
    for (const e of entries) {
      last = Math.max(last, e.seq);
      const said = say(e);
      list.prepend(h("li", { class: said.tone }, h("time", {}, time(e.time)), h("span", { class: "dot" }), h("span", { class: "what" }, said.text)));
    }
    while (list.children.length > 200) list.lastChild.remove();
  };
  add(first);
  records.replaceChildren(h("section", { class: "tile" }, h("header", {}, h("h2", {}, "Journal"), badge("", "newest first")), list));
  records.hidden = false;
  setInterval(async () => {
    try {
      add((await get("/sim/journal?after=" + last)).entries);
    } catch {
      // The face says when the panel cannot be reached.
    }
  }, 1000);
}

// sound makes the panel's tones audible: up for yes, down for no.
function sound(tone) {
  if (!audio) return;
  const notes = { granted: [660, 880], key: [520], ringing: [440, 480], answered: [600], "call-ended": [400], alarm: [880, 440, 880], "license-accepted": [523, 659, 784] }[tone] || [300, 220];
  notes.forEach((hz, i) => {
    const o = audio.createOscillator();
    const g = audio.createGain();
    o.frequency.value = hz;
    g.gain.setValueAtTime(0.08, audio.currentTime + i * 0.14);
    g.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + i * 0.14 + 0.13);
    o.connect(g).connect(audio.destination);
    o.start(audio.currentTime + i * 0.14);
    o.stop(audio.currentTime + i * 0.14 + 0.14);
  });
}
