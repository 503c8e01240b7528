"use strict";
const test = JSON.parse(document.getElementById("data").textContent);
const trials = test.trials;
const total = trials.length;
const storageKey = `listening-${test.page}`;
const $ = (id) => document.getElementById(id);

// For each kind of test: the answers with their labels, the keys that give them, and what is said of the keys.
const KINDS = {
  mos: {
    choices: [[1, "Bad"], [2, "Poor"], [3, "Fair"], [4, "Good"], [5, "Excellent"]],
    keys: { 1: 1, 2: 2, 3: 3, 4: 4, 5: 5 },
    help: [["Space", "play"], ["1 – 5", "answer"]],
  },
  ab: {
    choices: [["a", "A is better"], ["none", "No difference"], ["b", "B is better"]],
    keys: { 1: "a", 2: "none", 3: "b" },
    help: [["A", "play A"], ["B", "play B"], ["1", "A"], ["2", "no difference"], ["3", "B"]],
  },
};
const kind = KINDS[test.kind];

const state = Object.assign({ listener: "", answers: {}, played: {}, started: "" }, stored());
let at = -1; // -1: the introduction, total: the end
let players = []; // of the trial that is shown

// A browser may forbid storage to a local file: then answers live as long as the page.
function stored() {
  try {
    return JSON.parse(localStorage.getItem(storageKey));
  } catch {
    return null;
  }
}

function store() {
  try {
    localStorage.setItem(storageKey, JSON.stringify(state));
  } catch {
    // kept in `state` alone
  }
}

function answerCount() {
  return trials.filter((trial) => trial.code in state.answers).length;
}

function playedSides(trial) {
  return state.played[trial.code] || [];
}

function isReady(trial) {
  const played = playedSides(trial);
  return trial.sounds.every((_, side) => played.includes(side));
}

function show(place) {
  players.forEach((player) => player.pause());
  players = [];
  at = Math.max(-1, Math.min(total, place));
  $("intro").hidden = at !== -1;
  $("trial").hidden = at < 0 || at === total;
  $("end").hidden = at !== total;
  if (at === total) showEnd();
  else if (at >= 0) showTrial(trials[at]);
  showProgress();
}

function showProgress() {
  const count = answerCount();
  const position = `${Math.min(at + 1, total)} of ${total} · ${count} answered`;
  $("progress").textContent = at < 0 ? `${total} trials` : position;
  $("bar").setAttribute("aria-valuemax", total);
  $("bar").setAttribute("aria-valuenow", count);
  $("bar").firstElementChild.style.width = `${(100 * count) / total}%`;
}

function showTrial(trial) {
  $("question").textContent = test.question;
  const playButtons = trial.sounds.map((_, side) => playButton(trial, side));
  $("plays").replaceChildren(...playButtons);
  const choiceButtons = kind.choices.map(([value, label], place) => choiceButton(value, label, place));
  $("choices").replaceChildren(...choiceButtons);
  update(trial);
  $("question").focus();
}

function playButton(trial, side) {
  const paired = trial.sounds.length > 1;
  const name = "AB"[side];
  const button = paired ? labelled(name, name, "kbd") : labelled("Play", "Space", "kbd");
  const player = new Audio(trial.sounds[side]);
  button.id = `play-${side}`;
  button.addEventListener("click", () => toggle(side));
  player.addEventListener("play", () => button.classList.add("playing"));
  player.addEventListener("pause", () => button.classList.remove("playing"));
  player.addEventListener("ended", () => {
    const played = playedSides(trial);
    if (!played.includes(side)) state.played[trial.code] = [...played, side];
    store();
    update(trial);
  });
  players.push(player);
  return button;
}

function choiceButton(value, label, place) {
  const button = test.kind === "mos" ? labelled(String(value), label, "span") : labelled(label, String(place + 1), "kbd");
  button.dataset.value = value;
  button.addEventListener("click", () => answer(value));
  return button;
}

// A button with a smaller line below its label, in an element of the name `tag`.
function labelled(label, below, tag) {
  const line = document.createElement(tag);
  line.textContent = below;
  const small = document.createElement("small");
  small.append(line);
  const button = document.createElement("button");
  button.type = "button";
  button.append(label, small);
  return button;
}

function toggle(side) {
  players.forEach((other, place) => {
    if (place === side) return;
    other.pause();
    other.currentTime = 0;
  });
  const player = players[side];
  if (!player) return;
  if (player.paused) player.play().catch(() => {}); // another press may stop it before it has begun
  else player.pause();
}

// What of a trial is open, chosen and played, after any of it has changed.
function update(trial) {
  const ready = isReady(trial);
  const given = state.answers[trial.code];
  const played = playedSides(trial);
  for (const button of $("choices").children) {
    button.disabled = !ready;
    button.setAttribute("aria-pressed", String(button.dataset.value === String(given)));
  }
  [...$("plays").children].forEach((button, side) => button.classList.toggle("played", played.includes(side)));
  const sounds = trial.sounds.length > 1 ? "both" : "it";
  $("hint").textContent = ready ? "" : `Play ${sounds} to the end, then answer.`;
  $("next").disabled = given === undefined;
  $("next").textContent = at === total - 1 ? "Finish" : "Next";
  showProgress();
}

function answer(value) {
  const trial = trials[at];
  if (!isReady(trial)) return;
  state.answers[trial.code] = value;
  store();
  update(trial);
}

function showEnd() {
  const absent = total - answerCount();
  $("told").textContent = absent
    ? `${absent} of ${total} trials are still without an answer. Go back for them, or save what there is.`
    : "All trials are answered. Save the file and send it to whoever asked you.";
  $("end").querySelector("h2").focus();
}

function start() {
  state.listener = $("listener").value.trim();
  if (!state.listener) {
    $("listener").focus();
    return;
  }
  state.started = state.started || new Date().toISOString();
  store();
  const open = trials.findIndex((trial) => !(trial.code in state.answers));
  show(open < 0 ? total : open);
}

function save() {
  const { listener, answers, started } = state;
  const saved = new Date().toISOString();
  const content = { page: test.page, kind: test.kind, listener, started, saved, answers };
  const text = JSON.stringify(content, null, 1);
  const name = listener.replace(/[^\p{L}\p{N}_-]+/gu, "_");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `answers-${name}-${test.page.slice(0, 8)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function back() {
  show(Math.max(0, at - 1));
}

function next() {
  if (!$("next").disabled) show(at + 1);
}

// What a key does where the page is, if anything. On a button, Space and Enter press that button.
function actionOf(key, onButton) {
  if (key === "backspace" || key === "arrowleft") return back;
  if (at === total) return null;
  if (test.kind === "mos" && key === " " && !onButton) return () => toggle(0);
  if (test.kind === "ab" && key === "a") return () => toggle(0);
  if (test.kind === "ab" && key === "b") return () => toggle(1);
  if (key in kind.keys) return () => answer(kind.keys[key]);
  if (key === "arrowright") return next;
  if (key === "enter" && !onButton) return next;
  return null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (at === -1) {
    if (event.key === "Enter" && event.target.id === "listener") start();
    return;
  }
  const action = actionOf(event.key.toLowerCase(), event.target.tagName === "BUTTON");
  if (!action) return;
  action();
  event.preventDefault();
});

$("start").addEventListener("click", start);
$("back").addEventListener("click", back);
$("again").addEventListener("click", () => show(total - 1));
$("next").addEventListener("click", next);
$("save").addEventListener("click", save);
$("listener").value = state.listener;
for (const [name, purpose] of [...kind.help, ["→", "next"], ["←", "back"]]) {
  const cap = document.createElement("kbd");
  cap.textContent = name;
  $("keys").append(cap, ` ${purpose}   `);
}
show(-1);
