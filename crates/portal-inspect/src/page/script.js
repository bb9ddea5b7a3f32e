// What is live: the list of requests, its filter, and the buttons that copy. Without this script the
// pages show the same when they are loaded again.
"use strict";

const MAX_ROWS = 1000;

function followRequests(list) {
  const filter = document.getElementById("filter");
  const pause = document.getElementById("pause");
  let held = null; // rows that arrived while the list is paused

  function applyFilter(row) {
    const text = row.textContent.toLowerCase();
    const words = filter.value.toLowerCase().split(/\s+/);
    row.hidden = !words.every((word) => text.includes(word));
  }

  const unmatched = document.getElementById("unmatched");

  function showWhetherAnyMatches() {
    const rows = [...list.rows];
    unmatched.hidden = rows.length === 0 || rows.some((row) => !row.hidden);
  }

  const time = (row) => row.querySelector("time").dateTime;

  function add(row) {
    document.getElementById("none")?.remove();
    applyFilter(row);
    // A slow request arrives after those that it began before.
    const before = [...list.rows].find((other) => time(other) <= time(row));
    list.insertBefore(row, before ?? null);
    while (list.rows.length > MAX_ROWS) list.lastElementChild.remove();
    showWhetherAnyMatches();
  }

  filter.form.addEventListener("submit", (event) => event.preventDefault());
  filter.form.querySelector("[type=submit]").hidden = true;
  filter.addEventListener("input", () => {
    [...list.rows].forEach(applyFilter);
    showWhetherAnyMatches();
    // For a page that is loaded again, and for the way back to it.
    const address = new URL(location);
    if (filter.value) address.searchParams.set("q", filter.value);
    else address.searchParams.delete("q");
    history.replaceState(null, "", address);
  });

  pause.hidden = false;
  pause.addEventListener("click", () => {
    if (held) held.forEach(add);
    held = held ? null : [];
    showPause();
  });

  function showPause() {
    pause.setAttribute("aria-pressed", String(held !== null));
    pause.textContent = held ? `Resume (${held.length} new)` : "Pause";
  }

  const events = new EventSource(`/requests/events?after=${list.dataset.last}`);
  events.addEventListener("message", (event) => {
    // A row from the server's own template, which escapes all that comes from a request.
    const template = document.createElement("template");
    template.innerHTML = event.data;
    const row = template.content.firstElementChild;
    if (!held) return add(row);
    held.push(row);
    if (held.length > MAX_ROWS) held.shift();
    showPause();
  });
  for (const name of ["lagged", "reset"]) {
    events.addEventListener(name, () => {
      if (!held) location.reload();
    });
  }
}

function offerCopying(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.closest("figure").querySelector("pre");
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}

const list = document.getElementById("requests");
if (list) followRequests(list);
document.querySelectorAll("[data-copy]").forEach(offerCopying);
