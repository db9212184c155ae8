// The weekly schedules.
import { del, get, h, notice, put } from "./api.js";
import { card, doing, field, form, sure, table } from "./kit.js";

const dayNames = { mon: "Mon", tue: "Tue", wed: "Wed", thu: "Thu", fri: "Fri", sat: "Sat", sun: "Sun", holiday: "Holidays" };

const exceptionText = (e) => [e.date, ...(e.slots || []).map((s) => `${s.from}-${s.to}`)].join(" ");

// exceptionOf reads a line such as "12-24 08:00-12:00 14:00-16:00". What is wrong with it the panel says.
function exceptionOf(line) {
  const [date, ...hours] = line.split(/[\s,]+/);
  return { date, slots: hours.map((span) => {
    const [from, to] = span.split(/[-–]/);
    return { from, to: to || "" };
  }) };
}

export async function schedules() {
  const place = h("div");
  const listing = h("div");
  const name = h("input", { required: true, maxlength: "64", autocomplete: "off" });
  const slots = h("div", { class: "stack" });
  const days = h("textarea", { spellcheck: false, rows: "4", placeholder: "12-24 08:00-12:00\n2027-05-03" });

  const slot = (value = { days: ["mon", "tue", "wed", "thu", "fri"], from: "08:00", to: "18:00" }) => {
    const days = Object.keys(dayNames).map((d) => h("input", { type: "checkbox", value: d, checked: value.days.includes(d) }));
    const from = h("input", { required: true, pattern: "[0-2][0-9]:[0-5][0-9]", value: value.from, maxlength: "5", inputmode: "numeric" });
    const to = h("input", { required: true, pattern: "[0-2][0-9]:[0-5][0-9]", value: value.to, maxlength: "5", inputmode: "numeric" });
    const box = h("div", { class: "slot" },
      h("fieldset", {}, h("legend", {}, "Days"), h("div", { class: "days" }, days.map((d) => h("label", {}, d, dayNames[d.value])))),
      h("div", { class: "row end" }, field("From", from), field("To", to), h("button", { type: "button", class: "quiet small", onclick: () => box.remove() }, "Remove these hours")));
    box.value = () => ({ days: days.filter((d) => d.checked).map((d) => d.value), from: from.value, to: to.value });
    slots.append(box);
  };
  const load = async () => {
    const { schedules: list } = await get("/api/v1/schedules");
    listing.replaceChildren(table(["Schedule", "Hours", ""], list.map((p) => [h("strong", {}, p.name),
      h("span", {}, p.slots.map((s) => h("div", {}, `${s.days.map((d) => dayNames[d] || d).join(", ")}  ${s.from} – ${s.to}`)), (p.exceptions || []).map((e) => h("div", { class: "soft small" }, exceptionText(e) + (e.slots?.length ? "" : " closed")))),
      doing(h("button", { type: "button", class: "small", onclick: () => { name.value = p.name; days.value = (p.exceptions || []).map(exceptionText).join("\n"); slots.replaceChildren(); p.slots.forEach(slot); name.focus(); } }, "Change"), " ",
        sure("Remove", async () => { await del("/api/v1/schedules/" + encodeURIComponent(p.name)); await load(); }, place))]),
    "There are no schedules: cards and codes open at any time.", "narrow"));
  };
  slot();
  await load();
  return [h("div", { class: "columns" }, card("Schedules", null, listing), card("Make or change one", null, form(place, async () => {
    await put("/api/v1/schedules/" + encodeURIComponent(name.value.trim()), { slots: [...slots.children].map((s) => s.value()), exceptions: days.value.split("\n").map((l) => l.trim()).filter(Boolean).map(exceptionOf) });
    place.replaceChildren(notice("good", "Saved", `${name.value.trim()} can be chosen for cards and codes.`));
    name.value = days.value = "";
    slots.replaceChildren();
    slot();
    await load();
  }, field("Name", name), slots, field("Days that are otherwise", days, "One a line: the day and its hours, such as 12-24 08:00-12:00; a day alone is closed. 12-24 is every year, 2027-05-03 once. Holidays of the whole house stand under Groups & rules."), h("div", { class: "row" }, h("button", { type: "button", onclick: () => slot() }, "More hours"), h("button", { class: "primary" }, "Save schedule"))),
  h("p", { class: "soft small" }, "24:00 is midnight at the end of a day; hours that end before they begin run into the next day."), place))];
}
