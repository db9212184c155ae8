// Giving buttons to another panel, giving them back, giving a license up: what stops is named before it stops.
import { call, failure, get, h, notice, picture, post } from "./api.js";
import { hasCamera, look } from "./camera.js";
import { dialog } from "./dialog.js";
import { count, field } from "./kit.js";

const other = "other"; // the choice of a panel that is not known here yet

// codeSheet shows a code for another panel, large, and ways to bring it there.
export function codeSheet(code, svg, lead, place) {
  const said = h("div");
  const text = h("textarea", { readOnly: true, "aria-label": "The code's text", class: "code" }, code);
  const street = /^(DI1|DS1|DB1):/.test(code) && svg;
  const act = (work, done) => async () => {
    try {
      await work();
      said.replaceChildren(done);
    } catch (error) {
      said.replaceChildren(failure(error));
    }
  };
  place(lead && h("p", {}, lead),
    svg ? h("div", { class: "sheet-code" }, picture(svg, "QR code for the other panel")) : notice("warn", "No picture", "This code is too long for a QR code. Copy its text to the other panel's page."),
    text,
    h("div", { class: "row" },
      h("button", { type: "button", onclick: act(async () => { text.select(); await navigator.clipboard.writeText(code); }, notice("good", "", "The text is copied.")) }, "Copy the text"),
      street && h("button", { type: "button", onclick: act(() => post("/api/v1/face/code", { text: code }), notice("good", "", "The panel's display shows it for two minutes.")) }, "Show on the panel's display"),
      svg && h("a", { class: "button", download: "code.svg", href: "data:image/svg+xml," + encodeURIComponent(svg) }, "Save the picture")),
    said);
}

// stopping names the buttons that would stop.
const stopping = (stops) => stops.length > 0 && notice("warn", count(stops.length, "call button stops", "call buttons stop"), "",
  h("ul", { class: "plain", "aria-label": "Buttons that stop" }, stops.map((s) => h("li", {}, h("span", { class: "tabular" }, `${s.number}`), " · ", s.label || "without a label"))));

// ordering is the part that giving, giving back and releasing share: a preview at each change, then the order with what was seen.
function ordering(path, wish, verb, done) {
  const place = h("div", { class: "stack", role: "status", "aria-live": "polite" });
  const go = h("button", { type: "submit", class: "primary", disabled: true }, verb());
  let confirmed = [];
  let asked = 0;
  const draw = (a) => {
    confirmed = a.stops.map((s) => s.number);
    place.replaceChildren(h("p", {}, "Usable here: ", h("strong", { class: "tabular" }, `${a.before} → ${a.after}`)), stopping(a.stops) || h("p", { class: "soft small" }, "No call button stops."));
    go.textContent = confirmed.length ? `${verb()} and stop ${count(confirmed.length, "button", "buttons")}` : verb();
    go.classList.toggle("danger", confirmed.length > 0);
    go.disabled = false;
  };
  const preview = async () => {
    const mine = ++asked;
    go.disabled = true;
    go.textContent = verb();
    const order = wish();
    if (!order) {
      place.replaceChildren();
      return;
    }
    try {
      const a = await post(path, { ...order, preview: true });
      if (mine === asked) draw(a);
    } catch (error) {
      if (mine === asked) place.replaceChildren(failure(error));
    }
  };
  const send = async (e) => {
    e.preventDefault();
    go.disabled = true;
    place.replaceChildren(h("p", { class: "waiting" }, "Working …"));
    try {
      done(await post(path, { ...wish(), confirm: confirmed }));
    } catch (error) {
      if (error.status !== 409 || error.stops.length === 0) {
        place.replaceChildren(failure(error));
        return;
      }
      // Somebody set a button in between: what stops now is named, and asked again.
      confirmed = error.stops.map((s) => s.number);
      place.replaceChildren(failure(error), stopping(error.stops));
      go.textContent = `${verb()} and stop ${count(confirmed.length, "button", "buttons")}`;
      go.disabled = false;
    }
  };
  return { place, go, preview, send };
}

// amount is a number and a slider that say the same.
function amount(most, changed) {
  const number = h("input", { type: "number", min: "1", max: String(most), value: "1", required: true, id: "pool-count", class: "tabular" });
  const slider = h("input", { type: "range", min: "1", max: String(most), value: "1", "aria-label": "How many", class: "grow" });
  const follow = (from, to) => from.addEventListener("input", () => { to.value = from.value; changed(); });
  follow(number, slider);
  follow(slider, number);
  return { box: h("div", { class: "row end" }, h("label", { class: "grow" }, `How many of ${most}`, number), slider), value: () => (number.checkValidity() ? Number(number.value) : 0) };
}

// chooser asks which panel, and learns of a new one from its identity.
async function chooser(changed) {
  let panels = (await get("/api/v1/panels")).panels;
  const select = h("select", { id: "pool-panel" });
  const text = h("textarea", { id: "pool-identity", placeholder: "DI1:…", spellcheck: false, autocomplete: "off" });
  const file = h("input", { type: "file", accept: "image/png,image/jpeg", class: "sr", id: "pool-file" });
  const said = h("div");
  const fresh = h("div", { class: "stack" },
    field("Its identity", text, "On the other panel: Licenses, This panel. Copy the text, or show its picture here."),
    h("div", { class: "row" }, h("label", { for: "pool-file", class: "button" }, "Choose or take a picture"), file,
      hasCamera() && h("button", { type: "button", onclick: () => learn(() => look(said, "/api/v1/licenses")) }, "Use this device's camera")));
  const draw = (chosen) => {
    select.replaceChildren(...panels.map((p) => h("option", { value: p.panel }, p.name ? `${p.name} (${p.panel.slice(0, 8)}…)` : p.panel)), h("option", { value: other }, "Another panel: show its identity"));
    select.value = chosen;
    fresh.hidden = select.value !== other;
  };
  // learn lets the panel read an identity and chooses the panel that became known.
  const learn = async (work) => {
    said.replaceChildren(h("p", { class: "waiting", role: "status" }, "Reading the identity …"));
    try {
      const a = await work();
      said.replaceChildren();
      if (!a) return;
      const before = new Set(panels.map((p) => p.panel));
      panels = (await get("/api/v1/panels")).panels;
      const found = panels.find((p) => p.panel === a.panel) || panels.find((p) => !before.has(p.panel));
      said.replaceChildren(notice(found ? "good" : "warn", "", found ? `${found.name || found.panel} is known here now.` : a.message));
      if (found) draw(found.panel);
      changed();
    } catch (error) {
      said.replaceChildren(failure(error));
    }
  };
  select.addEventListener("change", () => { fresh.hidden = select.value !== other; changed(); });
  text.addEventListener("input", changed);
  file.addEventListener("change", () => { if (file.files[0]) learn(() => call("POST", "/api/v1/licenses", file.files[0])); file.value = ""; });
  draw(panels.length ? panels[0].panel : other);
  return { box: h("div", { class: "stack" }, field("To which panel", select), fresh, said), value: () => (select.value === other ? text.value.trim() : select.value) };
}

// later runs work once nothing has changed for a moment.
function later(work) {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(work, 250); };
}

const order = (license, what) => `/api/v1/licenses/${license.id}/${what}`;

// give gives a part of a license to another panel.
export const give = (license, feature) => dialog("Give to another panel", async (end, place) => {
  const changed = later(() => deal.preview());
  const [to, many] = [await chooser(changed), amount(license.grants[feature], changed)];
  const wish = () => (to.value() && many.value() ? { to: to.value(), feature, count: many.value() } : null);
  const deal = ordering(order(license, "give"), wish, () => `Give ${many.value() || ""}`, (a) => codeSheet(a.code, a.svg, a.message, place));
  place(h("p", { class: "soft" }, "They are deducted here first. The other panel has them once it was shown the code."),
    h("form", { onsubmit: deal.send }, to.box, many.box, deal.place, h("div", { class: "row" }, deal.go, h("button", { type: "button", onclick: end }, "Cancel"))));
  await deal.preview();
});

// giveBack returns a part of a share to the panel it came from.
export const giveBack = (license, feature) => dialog("Give back", async (end, place) => {
  const changed = later(() => deal.preview());
  const many = amount(license.grants[feature], changed);
  const wish = () => (many.value() ? { feature, count: many.value() } : null);
  const deal = ordering(order(license, "return"), wish, () => `Give back ${many.value() || ""}`, (a) => codeSheet(a.code, a.svg, a.message, place));
  place(h("p", { class: "soft" }, `They came from ${license.giver_name || "panel " + license.given_by}. That panel has them again once it was shown the code.`),
    h("form", { onsubmit: deal.send }, many.box, deal.place, h("div", { class: "row" }, deal.go, h("button", { type: "button", onclick: end }, "Cancel"))));
  await deal.preview();
});

// undo gives a license up that was activated here by mistake.
export const undo = (license, left) => dialog("Undo the activation", async (end, place) => {
  const deal = ordering(order(license, "release"), () => ({}), () => "Release the license", (a) => codeSheet(a.code, a.svg, a.message, place));
  place(h("p", {}, "This panel signs that it gives the license up, at once and for good. The code that you get then lets another panel have it."),
    h("p", { class: "soft" }, `It can be undone for seven days after the activation: ${left}.`),
    h("form", { onsubmit: deal.send }, deal.place, h("div", { class: "row" }, deal.go, h("button", { type: "button", onclick: end }, "Cancel"))));
  await deal.preview();
});
