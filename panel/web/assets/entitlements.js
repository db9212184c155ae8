// What the licenses give, as the overview and the licenses tab show it.
import { badge, date, h, notice } from "./api.js";
import { card, days, status, table, until } from "./kit.js";

const buttons = "buttons";
let missingOpen = false; // the overview is drawn anew every few seconds

// from names the licenses behind a line.
const from = (line) => (line.from || []).map((s) => h("div", {}, s.label || `License ${s.license.slice(0, 8)}…`, s.count > 1 ? ` × ${s.count}` : "", s.given_by && h("span", { class: "soft small" }, ` from panel ${s.given_by.slice(0, 8)}…`)));

// Of these a panel has something, now or later.
const had = ["active", "ending", "waiting", "grace", "pending"];

function row(line) {
  const free = line.feature === buttons ? " + 1 free" : "";
  const number = (n) => (line.counted ? h("span", { class: "tabular" }, String(n)) : "");
  return [h("strong", {}, line.title), status(line.status), had.includes(line.status) ? until(line.until) : "",
    line.counted ? h("span", { class: "tabular" }, `${line.maximum} licensed${free}`)         : had.includes(line.status) ? "unlimited" : "none", number(line.used),
    line.over ? badge("bad", `${line.over} over`) : number(line.available),
    h("div", {}, from(line), line.why && h("span", { class: "soft small" }, line.why))];
}

// endings warns of what ends within thirty days.
function endings(lines, now) {
  const soon = lines.filter((l) => l.status === "ending" && l.until);
  return soon.length > 0 && notice("warn", "Ends soon", "", h("ul", { class: "plain" }, soon.map((l) => h("li", {}, `${l.title}: ${days(l.until, now)}, until ${date(l.until)}`))));
}

export function entitlements(e, now) {
  const here = e.overview.filter((l) => l.status !== "missing" || l.feature === buttons);
  const missing = e.overview.filter((l) => l.status === "missing" && l.feature !== buttons);
  return card("What the licenses give", location.hash === "#licenses" ? null : h("a", { href: "#licenses" }, "Add a license"),
    endings(here, now),
    h("div", { class: "row" }, h("span", { class: "big" }, String(e.buttons)), h("span", { class: "soft" }, e.buttons === 1 ? "call button can be used: the free one" : `call buttons can be used: ${e.buttons - 1} licensed + 1 free`)),
    table(["Feature", "Status", "Time", "Maximum", "Used", "Available", "From"], here.map(row), "", "narrow"),
    missing.length > 0 && h("details", { open: missingOpen, ontoggle: (e) => { missingOpen = e.currentTarget.open; } }, h("summary", {}, `Not licensed here (${missing.length})`),
      table(["Feature", "Why not"], missing.map((l) => [l.title, h("span", { class: "soft small" }, l.why || "")]), "")),
    h("p", { class: "soft small" }, "Exit, fire alarm, the first button and calls in this network never need a license."));
}
