// Guests: let in for a time with a picture or a code. The same for residents and for whoever manages the panel.
import { badge, del, failure, get, h, moment, notice, post } from "./api.js";
import { button, card, doing, field, form, sure, table } from "./kit.js";

const picture = (svg) => h("img", { class: "qr", alt: "The pass as a picture: keep it as an image or send it", src: "data:image/svg+xml," + encodeURIComponent(svg) });

export async function guests() {
  const place = h("div");
  const listing = h("div");
  const name = h("input", { required: true, maxlength: "64", autocomplete: "off" });
  const from = h("input", { type: "datetime-local", required: true });
  const to = h("input", { type: "datetime-local", required: true });
  const uses = h("input", { type: "number", min: "1", max: "1000", value: "1", required: true });
  const kind = h("select", {}, h("option", { value: "pass" }, "A picture for the scanner"), h("option", { value: "code" }, "A code for the keypad"));
  const load = async () => {
    const { guests: list } = await get("/api/v1/guests");
    listing.replaceChildren(table(["Guest", "When", "How", ""], list.map((g) => [h("span", {}, h("strong", {}, g.name), h("span", { class: "soft small" }, ` let in by ${g.by}`)),
      `${moment(g.valid_from)} to ${moment(g.valid_until)}`, h("span", {}, `${g.kind}, ${g.uses} ${g.uses === 1 ? "time" : "times"} `, g.revoked && badge("bad", "withdrawn")),
      doing(g.kind === "pass" && !g.revoked && button("Show", "small", async () => {
        const again = await get("/api/v1/guests/" + g.id);
        place.replaceChildren(notice("good", g.name, "", picture(again.svg)));
      }, place), " ", !g.revoked && sure("Withdraw", async () => { await del("/api/v1/guests/" + g.id); await load(); }, place))]), "No guest is let in.", "narrow"));
  };
  try {
    await load();
  } catch (error) {
    place.replaceChildren(failure(error));
  }
  return card("Guests", null, listing, form(place, async () => {
    const made = await post("/api/v1/guests", { name: name.value.trim(), kind: kind.value, uses: Number(uses.value), valid_from: new Date(from.value).toISOString(), valid_until: new Date(to.value).toISOString() });
    place.replaceChildren(notice("good", made.code ? `Code of ${made.name}: write it down now, it is not kept` : `Pass of ${made.name}`, "",
      made.code && h("p", { class: "secret" }, made.code), made.svg && picture(made.svg), made.pass && h("code", { class: "small" }, made.pass)));
    name.value = "";
    await load();
  }, h("div", { class: "fields" }, field("Who comes", name), field("From", from), field("Until", to), field("How often", uses), field("With", kind)), h("div", {}, h("button", { class: "primary" }, "Let in"))), place);
}
