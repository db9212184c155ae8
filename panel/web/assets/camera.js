// The camera of this device, looking for a code: the panel reads each picture.
import { Problem, call, h } from "./api.js";

// A browser gives its camera only to pages that nobody in between can have changed.
export const hasCamera = () => Boolean(window.isSecureContext && navigator.mediaDevices?.getUserMedia);

const side = 1024; // pixels of the longer edge: enough for a dense code, small enough to be sent twice a second

function grab(video, canvas) {
  const scale = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
}

// look shows in place what the camera sees and sends pictures to path until one holds a code. It resolves with the panel's
// answer, or null when somebody stops it. A refusal of the code that was read is thrown; a picture without one is not.
export async function look(place, path) {
  const film = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } }).catch(() => null);
  if (!film) throw new Problem(0, { title: "No camera", detail: "The browser did not give its camera. Allow it for this page, or choose a picture." });
  const video = h("video", { muted: true, autoplay: true, "aria-label": "What the camera sees" });
  video.playsInline = true;
  let stopped = false;
  const said = h("p", { class: "waiting", role: "status" }, "Looking for a code: hold it still, flat and whole into the picture.");
  place.replaceChildren(h("div", { class: "camera" }, video, said, h("button", { type: "button", onclick: () => { stopped = true; } }, "Stop the camera")));
  video.srcObject = film;
  const canvas = document.createElement("canvas");
  try {
    await video.play();
    while (!stopped && place.isConnected) {
      const picture = await grab(video, canvas);
      try {
        if (picture) return await call("POST", path, picture);
      } catch (error) {
        if (error.why !== "no_code") throw error;
      }
      await new Promise((next) => setTimeout(next, 300));
    }
    return null;
  } finally {
    for (const track of film.getTracks()) track.stop();
  }
}
