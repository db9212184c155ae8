// How the panel is.
import { badge, get, h, moment, notice } from "./api.js";
import { card, facts, statusTone, table } from "./kit.js";
import { clockCard } from "./clock.js";
import { entitlements } from "./entitlements.js";
import { contact, strike } from "./doormarks.js";

export async function overview(shell) {
  const place = h("div", { class: "content-body" });
  const draw = async () => {
    const [s, e, d, l] = await Promise.all([get("/api/v1/status"), get("/api/v1/entitlements"), get("/api/v1/doors"), get("/api/v1/lockdown")]);
    const failed = s.parts.filter((p) => p.state === "failed");
    place.replaceChildren(h("div", { class: "content inner" },
      l.on && notice("bad", "Locked down", "Nobody is let in but who may in an emergency. It is ended under Doors."),
      s.read_only && notice("warn", "Nothing can be changed", "The stored data was written by a newer version. Doors work; install that version again to change settings."),
      !s.clock_trusted && notice("warn", "The clock is not trusted", "Cards and codes with dates or schedules are refused until the panel knows the time."),
      ...(s.notes || []).map((n) => notice("warn", "Set aside at start", n)),
      failed.length > 0 && notice("bad", failed.length === 1 ? "One part does not work" : `${failed.length} parts do not work`, failed.map((p) => `${p.kind} ${p.name}: ${p.detail || "failed"}`).join("; ")),
      h("div", { class: "columns" },
        card("This panel", s.clock_trusted ? badge("good", "clock trusted") : badge("warn", "clock not trusted"),
          facts(["Name", s.name || s.site], ["Version", s.version], ["Running since", moment(s.started)], ["Its time", moment(s.now)], ["Panel id", h("code", {}, s.panel)],
            ["Journal", `${s.seq} entries`], ["License roots", s.roots.length ? s.roots.map((r) => h("code", {}, r + " ")) : "none: no license can be activated"],
            ["Certificate", s.fingerprint && h("code", {}, s.fingerprint)])),
        h("div", { class: "stack wide" },
          card("Doors", null, table(["Door", "Strike", "Contact"], d.doors.map((x) => [x.name, strike(x), contact(x)]), "No doors are configured.")),
          card("Parts", null, table(["Part", "State", ""], s.parts.map((p) => [`${p.kind} ${p.name}`, badge(statusTone[p.state] || "", p.state), h("span", { class: "soft small" }, p.detail || "")]), "Nothing is connected.")))),
      entitlements(e, shell.now())));
  };
  await draw();
  shell.every(5000, draw);
  return [place, h("div", { class: "content inner" }, clockCard(shell), shell.session.role === "administrator" && support())];
}

// support hands out what somebody far away needs to find out what is wrong.
function support() {
  return card("Support", null, h("p", { class: "soft" }, "One file with the configuration, the state, the log and the journal. No name, no code, no card, no key and no license is in it."),
    h("div", {}, h("a", { class: "button", href: "/api/v1/bundle", download: "doorpanel-bundle.zip" }, "Download the support bundle")));
}
