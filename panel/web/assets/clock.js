// The panel's time: what it shows, who vouches for it, and a way to set it by hand.
import { badge, get, h, moment, notice, post } from "./api.js";
import { button, card, facts, field, form } from "./kit.js";

const sources = { synchronized: "a time server", administrator: "set by hand", battery: "the board's battery clock" };

const spoken = (seconds) => (seconds >= 5400 ? `${Math.round(seconds / 3600)} hours` : `${Math.max(1, Math.round(seconds / 60))} minutes`);

// clockCard shows the time now and again; its form stays as it is while somebody types.
export function clockCard(shell) {
  const shown = h("div", { class: "stack" });
  const draw = (c) => shown.replaceChildren(...[
    h("div", { class: "row" }, c.trusted ? badge("good", "trusted") : badge("warn", "not trusted")),
    facts(["Time", moment(c.now)], ["It comes from", sources[c.source] || "nobody vouches for it"], ["Certainly past", c.mark && moment(c.mark)]),
    c.settles_s > 0 && h("p", { class: "soft small" }, `The time that was set by hand counts as certain once the panel has run for ${spoken(c.settles_s)} more; until then it can be corrected without a trace.`)].filter(Boolean));
  const load = async () => draw(await get("/api/v1/clock"));
  shell.every(5000, load);
  load().catch(() => {});
  return card("Clock", null, shown, shell.session.role === "administrator" && setter(draw));
}

function setter(draw) {
  const place = h("div", {});
  const input = h("input", { type: "datetime-local", name: "now", step: "1", required: true });
  const set = async (now, confirm) => {
    try {
      draw(await post("/api/v1/clock", { now, confirm }));
      input.value = "";
      place.replaceChildren(notice("good", "", "The clock is set."));
    } catch (error) {
      if (confirm || error.kind !== "far-ahead") throw error;
      place.replaceChildren(notice("warn", "Is this the right year?", error.message,
        h("div", {}, button("It is right", "small danger", () => set(now, true), place))));
    }
  };
  return form(place, () => set(new Date(input.value).toISOString(), false),
    h("div", { class: "row" }, field("Set the clock by hand", input, "In this browser's time zone."),
      h("button", {}, "Set"), button("Take this device's time", "quiet", () => set(new Date().toISOString(), false), place)), place);
}
