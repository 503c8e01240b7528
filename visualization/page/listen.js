"use strict";
const test = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const CHOICES = {
  mos: [[1, "Bad"], [2, "Poor"], [3, "Fair"], [4, "Good"], [5, "Excellent"]],
  ab: [["a", "A is better"], ["none", "No difference"], ["b", "B is better"]],
}[test.kind];
const KEYS = { mos: { 1: 1, 2: 2, 3: 3, 4: 4, 5: 5 }, ab: { 1: "a", 2: "none", 3: "b" } }[test.kind];
const total = test.trials.length;
const shelf = `listening-${test.page}`;

// A browser may forbid storage to a local file: then answers live as long as the page.
function stored() {
  try { return JSON.parse(localStorage.getItem(shelf)); } catch { return null; }
}
function keep() {
  try { localStorage.setItem(shelf, JSON.stringify(state)); } catch { /* kept in `state` alone */ }
}
const state = Object.assign({ listener: "", answers: {}, heard: {}, started: "" }, stored());
let at = -1; // -1: the introduction, total: the end
let players = [];

function answered() {
  return test.trials.filter((trial) => trial.code in state.answers).length;
}

function ready(trial) {
  return trial.sounds.every((_, side) => (state.heard[trial.code] || []).includes(side));
}

function show(where) {
  players.forEach((player) => player.pause());
  players = [];
  at = Math.max(-1, Math.min(total, where));
  $("intro").hidden = at !== -1;
  $("trial").hidden = at < 0 || at === total;
  $("end").hidden = at !== total;
  if (at === total) finish();
  else if (at >= 0) offer(test.trials[at]);
  progress();
}

function progress() {
  const done = answered();
  $("progress").textContent = at < 0 ? `${total} trials` : `${Math.min(at + 1, total)} of ${total} · ${done} answered`;
  $("bar").setAttribute("aria-valuemax", total);
  $("bar").setAttribute("aria-valuenow", done);
  $("bar").firstElementChild.style.width = `${(100 * done) / total}%`;
}

function offer(trial) {
  $("question").textContent = test.question;
  const names = trial.sounds.length > 1 ? ["A", "B"] : ["Play"];
  const buttons = trial.sounds.map((sound, side) => {
    const player = new Audio(sound);
    const button = key(names[side], trial.sounds.length > 1 ? names[side] : "Space", true);
    button.id = `play-${side}`;
    player.addEventListener("play", () => button.classList.add("playing"));
    player.addEventListener("pause", () => button.classList.remove("playing"));
    player.addEventListener("ended", () => {
      const heard = (state.heard[trial.code] = state.heard[trial.code] || []);
      if (!heard.includes(side)) heard.push(side);
      keep();
      mark(trial);
    });
    button.addEventListener("click", () => toggle(side));
    players.push(player);
    return button;
  });
  $("plays").replaceChildren(...buttons);
  $("choices").replaceChildren(...CHOICES.map(([value, label], i) => {
    const button = test.kind === "mos" ? key(String(value), label) : key(label, String(i + 1), true);
    button.dataset.value = value;
    button.addEventListener("click", () => answer(value));
    return button;
  }));
  mark(trial);
  $("question").focus();
}

function key(label, below, isKey = false) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(label);
  const small = document.createElement("small");
  const cap = document.createElement(isKey ? "kbd" : "span");
  cap.textContent = below;
  small.append(cap);
  button.append(small);
  return button;
}

function toggle(side) {
  players.forEach((player, i) => { if (i !== side) { player.pause(); player.currentTime = 0; } });
  const player = players[side];
  if (!player) return;
  if (player.paused) player.play().catch(() => {}); else player.pause();
}

function mark(trial) {
  const open = ready(trial);
  const given = state.answers[trial.code];
  for (const button of $("choices").children) {
    button.disabled = !open;
    button.setAttribute("aria-pressed", String(button.dataset.value === String(given)));
  }
  const heard = state.heard[trial.code] || [];
  [...$("plays").children].forEach((button, side) => button.classList.toggle("heard", heard.includes(side)));
  $("hint").textContent = open ? "" : `Play ${trial.sounds.length > 1 ? "both" : "it"} to the end, then answer.`;
  $("next").disabled = given === undefined;
  $("next").textContent = at === total - 1 ? "Finish" : "Next";
  progress();
}

function answer(value) {
  const trial = test.trials[at];
  if (!ready(trial)) return;
  state.answers[trial.code] = value;
  keep();
  mark(trial);
}

function finish() {
  const absent = total - answered();
  $("told").textContent = absent
    ? `${absent} of ${total} trials are still without an answer. Go back for them, or save what there is.`
    : "All trials are answered. Save the file and send it to whoever asked you.";
  $("end").querySelector("h2").focus();
}

function start() {
  state.listener = $("listener").value.trim();
  if (!state.listener) { $("listener").focus(); return; }
  state.started = state.started || new Date().toISOString();
  keep();
  const first = test.trials.findIndex((trial) => !(trial.code in state.answers));
  show(first < 0 ? total : first);
}

function save() {
  const { listener, answers, started } = state;
  const text = JSON.stringify({ page: test.page, kind: test.kind, listener, started, saved: new Date().toISOString(), answers }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `answers-${listener.replace(/[^\p{L}\p{N}_-]+/gu, "_")}-${test.page.slice(0, 8)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function next() {
  if (!$("next").disabled) show(at + 1);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (at === -1) {
    if (event.key === "Enter" && event.target.id === "listener") start();
    return;
  }
  const name = event.key.toLowerCase();
  if (name === "backspace" || name === "arrowleft") show(Math.max(0, at - 1));
  else if (at === total) return;
  else if (name === " " && event.target.tagName !== "BUTTON" && test.kind === "mos") toggle(0);
  else if (test.kind === "ab" && (name === "a" || name === "b")) toggle(name === "a" ? 0 : 1);
  else if (name in KEYS) answer(KEYS[name]);
  else if (name === "arrowright" || (name === "enter" && event.target.tagName !== "BUTTON")) next();
  else return;
  event.preventDefault();
});

$("start").addEventListener("click", start);
$("back").addEventListener("click", () => show(Math.max(0, at - 1)));
$("again").addEventListener("click", () => show(total - 1));
$("next").addEventListener("click", next);
$("save").addEventListener("click", save);
$("listener").value = state.listener;
const caps = { mos: [["Space", "play"], ["1 – 5", "answer"]], ab: [["A", "play A"], ["B", "play B"], ["1", "A"], ["2", "no difference"], ["3", "B"]] };
for (const [name, what] of [...caps[test.kind], ["→", "next"], ["←", "back"]]) {
  const cap = document.createElement("kbd");
  cap.textContent = name;
  $("keys").append(cap, ` ${what}   `);
}
show(-1);
