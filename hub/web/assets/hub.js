// What the pages can do without: countdowns, copying, the browser's own time zone. Everything else is plain links and forms,
// which htmx only makes smoother.
"use strict";

// Countdowns are drawn from the hub's clock at the moment the page was made, not from the reader's.
const offsets = new WeakMap();
function countDown() {
  for (const el of document.querySelectorAll("[data-until]")) {
    if (!offsets.has(el)) offsets.set(el, { now: el.dataset.now, since: performance.now() });
    let start = offsets.get(el);
    if (start.now !== el.dataset.now) {
      start = { now: el.dataset.now, since: performance.now() };
      offsets.set(el, start);
    }
    const left = Math.max(0, Math.ceil((Number(el.dataset.until) - Number(start.now) - (performance.now() - start.since)) / 1000));
    const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (el.textContent !== text) el.textContent = text;
    if (left === 0 && !el.dataset.over) {
      el.dataset.over = "yes";
      document.body.dispatchEvent(new CustomEvent("news", { bubbles: true }));
    }
  }
}
setInterval(countDown, 1000);

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const from = document.querySelector(copy.dataset.copy);
    try {
      await navigator.clipboard.writeText(from.value);
      copy.textContent = "Copied";
    } catch {
      from.select();
    }
    return;
  }
  if (event.target.matches("[data-select]")) event.target.select();
});

// The text of a small file goes into a field, where it is seen before it is sent.
document.addEventListener("change", async (event) => {
  const field = event.target.closest?.("[data-into]");
  if (!field?.files?.length) return;
  const into = field.form.elements[field.dataset.into];
  const fits = field.files[0].size <= 4096;
  into.value = fits ? (await field.files[0].text()).trim() : "";
  if (!fits) into.placeholder = "That file is too large for a license";
});

// One question is open at a time, and Escape closes it.
document.addEventListener(
  "toggle",
  (event) => {
    if (!event.target.open || !event.target.matches("details.sure")) return;
    for (const other of document.querySelectorAll("details.sure[open]")) {
      if (other !== event.target && !other.contains(event.target)) other.open = false;
    }
    event.target.querySelector("input:not([type=hidden]), button")?.focus();
  },
  true,
);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const cancel = event.target.closest?.(".editing")?.querySelector("[data-cancel]");
  if (cancel) return cancel.click();
  const open = event.target.closest?.("details.sure[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

function ready() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const el of document.querySelectorAll("[data-zone]")) if (!el.value && zone) el.value = zone;
  for (const el of document.querySelectorAll("[data-needs-script]")) el.hidden = false;
  if (navigator.clipboard) for (const el of document.querySelectorAll("[data-copy]")) el.hidden = false;
  countDown();
}
document.addEventListener("DOMContentLoaded", ready);
document.addEventListener("htmx:after:swap", ready);

// A list that is filled live stays bounded.
document.addEventListener("htmx:sse:after:message", (event) => {
  const list = event.target;
  if (list.id !== "events") return;
  while (list.children.length > 400) list.lastElementChild.remove();
});

// While the hub cannot be reached, the page says that it may be old.
document.addEventListener("htmx:sse:error", () => document.body.classList.add("stale"));
document.addEventListener("htmx:sse:after:connection", () => document.body.classList.remove("stale"));
