"use strict";
const { sounds } = JSON.parse(document.getElementById("data").textContent);

// Tables: a column's button sorts by it, and again the other way; what has no number stays last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.value;
    const order = (a, b) => head.dataset.kind === "text" ? a.localeCompare(b, undefined, { numeric: true }) : Number(a) - Number(b);
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => (key(a) === "") - (key(b) === "") || (key(a) === "" ? 0 : (down ? -1 : 1) * order(key(a), key(b))));
    table.tBodies[0].append(...rows);
  }));
}

// One metric is shown at a time, and its players are made when it is first shown.
const tabs = [...document.querySelectorAll("[role=tab]")];
function show(tab) {
  for (const other of tabs) {
    const on = other === tab;
    other.setAttribute("aria-selected", String(on));
    other.tabIndex = on ? 0 : -1;
    const panel = document.getElementById(other.getAttribute("aria-controls"));
    panel.classList.toggle("open", on);
    if (on) panel.querySelectorAll(".player:empty").forEach(fill);
    else panel.querySelectorAll("audio").forEach((audio) => audio.pause());
  }
}
tabs.forEach((tab, i) => {
  tab.addEventListener("click", () => show(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(i + step + tabs.length) % tabs.length];
    next.focus();
    show(next);
    event.preventDefault();
  });
});

function fill(place) {
  const sound = sounds[Number(place.dataset.sound)];
  const label = place.parentElement.dataset.label;
  const picture = document.createElement("div");
  picture.className = "picture";
  const image = document.createElement("img");
  image.alt = `spectrogram of ${label}`;
  image.src = sound.picture;
  const now = document.createElement("div");
  now.className = "now";
  picture.append(image, now);
  const audio = document.createElement("audio");
  audio.controls = true;
  audio.setAttribute("controlslist", "nodownload noplaybackrate");
  audio.preload = "metadata";
  audio.setAttribute("aria-label", label);
  audio.src = sound.audio;
  const move = () => {
    now.classList.add("on");
    now.style.left = `${100 * Math.min(1, audio.currentTime / sound.seconds)}%`;
  };
  const follow = () => { move(); if (!audio.paused) requestAnimationFrame(follow); };
  audio.addEventListener("play", () => {
    document.querySelectorAll("audio").forEach((other) => { if (other !== audio) other.pause(); });
    follow();
  });
  audio.addEventListener("seeked", move);
  picture.addEventListener("click", (event) => {
    audio.currentTime = Math.min((event.offsetX / picture.clientWidth) * sound.seconds, Math.max(0, audio.duration - 0.01) || 0);
    audio.play().catch(() => {}); // another player may stop it before it has begun
  });
  place.append(picture, audio);
}

document.body.classList.add("scripted");
if (tabs.length) show(tabs[0]);
