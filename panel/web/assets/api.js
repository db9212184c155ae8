// What every page shares: asking the API, and building elements from text that is never markup.

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || "The panel did not answer as expected.");
    this.status = status;
    this.title = body.title || "";
    this.kind = (body.type || "").split(":").pop();
    this.retryAfter = body.retry_after || 0;
    this.causes = body.causes || [];
    this.why = body.why || "";
    this.stops = body.stops || [];
  }
}

export async function call(method, path, body, options = {}) {
  const init = { method, headers: {}, signal: options.signal };
  if (body instanceof Blob) {
    init.body = body;
    init.headers["Content-Type"] = body.type;
  } else if (typeof body === "string") {
    init.body = body;
    init.headers["Content-Type"] = "text/plain";
  } else if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "No connection", detail: "The panel cannot be reached. Is it running, and is this device in its network?" });
  }
  const text = await answer.text();
  let value = {};
  try {
    value = text ? JSON.parse(text) : {};
  } catch {
    value = { detail: text.slice(0, 200) };
  }
  if (!answer.ok) throw new Problem(answer.status, value);
  return value;
}

export const get = (path, options) => call("GET", path, undefined, options);
export const post = (path, body, options) => call("POST", path, body, options);
export const put = (path, body) => call("PUT", path, body);
export const del = (path) => call("DELETE", path);

// h makes an element. Children that are strings become text, so that a name can never become markup.
export function h(tag, properties = {}, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (key === "class") e.className = value;
    else if (key === "dataset") Object.assign(e.dataset, value);
    else if (key in e && typeof value !== "string") e[key] = value;
    else e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));
  return e;
}

// picture shows a drawing that the panel made as an image, in which nothing of it can run.
export const picture = (svg, alt, cls = "qr") => h("img", { class: cls, alt, src: "data:image/svg+xml," + encodeURIComponent(svg) });

export const by = (id) => document.getElementById(id);

// notice says in place what came of something.
export function notice(tone, title, text, ...more) {
  return h("div", { class: "notice " + tone, role: tone === "bad" ? "alert" : "status" }, title && h("strong", {}, title), text || "", ...more);
}

export function failure(error) {
  const title = error.title && error.title !== error.message ? error.title : "";
  return notice("bad", title, error.message);
}

export const badge = (tone, text) => h("span", { class: "badge " + tone }, text);

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dateFormat = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });

export const clock = (t) => clockFormat.format(new Date(t));
export const time = (t) => timeFormat.format(new Date(t));
export const date = (t) => dateFormat.format(new Date(t));
export const moment = (t) => `${date(t)}, ${time(t)}`;

// follow keeps an event stream open; the browser reconnects by itself, from the last id.
export function follow(path, name, take, state = () => {}) {
  const source = new EventSource(path);
  source.addEventListener(name, (e) => take(JSON.parse(e.data)));
  source.addEventListener("open", () => state(true));
  source.addEventListener("error", () => state(false));
  return source;
}
