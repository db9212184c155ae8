// The installer's and administrator's page: a client of the API like any other.
import { by, failure, get, h } from "./api.js";
import { enter, leave } from "./login.js";
import { overview } from "./tab-overview.js";
import { licenses } from "./tab-licenses.js";
import { people } from "./tab-people.js";
import { access, visits } from "./tab-access.js";
import { schedules } from "./tab-schedules.js";
import { buttons } from "./tab-buttons.js";
import { doors } from "./tab-doors.js";
import { journal } from "./tab-journal.js";
import { hub } from "./tab-hub.js";
import { users } from "./tab-users.js";

const root = by("root");
const session = await enter(root);
const face = await get("/api/v1/face");
const skew = new Date(face.time).getTime() - Date.now();
const view = h("main", { class: "content" });
let alive = () => {}; // ends what the shown section keeps running

const sections = {
  overview: ["Overview", overview],
  licenses: ["Licenses", licenses],
  people: ["People & credentials", people],
  access: ["Groups & rules", access],
  visits: ["Inside & guests", visits],
  schedules: ["Schedules", schedules],
  buttons: ["Call buttons", buttons],
  doors: ["Doors", doors],
  journal: ["Journal", journal],
  hub: ["Hub", hub],
  users: ["Users", users],
};
if (session.role !== "administrator") sections.users[0] = "Your account";
if (session.role === "resident") location.replace("/app");

const links = Object.entries(sections).map(([id, [title]]) => h("a", { href: "#" + id }, title));
root.className = "admin";
root.replaceChildren(
  h("div", { class: "side" },
    h("div", { class: "brand" }, h("img", { src: "/assets/icon.svg", alt: "" }), h("span", {}, face.site || "Door panel")),
    h("nav", { "aria-label": "Sections" }, links),
    h("footer", {}, h("span", { class: "small soft" }, `${session.user}, ${session.role}`),
      h("span", { class: "row" }, h("a", { class: "small", href: "/" }, "Face"), h("button", { class: "quiet small", onclick: leave }, "Log out")))),
  view);

async function show() {
  const id = sections[location.hash.slice(1)] ? location.hash.slice(1) : "overview";
  alive();
  alive = () => {};
  for (const a of links) {
    if (a.hash === "#" + id) {
      a.setAttribute("aria-current", "page");
      a.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else a.removeAttribute("aria-current");
  }
  const [title, build] = sections[id];
  document.title = `${title} · ${face.site || "Door panel"}`;
  const body = h("div", { class: "content-body" });
  view.replaceChildren(h("header", {}, h("h1", {}, title)), body);
  try {
    const built = await build(shell);
    body.replaceWith(...[built].flat().filter(Boolean));
  } catch (error) {
    if (error.status === 401) location.reload();
    body.replaceWith(failure(error));
  }
}

// shell is what a tab is given: who is logged in, the panel's face and time, and ways to end with the tab what runs in it.
const shell = {
  session,
  face,
  // now is the panel's time in milliseconds: that of this device may be another.
  now: () => Date.now() + skew,
  // every runs work now and again while the tab is shown.
  every(ms, work) {
    const timer = setInterval(() => work().catch(() => {}), ms);
    shell.onLeave(() => clearInterval(timer));
  },
  // onLeave runs end when another tab is shown.
  onLeave(end) {
    const before = alive;
    alive = () => { before(); end(); };
  },
};

addEventListener("hashchange", show);
await show();
