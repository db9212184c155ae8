// A door's strike and contact as badges.
import { badge, h } from "./api.js";

const standing = { toggle: "stands open", schedule: "open by schedule", fire: "open: fire" };
const strikes = { failed: ["bad", "failed"], stray: ["bad", "does not obey"], released: ["good", "released"] };

export const strike = (d) => (d.strike === "released" && d.stands_open ? badge("warn", standing[d.stands_open] || "stands open") : badge(...(strikes[d.strike] || ["", "locked"])));
export const contact = (d) => (d.alarm ? badge("bad", { held: "held open", forced: "forced open", fire: "fire alarm" }[d.alarm] || d.alarm) : d.contact === "none" ? h("span", { class: "soft small" }, "not wired") : badge(d.contact === "open" ? "warn" : "", d.contact));
