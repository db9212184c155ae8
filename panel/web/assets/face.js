// The panel as a visitor sees it. With simulated hardware, its hardware stands beside it.
import { by, call, clock, follow, get, h, picture, post } from "./api.js";

const bell = '<path d="M12 3a6 6 0 0 0-6 6v4l-2 3h16l-2-3V9a6 6 0 0 0-6-6zm-2 16a2 2 0 0 0 4 0" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>';
const lock = '<path d="M6 11h12v9H6zm3 0V8a3 3 0 0 1 6 0v3" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>';

let simulated = false;
let touch = false;
let typed = 0;
let typedTimer = 0;
let skew = 0;
let trusted = false;
let codeTimer = 0;
let closed = ""; // the code that somebody at the display has seen enough of

export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.innerHTML = path; // constants of this page's own modules only
  return svg;
}

async function press(number) {
  if (touch) await post("/api/v1/face/press", { button: number });
  else if (simulated) await post("/sim/press", { button: number });
}

async function key(k) {
  if (touch) await post("/api/v1/face/key", { key: k });
  else if (simulated) await post("/sim/keys", { reader: by("bench").dataset.reader || "front-in", keys: k });
  typed = k === "#" || k === "*" ? 0 : Math.min(typed + 1, 12);
  showTyped();
  clearTimeout(typedTimer);
  typedTimer = setTimeout(() => { typed = 0; showTyped(); }, 10000);
}

function showTyped() {
  by("dots").textContent = "•".repeat(typed);
}

// trying shows on the display what could not be sent, for a moment.
function trying(work) {
  return async () => {
    try {
      await work();
    } catch (error) {
      by("text").textContent = error.message;
    }
  };
}

function show(view) {
  touch = view.touch;
  trusted = view.trusted;
  skew = new Date(view.time).getTime() - Date.now();
  document.documentElement.lang = view.language || "en";
  document.title = view.site || "Door panel";
  by("site").textContent = view.site || "Door panel";
  by("lamp").dataset.light = view.light || "off";
  const text = by("text");
  text.textContent = view.text || (view.buttons.length ? "Please ring" : "Welcome");
  text.classList.toggle("idle", !view.text);
  by("calls").replaceChildren(...view.buttons.map(button));
  showCode(view.code);
  showSetup(view.setup);
  by("notice").hidden = !view.notice || Boolean(view.text);
  by("notice").textContent = view.notice || "";
  tick();
  allow();
}

// showCode shows a code for another panel's camera, below what a visitor reads and above what is pressed.
function showCode(code) {
  clearTimeout(codeTimer);
  const place = by("code");
  if (!code) closed = "";
  place.hidden = !code || code.svg === closed;
  if (!code) {
    place.classList.remove("large");
    return;
  }
  codeTimer = setTimeout(() => { place.hidden = true; }, code.seconds * 1000);
  const large = place.classList.contains("large");
  place.replaceChildren(h("button", { type: "button", class: "bare", "aria-label": large ? "Smaller" : "Larger", onclick: () => { place.classList.toggle("large"); showCode(code); } }, picture(code.svg, `QR code: ${code.title}`)),
    h("p", {}, h("strong", {}, code.title), large ? "Touch the code to see the buttons again." : "Hold the other panel's reader to it, or take a picture. Touch it to make it larger."),
    h("button", { type: "button", onclick: () => { closed = code.svg; place.hidden = true; } }, "Close"));
}

// showSetup says who the panel is and where its pages are, while nobody administers it.
function showSetup(setup) {
  const place = by("setup");
  place.hidden = !setup;
  if (!setup) return;
  place.replaceChildren(setup.svg ? picture(setup.svg, "QR code: this panel's identity") : "", h("dl", {},
    h("dt", {}, "This panel"), h("dd", {}, setup.name || setup.panel),
    setup.address && [h("dt", {}, "Set it up at"), h("dd", {}, setup.address.replace(/\/$/, "") + "/admin")],
    h("dt", {}, "Its id"), h("dd", {}, h("code", {}, setup.panel))));
}

function button(b) {
  const name = h("span", { class: "name" }, b.label || `Button ${b.number}`);
  if (!b.active) name.append(h("span", { class: "why" }, b.why || "Not active"));
  // A locked button can be pressed all the same: the panel then tells the visitor why nobody rings.
  return h("button", { type: "button", class: b.active ? "" : "locked", onclick: trying(() => press(b.number)) },
    h("span", { class: "bell" }, icon(b.active ? bell : lock)), name, h("span", { class: "number" }, String(b.number)));
}

function allow() {
  for (const b of document.querySelectorAll(".calls button, .pad button")) b.disabled = !touch && !simulated;
}

function tick() {
  by("clock").textContent = trusted ? clock(Date.now() + skew) : "--:--";
}

by("pad").append(...["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"].map((k) =>
  h("button", { type: "button", "aria-label": { "*": "Clear", "#": "Enter" }[k] || k, onclick: trying(() => key(k)) }, k)));

setInterval(tick, 1000);
follow("/api/v1/face/events", "face", show, (up) => { by("offline").hidden = up; });

// Only a page opened on the panel's own host by its own name may ask for the hardware; elsewhere there is nothing to ask.
if (["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)) {
  try {
    const view = await get("/api/v1/face");
    if (view.simulated) {
      simulated = true;
      const { start } = await import("./sim.js");
      await start(call);
      by("stage").classList.add("demo");
      allow();
    }
  } catch {
    // The stream above says whether the panel can be reached.
  }
}
