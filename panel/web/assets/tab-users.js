// Who may log in.
import { del, get, h, moment, notice, put } from "./api.js";
import { card, doing, field, form, sure, table } from "./kit.js";

export async function users(shell) {
  const own = h("div");
  const old = h("input", { type: "password", required: true, autocomplete: "current-password" });
  const fresh = h("input", { type: "password", required: true, autocomplete: "new-password", minlength: "10" });
  const mine = card("Your own password", null, form(own, async (f) => {
    await put("/api/v1/session/password", { old: old.value, new: fresh.value });
    f.reset();
    own.replaceChildren(notice("good", "Changed", "Other devices where you were logged in must log in again."));
  }, field("Old password", old), field("New password", fresh), h("div", {}, h("button", { class: "primary" }, "Change password"))), own);
  if (shell.session.role !== "administrator") return mine;

  const listing = h("div");
  const place = h("div");
  const name = h("input", { required: true, maxlength: "32", autocomplete: "off", autocapitalize: "none", spellcheck: false });
  const role = h("select", {}, h("option", { value: "installer" }, "Installer"), h("option", { value: "administrator" }, "Administrator"), h("option", { value: "resident" }, "Resident"));
  const password = h("input", { type: "password", autocomplete: "new-password", minlength: "10" });
  const until = h("input", { type: "datetime-local" });
  const load = async () => {
    const { users: list } = await get("/api/v1/users");
    listing.replaceChildren(table(["User", "Role", ""], list.map((u) => [h("strong", {}, u.user), u.until ? `${u.role}, until ${moment(u.until)}` : u.role,
      doing(u.user !== shell.session.user && sure("Remove", async () => { await del("/api/v1/users/" + encodeURIComponent(u.user)); await load(); }, place))]), ""));
  };
  await load();
  return [card("Who may log in", null, listing, h("p", { class: "soft small" }, "Administrators may do everything. Installers may do everything but this page. Residents open doors at /app.")),
    h("div", { class: "columns" },
      card("Add or change a user", null, form(place, async () => {
        const wish = { role: role.value };
        if (password.value) wish.password = password.value;
        if (until.value) wish.until = new Date(until.value).toISOString();
        await put("/api/v1/users/" + encodeURIComponent(name.value.trim()), wish);
        place.replaceChildren(notice("good", "Saved", `${name.value.trim()} may log in as ${role.value}.`));
        name.value = password.value = "";
        await load();
      }, field("Name", name, "a to z, 0 to 9"), field("Role", role), field("Password", password, "At least 10 characters; empty keeps the old one"), field("Ends by itself", until, "For an installer who is here for a week; empty keeps what was"), h("div", {}, h("button", { class: "primary" }, "Save user"))), place),
      mine)];
}
