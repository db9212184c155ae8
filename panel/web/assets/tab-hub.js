// The hub that the panel belongs to.
import { badge, del, get, h, moment, notice, post } from "./api.js";
import { card, facts, field, form, statusTone, sure } from "./kit.js";

const address = "/api/v1/hub";

export async function hub(shell) {
  const place = h("div");
  const side = h("span");
  const body = h("div", { class: "stack" });
  let shown = "";

  const connection = (v) => [
    v.state === "failed" && notice("bad", "Not connected", v.detail || "The hub's broker cannot be reached."),
    v.state === "ok" && v.detail && notice("warn", "Connected, but something is wrong", v.detail)];

  const joined = (v) => [...connection(v),
    facts(["Hub", v.hub], ["Site there", v.site], ["Joined", `${moment(v.since)}${v.by ? ` by ${v.by}` : ""}`], ["Joined at", h("code", {}, v.address)], ["Broker", h("code", {}, v.broker)],
      ["Certificate until", v.certificate_until && moment(v.certificate_until)], ["Fingerprint of the hub", h("code", {}, v.fingerprint)]),
    h("p", { class: "soft small" }, "The hub receives this panel's journal and its state, warns when it is gone, and may open doors and bring licenses. The panel's own rules still decide."),
    h("div", {}, sure("Leave this hub", async () => {
      await del(address);
      place.replaceChildren(notice("good", "Left", "This panel belongs to no hub. At the hub it is shown as gone: revoke it there."));
      await load();
    }, place))];

  const alone = () => {
    const code = h("textarea", { class: "mono", rows: 4, required: true, spellcheck: false, autocomplete: "off", placeholder: "DH1:…" });
    return [h("p", {}, "This panel belongs to no hub. A hub watches over many panels: it warns when one is gone, and keeps their journals."),
      form(place, async () => {
        const v = await post(address, { code: code.value.trim() });
        place.replaceChildren(notice("good", "Joined", `This panel belongs to ${v.hub} now.`));
        await load();
      }, field("The hub's pairing code", code, "The hub's page shows it for ten minutes. The panel's scanner reads it, too, within ten minutes after the service input."),
      h("div", {}, h("button", { class: "primary" }, "Join this hub")))];
  };

  const configured = (v) => [...connection(v), h("p", {}, "The configuration file connects this panel to a broker."), facts(["Broker", h("code", {}, v.configured)]),
    h("p", { class: "soft" }, "To join a hub with a pairing code, take broker out of [uplink] in the file and start the panel again.")];

  const draw = (v) => {
    const word = !v.paired && !v.configured ? "none" : v.state === "ok" ? "connected" : v.state === "failed" ? "not connected" : "connecting";
    const now = JSON.stringify(v);
    if (now === shown) return; // somebody may be typing
    shown = now;
    side.replaceChildren(badge(statusTone[v.state] || "", word));
    body.replaceChildren(...(v.configured ? configured : v.paired ? joined : alone)(v).filter(Boolean));
  };
  const load = async () => draw(await get(address));
  await load();
  shell.every(3000, load);
  return card("Hub", side, body, place);
}
