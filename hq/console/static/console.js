// What pages need beyond htmx: rest while nobody looks, say when headquarters falls silent, tell the viewer's own time.
"use strict";

const SILENCE = document.getElementById("silence");

function silent() {
  if (!SILENCE.hidden) return;
  document.getElementById("silent-since").textContent = new Date().toLocaleTimeString(document.documentElement.lang);
  SILENCE.hidden = false;
}

function viewerTimes(root) {
  for (const time of root.querySelectorAll("time[title]")) {
    const local = new Date(time.dateTime).toLocaleString(document.documentElement.lang, { timeZoneName: "short" });
    time.title = `${time.title}\n${local}`;
  }
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const selection = document.getSelection();
  if (!selection.isCollapsed && event.detail.target.contains(selection.anchorNode)) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterSwap", () => viewerTimes(document.getElementById("live")));
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) SILENCE.hidden = true;
});
for (const fault of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(fault, silent);

viewerTimes(document);
