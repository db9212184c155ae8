// The call buttons and whom they call.
import { badge, del, get, h, notice, post, put } from "./api.js";
import { button, card, doing, field, form, sure, table } from "./kit.js";

export async function buttons() {
  const listing = h("div");
  const place = h("div");
  const number = h("input", { type: "number", min: "1", max: "9999", required: true });
  const label = h("input", { required: true, maxlength: "100", autocomplete: "off" });
  const target = h("input", { maxlength: "100", autocomplete: "off", spellcheck: false, class: "mono", placeholder: "sip:101@192.168.1.20" });
  const load = async () => {
    const { buttons: list } = await get("/api/v1/buttons");
    number.value = String(list.length ? Math.max(...list.map((b) => b.number)) + 1 : 1);
    listing.replaceChildren(table(["No.", "Label", "Calls", "State", ""], list.map((b) => [String(b.number), h("strong", {}, b.label), b.target ? h("code", {}, b.target) : h("span", { class: "soft" }, "nobody"),
      h("span", {}, b.active ? badge("good", "active") : badge("warn", "not active"), !b.active && b.why && h("span", { class: "soft small" }, " " + b.why)),
      doing(button("Test call", "small", async () => {
        const tested = await post(`/api/v1/buttons/${b.number}/test`);
        place.replaceChildren(notice(tested.active ? "good" : "warn", `Button ${b.number} was pressed`, tested.active ? `It calls ${tested.label} as a visitor would; the journal says that you tested it.` : tested.why));
      }, place), " ", h("button", { type: "button", class: "small", onclick: () => { number.value = String(b.number); label.value = b.label; target.value = b.target || ""; label.focus(); } }, "Change"), " ",
        sure("Clear", async () => { await del("/api/v1/buttons/" + b.number); await load(); }, place))]), "No button is set.", "narrow"));
  };
  await load();
  return [card("Call buttons", h("a", { href: "#licenses" }, "Add more with a license"), listing), card("Set a button", null, form(place, async () => {
    const b = await put("/api/v1/buttons/" + number.value, { label: label.value.trim(), target: target.value.trim() });
    place.replaceChildren(notice(b.active ? "good" : "warn", "Saved", b.active ? `Button ${b.number} rings now.` : b.why || "It is not active yet."));
    label.value = target.value = "";
    await load();
  }, h("div", { class: "fields" }, field("Number", number), field("Label", label, "What the visitor reads"), field("Calls", target, "A telephone's address; empty: nobody")), h("div", {}, h("button", { class: "primary" }, "Save button"))), place)];
}
