// The silent alarm, and the second codes that raise it. What is answered once is shown once.
import { badge, del, get, h, notice, post } from "./api.js";
import { button, card, facts, field, form, sure } from "./kit.js";
import { dialog } from "./dialog.js";

const address = "/api/v1/duress";

// silentAlarm is for administrators: the API asks for that role.
export async function silentAlarm() {
  const place = h("div");
  const side = h("span");
  const body = h("div", { class: "stack" });
  let message = ""; // that carries the number, sealed; the panel does not keep it

  const load = async () => draw(await get(address));
  const off = (label) => sure(label, async () => {
    await del(address);
    place.replaceChildren();
    await load();
  }, place);

  const test = (hint) => {
    // The pattern also holds back the secret half, which begins with other words and must never come to the panel.
    const key = h("input", { class: "mono", required: true, spellcheck: false, autocomplete: "off", maxlength: "80", placeholder: "x25519:…",
      pattern: "\\s*x25519:[A-Za-z0-9_\\-]{43}\\s*", title: "x25519: and 43 characters" });
    return form(place, async () => {
      message = (await post(address + "/test", { recipient: key.value.trim() })).message;
      place.replaceChildren();
      await load();
    }, field("The recipient's public key", key, "The recipient makes it with “doorpanel duress keygen” and keeps the other half away from the panel"),
    h("p", { class: "soft small" }, hint), h("div", {}, h("button", { class: "primary" }, "Make the test")));
  };

  // byHub makes the test with the hub that the panel belongs to; its people get the number.
  const byHub = (s) => (s.hub ? [h("div", { class: "stack" },
    h("p", {}, "This panel belongs to a hub. The hub can get the alarm and tell those who look after the site."),
    h("div", {}, button("Test with the hub", "primary", async () => {
      message = "";
      await post(address + "/test", { recipient: "hub" });
      place.replaceChildren();
      await load();
    }, place)))] : []);
  const whose = (key, s) => (key === s.hub ? "this panel's hub" : h("code", {}, key));

  const number = () => {
    const digits = h("input", { class: "mono", required: true, inputmode: "numeric", autocomplete: "off", maxlength: "8", pattern: "[0-9]{8}", title: "8 digits" });
    return form(place, async () => {
      try {
        await post(address + "/confirm", { number: digits.value });
        place.replaceChildren(notice("good", "The silent alarm is on", "Codes for duress can be made now, on each person's page."));
      } finally {
        await load(); // the third wrong number ended the test
      }
    }, field("The number that the recipient read", digits, "8 digits. Three wrong ones end the test"),
    h("div", { class: "row" }, h("button", { class: "primary" }, "Switch on"), off("End the test")));
  };

  const states = {
    off: (s) => [h("p", {}, "The silent alarm is off. Nobody would hear of a code for duress, and none can be made."),
      ...byHub(s), test("The panel seals a number to this key. Only its recipient can read it, and the alarm is on once the number is entered here.")],
    waiting: (s) => [h("p", {}, "The silent alarm is off and waits for the recipient's test."), facts(["Recipient", whose(s.waiting, s)]),
      s.waiting === s.hub ? h("p", { class: "soft" }, "The hub sends the number to those who get its silent alarms, by mail or SMS. Ask them for it.")
        : message ? field("Send this message to the recipient", h("textarea", { class: "mono", readOnly: true, rows: 3, onfocus: (e) => e.target.select() }, message), "They read the number with “doorpanel duress open”")
        : h("p", { class: "soft" }, "The message was shown to whoever made the test. If it was lost, end the test and make another."), number()],
    on: (s) => [h("p", {}, "The silent alarm is on. Whoever opens with a second code for duress tells the recipient, and nobody at the door."),
      facts(["Recipient", whose(s.recipient, s)]), h("div", {}, off("Switch off")),
      h("details", {}, h("summary", {}, "Test again, or another recipient"), ...byHub(s), test("From now on the alarm is off until the number of the new test is entered here."))],
  };
  const draw = (s) => {
    const [state, tone, words] = s.on ? ["on", "good", "on"] : s.waiting ? ["waiting", "warn", "waiting for the recipient's test"] : ["off", "", "off"];
    if (state !== "waiting") message = "";
    side.replaceChildren(badge(tone, words));
    body.replaceChildren(...states[state](s));
  };
  await load();
  return card("Silent alarm (duress)", side, body, place);
}

// secondCode is the same beside every code: whether there is a second one is not told.
export const secondCode = (c, person) => h("button", { type: "button", class: "small", onclick: () => dialog(`Second code for duress: ${person.name}`, (end, show) => {
  const place = h("div");
  const path = `/api/v1/credentials/${encodeURIComponent(c.id)}/duress`;
  const close = h("div", {}, h("button", { type: "button", onclick: end }, "Done"));
  show(h("p", {}, "It opens the door like any other code, and raises the silent alarm. Nothing on the panel shows it: not the door, not these pages, not the journal."),
    h("p", { class: "soft small" }, "A new one takes the place of the one before. It ends with the code beside which it stands."),
    h("div", { class: "row" }, button("Make a second code", "primary", async () => {
      const made = await post(path);
      show(h("p", { class: "secret" }, made.code), h("p", {}, "Write it down now: the panel does not keep it, and it is not shown again."),
        h("p", {}, "It opens the door like any other code. Nothing on the panel shows that it is for duress."), close);
    }, place), sure("Withdraw the second code", async () => {
      await del(path);
      show(notice("good", "Withdrawn", "If there was a second code, it opens nothing any more."), close);
    }, place)), place);
}) }, "Second code for duress");
