// The journal's kinds and reasons in plain words.

const whys = {
  unknown: "it is not known here",
  revoked: "it was withdrawn",
  other_door: "it is for another door",
  not_yet_valid: "its first day has not come",
  expired: "its last day has passed",
  outside_schedule: "not at this time of the week",
  clock_not_trusted: "the panel does not know the time",
  not_licensed: "access control is not licensed",
  blocked: "too many wrong tries",
  tampered: "the tamper block is on",
  lockdown: "the panel is locked down",
  interlock: "another door of its group is open",
  schedule: "by schedule",
  cannot_record: "it could not be recorded",
  cannot_look_up: "the store did not answer",
  wrong_password: "wrong password",
  setup_code: "wrong setup code",
  busy: "busy",
  refused: "refused",
  no_answer: "no answer",
  unreachable: "cannot be reached",
};

export const why = (word) => whys[word] || (word || "").replaceAll("_", " ");

const because = (e) => (e.why ? ": " + why(e.why) : "");
const at = (e) => (e.door ? ` at ${e.door}` : "");
const who = (e) => (e.who ? ` for ${e.who}` : "");

const kinds = {
  "access.granted": ["good", (e) => `Access granted${who(e)}${at(e)}${e.why ? ` (${why(e.why)})` : ""}`],
  "access.refused": ["bad", (e) => `Access refused${who(e)}${at(e)}${because(e)}`],
  "access.blocked": ["warn", () => "Codes are blocked for a while after wrong tries"],
  "access.block_over": ["", () => "Codes are heard again"],
  "strike.on": ["good", (e) => `Door ${e.door} released`],
  "strike.off": ["", (e) => `Door ${e.door} secured`],
  "strike.failed": ["bad", (e) => `The strike of ${e.door} failed`],
  "call.placed": ["call", (e) => `Ringing${e.button ? ` from button ${e.button}` : ""}`],
  "call.refused": ["bad", (e) => `Call not placed${because(e)}`],
  "call.answered": ["call", () => "Call answered"],
  "call.failed": ["bad", (e) => `Call failed${because(e)}`],
  "call.ended": ["", () => "Call ended"],
  "door.exit": ["good", (e) => `Exit button${at(e)}`],
  "door.opened": ["", (e) => `Door ${e.door} opened`],
  "door.closed": ["", (e) => `Door ${e.door} closed`],
  "door.forced": ["bad", (e) => `Door ${e.door} forced open`],
  "door.held": ["warn", (e) => `Door ${e.door} held open too long`],
  "door.held_over": ["", (e) => `Door ${e.door} no longer held open`],
  "door.held_warning": ["warn", (e) => `Door ${e.door} is still open: an alarm follows`],
  "door.stands_open": ["", (e) => `Door ${e.door} stands open by its schedule`],
  "door.stands_open_over": ["", (e) => `Door ${e.door} no longer stands open by its schedule`],
  "lockdown.on": ["bad", (e) => `Lockdown${e.who ? ` by ${e.who}` : ""}: nobody is let in`],
  "lockdown.off": ["good", (e) => `Lockdown ended${e.who ? ` by ${e.who}` : ""}`],
  "fire.on": ["bad", () => "Fire alarm"],
  "fire.off": ["", () => "Fire alarm over"],
  "tamper.on": ["bad", () => "Tamper switch: somebody is at the housing"],
  "tamper.off": ["", () => "Tamper switch is quiet again"],
  "tamper.block_over": ["", () => "The block after tampering is over"],
  "license.activated": ["good", () => "License activated"],
  "license.already_active": ["", () => "License shown again: already active"],
  "license.refused": ["bad", (e) => `License refused${because(e)}`],
  "license.entitlements": ["good", () => "What the licenses give has changed"],
  "scan.refused": ["warn", (e) => `Code not read${because(e)}`],
  "account.changed": ["", () => "Telephone account"],
  "clock.changed": ["warn", () => "The clock was changed"],
  "clock.set": ["warn", () => "The clock was set by hand"],
  "device.failed": ["bad", () => "A device failed"],
  "device.recovered": ["good", () => "A device is back"],
  "service.on": ["", () => "Service input: setting up is open for a while"],
  "journal.lost": ["bad", () => "The disk did not take entries before this one"],
  "journal.gap": ["warn", () => "Entries were dropped, for the journal was full"],
  "journal.unreadable": ["warn", () => "An entry that this version cannot read"],
  "system.started": ["", () => "Panel started"],
  "system.stopped": ["", () => "Panel stopped"],
  "system.set_aside": ["warn", () => "A damaged file was set aside"],
  "login.done": ["", (e) => `${e.who || "Somebody"} logged in`],
  "login.refused": ["warn", (e) => `Login refused${because(e)}`],
  "config.changed": ["", (e) => `Changed${e.who ? ` by ${e.who}` : ""}`],
};

// say puts one journal entry into words: its tone for the eye and a sentence.
export function say(entry) {
  const [tone, text] = kinds[entry.kind] || ["", (e) => e.kind + because(e)];
  return { tone, text: text(entry) + (entry.detail ? ` · ${entry.detail}` : "") };
}
