// The licenses in this panel.
import { badge, call, date, failure, get, h, notice, post } from "./api.js";
import { card, field, form, statusTone, statusWords, table, until } from "./kit.js";
import { entitlements } from "./entitlements.js";

export async function licenses() {
  const place = h("div");
  const held = h("div");
  const file = h("input", { type: "file", accept: "image/png,image/jpeg", class: "sr", id: "license-file" });
  const text = h("textarea", { id: "license-text", placeholder: "DP1:…", spellcheck: false, autocomplete: "off" });
  const present = async (work) => {
    place.replaceChildren(h("p", { class: "waiting", role: "status" }, "Checking the license …"));
    try {
      const a = await work();
      place.replaceChildren(notice(a.result === "activated" ? "good" : "call", a.result === "activated" ? "License activated" : "Already active", a.message));
      text.value = "";
      await draw();
    } catch (error) {
      place.replaceChildren(failure(error));
    }
  };
  const picture = (f) => present(() => call("POST", "/api/v1/licenses", f));
  const drop = h("div", { class: "drop" }, "Drop a picture of the license's QR code here", h("label", { for: "license-file", class: "button" }, "Choose or take a picture"), file);
  for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (e) => { e.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (e) => {
    e.preventDefault();
    drop.classList.remove("over");
    const f = [...e.dataTransfer.files].find((x) => ["image/png", "image/jpeg"].includes(x.type));
    const words = e.dataTransfer.getData("text/plain");
    if (f) picture(f);
    else if (words) present(() => post("/api/v1/licenses", { token: words.trim() }));
    else place.replaceChildren(notice("bad", "Not a picture", "Drop a PNG or JPEG file, or the text of the code."));
  });
  file.addEventListener("change", () => { if (file.files[0]) picture(file.files[0]); file.value = ""; });

  async function draw() {
    const [l, e] = await Promise.all([get("/api/v1/licenses"), get("/api/v1/entitlements")]);
    held.replaceChildren(h("div", { class: "content inner" },
      card("Stored licenses", badge("", String(l.licenses.length)), table(["License", "Gives", "State", "Time", "Activated", "Issuer"], l.licenses.map((x) => [
        h("span", {}, x.label || "License", h("br"), h("code", { class: "soft small" }, x.id)),
        Object.entries(x.grants || {}).map(([k, n]) => `${(e.features[k] || {}).title || k}${n > 1 ? ` × ${n}` : ""}`).join(", "),
        h("span", {}, badge(statusTone[x.status] || "", statusWords[x.status] || x.status), x.message && h("span", { class: "soft small" }, " " + x.message)),
        until(x.until), date(x.activated), h("code", { class: "small" }, x.issuer)]), "No license is stored. The panel works with one call button and everything in its own network.")),
      entitlements(e)));
  }
  await draw();
  return [h("div", { class: "columns" },
    card("Add a license", null, drop, form(place, () => present(() => post("/api/v1/licenses", { token: text.value.trim() })), field("Or its text", text), h("div", {}, h("button", { class: "primary" }, "Activate"))), place),
    ), held];
}
