// The licenses in this panel: entering them, what they give, and what panels give each other.
import { badge, call, date, failure, get, h, moment, notice, picture, post, put } from "./api.js";
import { hasCamera, look } from "./camera.js";
import { dialog } from "./dialog.js";
import { entitlements } from "./entitlements.js";
import { button, card, count, days, facts, field, form, status, until } from "./kit.js";
import { codeSheet, give, giveBack, undo } from "./pools.js";

const nobody = "Nobody yet";

// forWhom is a choice of the panel's users.
const forWhom = (accounts, chosen, attributes = {}) => h("select", attributes, h("option", { value: "" }, nobody), accounts.map((a) => h("option", { selected: a === chosen }, a)));

// assigning says for whom a license is.
function assigning(id, accounts, chosen, saved) {
  const place = h("div");
  const who = forWhom(accounts, chosen, { "aria-label": "For whom", class: "grow" });
  return h("div", { class: "stack" }, h("div", { class: "row" }, who, button("Say for whom", "small", async () => {
    if (!who.value) {
      place.replaceChildren(notice("warn", "", "Choose somebody first."));
      return;
    }
    const a = await put(`/api/v1/licenses/${id}/account`, { account: who.value });
    place.replaceChildren(notice("good", "", a.message));
    await saved();
  }, place)), place);
}

// adding takes a license as a picture, from the camera, or as a text; a short code is answered in words.
function adding(shell, state, drawn) {
  const place = h("div");
  const file = h("input", { type: "file", accept: "image/png,image/jpeg", class: "sr", id: "license-file" });
  const text = h("textarea", { id: "license-text", placeholder: "DP1:…", spellcheck: false, autocomplete: "off" });
  const who = h("div");
  const account = () => who.querySelector("select")?.value || "";
  const query = () => "/api/v1/licenses" + (account() ? "?account=" + encodeURIComponent(account()) : "");
  const present = async (work) => {
    place.replaceChildren(h("p", { class: "waiting", role: "status" }, "Checking the code …"));
    try {
      const a = await work();
      if (!a) {
        place.replaceChildren();
        return;
      }
      place.replaceChildren(notice(a.result === "activated" ? "good" : "call", a.result === "activated" ? "Accepted" : "Already here", a.message,
        a.waiting && h("div", { class: "stack padded" }, h("p", {}, "For whom is it? Until somebody is named it waits."), assigning(a.license, state.accounts, "", drawn))));
      text.value = "";
      await drawn();
    } catch (error) {
      place.replaceChildren(failure(error));
    }
  };
  const typed = (token) => present(() => post("/api/v1/licenses", account() ? { token, account: account() } : { token }));
  const shown = (f) => present(() => call("POST", query(), f));
  const drop = h("div", { class: "drop" }, "Drop a picture of the QR code here",
    h("div", { class: "row" }, h("label", { for: "license-file", class: "button" }, "Choose or take a picture"),
      hasCamera() && h("button", { type: "button", onclick: () => present(() => look(place, query())) }, "Use this device's camera")), file);
  for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (e) => { e.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (e) => {
    e.preventDefault();
    drop.classList.remove("over");
    const f = [...e.dataTransfer.files].find((x) => ["image/png", "image/jpeg"].includes(x.type));
    const dropped = e.dataTransfer.getData("text/plain");
    if (f) shown(f);
    else if (dropped) typed(dropped.trim());
    else place.replaceChildren(notice("bad", "Not a picture", "Drop a PNG or JPEG file, or the text of the code."));
  });
  file.addEventListener("change", () => { if (file.files[0]) shown(file.files[0]); file.value = ""; });
  const box = card("Add a license", null, drop,
    form(place, () => typed(text.value.trim()),
      field("Or its text", text, "Any code of this system: a license, a share from another panel, another panel's identity, a release"),
      who, h("div", {}, h("button", { class: "primary" }, "Activate"))), place);
  // The choice is made anew only when users came or went: what somebody chose stays.
  const users = (accounts) => {
    if (who.dataset.for === accounts.join()) return;
    who.dataset.for = accounts.join();
    who.replaceChildren(field("For whom", forWhom(accounts, "", { id: "license-account" }), "Only for licenses that belong to one person"));
  };
  return { box, users };
}

// gives is what can be used of a license here, in words.
function gives(license, title) {
  const sold = license.sold || {};
  return Object.entries(license.grants || {}).map(([feature, n]) => {
    const all = sold[feature] || n;
    return h("div", {}, title(feature), all > 1 || n > 1 ? h("span", { class: "tabular" }, all > n ? `: ${n} of ${all} here` : `: ${n}`) : "");
  });
}

const givenAway = (license) => (license.given || []).filter((g) => g.count > 0).map((g) => h("div", {}, h("span", { class: "tabular" }, `${g.count}`), ` with ${g.name || "panel " + g.panel}`));

// one is a stored license with what can be done with it.
function one(license, state, shell, title, drawn) {
  const place = h("div");
  const pools = (license.pools || []).filter((f) => license.grants[f] > 0);
  const left = license.undo_until && new Date(license.undo_until).getTime() > shell.now() ? days(license.undo_until, shell.now()) : "";
  const act = (label, work) => button(label, "small", async () => { await work(); await drawn(); }, place);
  const acts = [
    ...pools.map((f) => (license.given_by
      ? act(pools.length > 1 ? `Give back: ${title(f)}` : "Give back", () => giveBack(license, f))
      : act(pools.length > 1 ? `Give to another panel: ${title(f)}` : "Give to another panel", () => give(license, f)))),
    left && act(`Undo (${left})`, () => undo(license, left)),
  ].filter(Boolean);
  const holds = ["active", "ending", "waiting", "pending", "grace"].includes(license.status);
  const account = license.scope === "account" && holds;
  const name = license.label || Object.keys(license.grants || {}).map(title).join(", ") || "License";
  return h("article", { class: "license", "aria-label": name },
    h("header", {}, h("h3", {}, name), status(license.status)),
    license.message && h("p", { class: "soft" }, license.message),
    facts(
      ["Gives", Object.keys(license.grants || {}).length > 0 && h("div", {}, gives(license, title))],
      ["Given away", givenAway(license).length > 0 && h("div", {}, givenAway(license))],
      ["A share from", license.given_by && (license.giver_name || license.given_by)],
      ["Time", license.status === "ending" ? h("span", {}, badge("warn", days(license.until, shell.now())), " ", until(license.until)) : holds && until(license.until)],
      ["Activated", date(license.activated)],
      ["For", license.scope === "account" && (license.account || nobody)]),
    account && (!license.account || left) && assigning(license.id, state.accounts, license.account, drawn),
    acts.length > 0 && h("div", { class: "row" }, acts), place,
    h("details", {}, h("summary", {}, "Numbers"), facts(["License", h("code", {}, license.id)], ["Short code", license.short_code && h("code", {}, license.short_code)],
      ["Issuer", license.issuer && h("code", {}, license.issuer)], ["Root", license.root && h("code", {}, license.root)])));
}

// pictureOf is the picture of one code.
async function pictureOf(code) {
  const wanted = new URLSearchParams({ kind: code.kind, license: code.license, panel: code.panel || "", feature: code.feature || "" });
  const { codes } = await get("/api/v1/licenses/codes?" + wanted);
  return codes.find((c) => c.code === code.code)?.svg || "";
}

// again lists the codes that may be shown to their panels once more.
function again(codes, title) {
  if (codes.length === 0) return null;
  const what = { slice: "Given", return: "Given back", release: "Released" };
  return card("Codes to show again", badge("", String(codes.length)), h("p", { class: "soft small" }, "A code that was lost or not read can be shown as often as needed: nothing is counted twice."),
    h("ul", { class: "plain codes-again" }, codes.map((c) => h("li", {},
      h("div", { class: "grow" }, h("strong", {}, `${what[c.kind] || c.kind}${c.count ? `: ${title(c.feature)} × ${c.count}` : ""}`),
        h("div", { class: "soft small" }, [c.name || c.panel, c.label, moment(c.at)].filter(Boolean).join(" · "))),
      h("button", { type: "button", class: "small", onclick: () => dialog("Show this code", async (end, place) => codeSheet(c.code, await pictureOf(c), c.name || c.panel ? `For ${c.name || c.panel}` : "For the panel that is to have the license", place)) }, "Show again")))));
}

function identityCard(identity) {
  return card("This panel", null, h("div", { class: "identity" }, identity.svg && picture(identity.svg, "QR code: this panel's identity"),
    h("div", { class: "stack" }, h("strong", {}, identity.name || "Without a name"), h("code", { class: "small" }, identity.panel),
      h("p", { class: "soft small" }, "Show this to the panel that is to give buttons to this one."),
      h("div", {}, h("button", { type: "button", class: "small", onclick: () => dialog("This panel's identity", (end, place) => codeSheet(identity.text, identity.svg, identity.name, place)) }, "Show it large")))));
}

export async function licenses(shell) {
  const held = h("div");
  const state = { accounts: [] };
  const add = adding(shell, state, () => draw());
  const identity = await get("/api/v1/identity");

  async function draw() {
    const [l, e, c] = await Promise.all([get("/api/v1/licenses"), get("/api/v1/entitlements"), get("/api/v1/licenses/codes?pictures=no")]);
    state.accounts = l.accounts;
    add.users(l.accounts);
    const titles = Object.fromEntries(e.overview.map((line) => [line.feature, line.title]));
    const title = (feature) => titles[feature] || feature;
    const waiting = l.licenses.filter((x) => x.status === "waiting").length;
    held.replaceChildren(h("div", { class: "content inner" },
      waiting > 0 && notice("warn", `${count(waiting, "license waits", "licenses wait")} for somebody`, "Say below for whom it is."),
      entitlements(e, shell.now()),
      card("Stored licenses", badge("", String(l.licenses.length)),
        l.licenses.length ? h("div", { class: "licenses" }, l.licenses.map((x) => one(x, state, shell, title, draw))) : h("p", { class: "empty" }, "No license is stored. The panel works with one call button and everything in its own network.")),
      again(c.codes, title)));
  }
  await draw();
  return [h("div", { class: "columns" }, add.box, identityCard(identity)), held];
}
