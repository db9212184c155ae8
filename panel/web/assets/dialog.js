// A dialog over the page: the browser keeps the keyboard in it, Escape ends it.
import { failure, h } from "./api.js";

// dialog shows what build makes; build is given a function that ends it. It resolves when the dialog is over.
export function dialog(title, build) {
  return new Promise((over) => {
    const box = h("dialog", { "aria-label": title });
    const end = () => box.close();
    const body = h("div", { class: "stack" });
    box.append(h("header", {}, h("h2", {}, title), h("button", { type: "button", class: "quiet small", "aria-label": "Close", onclick: end }, "✕")), body);
    box.addEventListener("close", () => { box.remove(); over(); });
    document.body.append(box);
    box.showModal();
    Promise.resolve(build(end, (...content) => body.replaceChildren(...content.flat().filter(Boolean)))).catch((error) => body.replaceChildren(failure(error)));
  });
}
