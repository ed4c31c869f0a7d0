// The pages work without this. It spares a click when somebody else is chosen, and keeps an open page up to date.
"use strict";

for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.submit());
}

for (const live of document.querySelectorAll("[data-live]")) {
  setInterval(async () => {
    // Nothing is taken away from under somebody's fingers.
    if (document.hidden || live.contains(document.activeElement)) return;
    const answer = await fetch(live.dataset.live).catch(() => null);
    if (!answer || !answer.ok) return;
    const version = answer.headers.get("X-Version");
    if (version === live.dataset.version) return;
    live.innerHTML = await answer.text();
    live.dataset.version = version;
  }, 1500);
}
