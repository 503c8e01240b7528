"use strict";
const { sounds } = JSON.parse(document.getElementById("data").textContent);

// Tables: a column's button sorts by it, and again the other way; what has no number stays last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    button.addEventListener("click", () => sortBy(table, heads, column));
  });
}

function sortBy(table, heads, column) {
  const head = heads[column];
  const down = head.getAttribute("aria-sort") === "ascending";
  heads.forEach((other) => other.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const order = head.dataset.kind === "text" ? byText : byNumber;
  const key = (row) => row.cells[column].dataset.value;
  const rows = [...table.tBodies[0].rows];
  const empty = rows.filter((row) => key(row) === "");
  const filled = rows.filter((row) => key(row) !== "");
  filled.sort((a, b) => {
    const difference = order(key(a), key(b));
    return down ? -difference : difference;
  });
  table.tBodies[0].append(...filled, ...empty);
}

function byText(a, b) {
  return a.localeCompare(b, undefined, { numeric: true });
}

function byNumber(a, b) {
  return Number(a) - Number(b);
}

// One metric is shown at a time, and its players are added when it is first shown.
const tabs = [...document.querySelectorAll("[role=tab]")];
tabs.forEach((tab, place) => {
  tab.addEventListener("click", () => show(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(place + step + tabs.length) % tabs.length];
    next.focus();
    show(next);
    event.preventDefault();
  });
});

function show(tab) {
  for (const other of tabs) {
    const selected = other === tab;
    other.setAttribute("aria-selected", String(selected));
    other.tabIndex = selected ? 0 : -1;
    const panel = document.getElementById(other.getAttribute("aria-controls"));
    panel.classList.toggle("open", selected);
    if (selected) {
      panel.querySelectorAll(".player:empty").forEach(addPlayer);
    } else {
      panel.querySelectorAll("audio").forEach((audio) => audio.pause());
    }
  }
}

// A spectrogram with a line that follows the sound, and the sound's own controls below it.
function addPlayer(place) {
  const sound = sounds[Number(place.dataset.sound)];
  const label = place.parentElement.dataset.label;
  const audio = audioOf(sound, label);
  const image = document.createElement("img");
  image.alt = `spectrogram of ${label}`;
  image.src = sound.picture;
  const line = document.createElement("div");
  line.className = "now";
  const picture = document.createElement("div");
  picture.className = "picture";
  picture.append(image, line);
  picture.addEventListener("click", (event) => {
    const clicked = (event.offsetX / picture.clientWidth) * sound.seconds;
    const end = Math.max(0, audio.duration - 0.01) || 0; // the duration is NaN until it is known
    audio.currentTime = Math.min(clicked, end);
    audio.play().catch(() => {}); // another player may stop it before it has begun
  });
  follow(audio, line, sound.seconds);
  place.append(picture, audio);
}

function audioOf(sound, label) {
  const audio = document.createElement("audio");
  audio.controls = true;
  audio.setAttribute("controlslist", "nodownload noplaybackrate");
  audio.preload = "metadata";
  audio.setAttribute("aria-label", label);
  audio.src = sound.audio;
  return audio;
}

// Moves the line with the sound; where one sound plays, the others fall silent.
function follow(audio, line, seconds) {
  const move = () => {
    const share = Math.min(1, audio.currentTime / seconds);
    line.classList.add("on");
    line.style.left = `${100 * share}%`;
  };
  const keepMoving = () => {
    move();
    if (!audio.paused) requestAnimationFrame(keepMoving);
  };
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) {
      if (other !== audio) other.pause();
    }
    keepMoving();
  });
  audio.addEventListener("seeked", move);
}

document.body.classList.add("scripted");
if (tabs.length) show(tabs[0]);
