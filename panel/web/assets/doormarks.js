// A door's strike and contact as badges.
import { badge, h } from "./api.js";

export const strike = (d) => (d.strike === "released" ? badge("good", "released") : d.strike === "failed" ? badge("bad", "failed") : badge("", "locked"));
export const contact = (d) => (d.alarm ? badge("bad", { held: "held open", forced: "forced open", fire: "fire alarm" }[d.alarm] || d.alarm) : d.contact === "none" ? h("span", { class: "soft small" }, "not wired") : badge(d.contact === "open" ? "warn" : "", d.contact));
