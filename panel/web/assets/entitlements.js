// What the licenses give, as the overview and the licenses tab show it.
import { badge, h } from "./api.js";
import { card, statusTone, statusWords, table, until } from "./kit.js";

export function entitlements(e) {
  const rows = Object.entries(e.features).map(([, f]) => [f.title, badge(statusTone[f.status] || "", statusWords[f.status] || f.status), f.count ? String(f.count) : "", until(f.until), h("span", { class: "soft small" }, f.message || "")]);
  return card("What the licenses give", location.hash === "#licenses" ? null : h("a", { href: "#licenses" }, "Add a license"),
    h("div", { class: "row" }, h("span", { class: "big" }, String(e.buttons)), h("span", { class: "soft" }, e.buttons === 1 ? "call button can be used: the free one" : `call buttons can be used: ${e.buttons - 1} licensed + 1 free`)),
    rows.length > 0 && table(["Feature", "State", "Count", "Time", ""], rows, ""),
    e.missing.length > 0 && h("div", { class: "stack" }, h("p", { class: "soft small" }, "No license for these is stored in this panel:"), h("div", { class: "row tight" }, e.missing.map((m) => badge("", m.title)))),
    h("p", { class: "soft small" }, "Exit, fire alarm, the first button and calls in this network never need a license."));
}
