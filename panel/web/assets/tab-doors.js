// The doors, now.
import { get, h, notice, post } from "./api.js";
import { button, card, doing, table } from "./kit.js";
import { contact, strike } from "./doormarks.js";
import { why } from "./words.js";

export async function doors(shell) {
  const place = h("div");
  const listing = h("div");
  const load = async () => {
    const { doors: list } = await get("/api/v1/doors");
    listing.replaceChildren(table(["Door", "Strike", "Contact", "Without power", ""], list.map((d) => [h("strong", {}, d.name), strike(d), contact(d),
      h("span", { class: "soft" }, d.safe === "fail-safe" ? "unlocked (fail-safe)" : "locked (fail-secure)"),
      doing(button("Test: open now", "primary small", async () => {
        try {
          await post(`/api/v1/doors/${encodeURIComponent(d.name)}/open`);
          place.replaceChildren(notice("good", "", `${d.name} is released.`));
        } catch (error) {
          if (!error.why) throw error;
          place.replaceChildren(notice("bad", "Not opened", why(error.why)));
        }
        await load();
      }, place))]), "No doors are configured.", "narrow"));
  };
  await load();
  shell.every(2000, load);
  return h("div", { class: "content-body" }, h("div", { class: "content inner" }, await lockdown(shell), card("Doors", null, listing, h("p", { class: "soft small" }, "A test opens the door as a grant would, for the length of its pulse; the journal says who did it."), place)));
}

// lockdown begins and ends a lockdown, and says which of both it is.
async function lockdown(shell) {
  const place = h("div");
  const state = h("div", { class: "stack" });
  const draw = async () => {
    const { on } = await get("/api/v1/lockdown");
    state.replaceChildren(
      on ? notice("bad", "Locked down", "Nobody is let in but who may in an emergency. Exit buttons and fire open as ever.") : h("p", { class: "soft" }, "Lets nobody in but who may in an emergency. Exit buttons and fire open as ever."),
      h("div", {}, button(on ? "End the lockdown" : "Lock down", on ? "primary" : "danger", async () => {
        await post("/api/v1/lockdown", { on: !on });
        await draw();
      }, place)));
  };
  await draw();
  shell.every(5000, draw);
  return card("Lockdown", null, state, place);
}
