// The first run and the login, for every page that needs somebody.
import { failure, get, h, post } from "./api.js";

const field = (name, label, properties, hint) => h("label", { for: name }, label, h("input", { id: name, name, required: true, ...properties }), hint && h("span", { class: "hint" }, hint));

// sheet shows one form on an otherwise empty page and resolves with what send returned.
function sheet(root, eyebrow, title, lead, fields, label, send) {
  return new Promise((done) => {
    const place = h("div");
    const go = h("button", { class: "primary" }, label);
    const form = h("form", {}, ...fields, place, go);
    form.addEventListener("submit", async (e) => {
      e.preventDefault();
      go.disabled = true;
      try {
        done(await send(Object.fromEntries(new FormData(form))));
      } catch (error) {
        place.replaceChildren(failure(error));
      }
      go.disabled = false;
    });
    document.body.className = "plain";
    root.replaceChildren(h("div", { class: "sheet" }, h("p", { class: "eyebrow" }, eyebrow), h("h1", {}, title), lead && h("p", { class: "lead" }, lead), form));
    form.querySelector("input").focus();
  });
}

async function login(root, lead) {
  return sheet(root, "Door panel", "Log in", lead, [
    field("user", "User", { autocomplete: "username", autocapitalize: "none", spellcheck: false, value: "admin" }),
    field("password", "Password", { type: "password", autocomplete: "current-password" }),
  ], "Log in", (v) => post("/api/v1/login", v));
}

async function firstRun(root, setup) {
  const lead = setup.open
    ? "Type the code of eight digits that the panel's display shows now, and choose the administrator's password."
    : setup.retry_after
      ? `Too many wrong codes were typed. Wait ${Math.ceil(setup.retry_after / 60)} minutes, then press the panel's service button for a new code.`
      : "The time to set this panel up is over. Press its service button, or restart it: a new code is shown for ten minutes.";
  const password = await sheet(root, "First run", "Make this panel yours", lead, [
    field("code", "Setup code", { inputmode: "numeric", autocomplete: "one-time-code", maxlength: "9", class: "mono" }, "On the panel's display"),
    h("input", { type: "text", name: "user", value: "admin", autocomplete: "username", hidden: true }),
    field("password", "New password of the user admin", { type: "password", autocomplete: "new-password", minlength: "10" }, "At least 10 characters; three or four words are easy to keep"),
  ], "Set up", async (v) => {
    await post("/api/v1/setup", { code: v.code.replace(/\D/g, ""), password: v.password });
    return v.password;
  });
  await post("/api/v1/login", { user: "admin", password });
}

// forgotten sets an administrator's password anew, with the code that the service button shows.
async function forgotten(root) {
  await sheet(root, "Service button pressed", "Set a password anew", "Type the code of eight digits that the panel's display shows now. Whoever does not need this waits until the code is gone, or reloads this page then.", [
    field("code", "Code", { inputmode: "numeric", autocomplete: "one-time-code", maxlength: "9", class: "mono" }, "On the panel's display"),
    field("user", "Administrator", { autocomplete: "username", autocapitalize: "none", spellcheck: false, value: "admin" }),
    field("password", "New password", { type: "password", autocomplete: "new-password", minlength: "10" }, "At least 10 characters"),
  ], "Set password", (v) => post("/api/v1/setup", { code: v.code.replace(/\D/g, ""), user: v.user, password: v.password }));
}

// enter resolves with {user, role} of who is logged in, after a first run or a login if need be.
export async function enter(root, lead) {
  for (;;) {
    try {
      const setup = await get("/api/v1/setup");
      if (setup.needed) await firstRun(root, setup);
      else if (!setup.logged_in && setup.open) await forgotten(root);
      else if (!setup.logged_in) await login(root, lead);
      const session = await get("/api/v1/session");
      document.body.className = "";
      return session;
    } catch (error) {
      if (error.status === 0) root.replaceChildren(h("div", { class: "sheet" }, failure(error)));
      if (error.status === 401) continue;
      await new Promise((again) => setTimeout(again, 3000));
    }
  }
}

export async function leave() {
  await post("/api/v1/logout");
  location.reload();
}
