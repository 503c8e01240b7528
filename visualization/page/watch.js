"use strict";
// Draws what data.json says, every few seconds anew. What is chosen stands in the address, so that a link keeps it.
const EVERY = 5000;
const WIDTH = 360, HEIGHT = 200, LEFT = 54, BOTTOM = 26, TOP = 8, RIGHT = 10;
const chosen = { smoothing: 0.6, log: false, axis: "step", filter: "", hidden: [] };
const at = {}; // tag of a medium -> the update that is shown, the latest where none was chosen
let state = { runs: [] };

const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const space = ["svg", "path", "line", "text", "circle"].includes(name) ? "http://www.w3.org/2000/svg" : null;
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function smoothed(points, share) { // as TensorBoard does: a running mean that starts unbiased
  let mean = 0, weight = 0;
  return points.map(([step, value, time]) => {
    mean = share * mean + (1 - share) * value;
    weight = share * weight + (1 - share);
    return [step, mean / weight, time];
  });
}

function ticks(low, high, count = 4) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(value);
  return found;
}

function written(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

function visible() {
  return state.runs.map((run, number) => ({ ...run, number })).filter((run) => !chosen.hidden.includes(run.name));
}

function chart(tag) {
  const curves = [];
  for (const run of visible()) {
    const raw = (run.curves[tag] || []).filter((point) => Number.isFinite(point[1]) && (!chosen.log || point[1] > 0));
    if (!raw.length) continue;
    const begun = raw[0][2];
    const place = (point) => (chosen.axis === "step" ? point[0] : (point[2] - begun) / 3600);
    curves.push({ run, raw, smooth: smoothed(raw, tag.startsWith("train/") ? chosen.smoothing : 0), place });
  }
  if (!curves.length) return null;
  const scale = chosen.log ? Math.log10 : (value) => value;
  const xs = curves.flatMap((curve) => curve.raw.map(curve.place));
  const ys = curves.flatMap((curve) => curve.smooth.map((point) => scale(point[1])));
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const x = (value) => LEFT + ((value - left) / (right - left || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((scale(value) - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": tag });
  for (const value of ticks(low, high)) {
    const real = chosen.log ? 10 ** value : value;
    svg.append(element("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(real), y2: y(real), class: "grid" }));
    svg.append(element("text", { x: LEFT - 6, y: y(real) + 4, "text-anchor": "end", class: "tick" }, written(real)));
  }
  for (const value of ticks(left, right)) {
    svg.append(element("text", { x: x(value), y: HEIGHT - 8, "text-anchor": "middle", class: "tick" }, written(value)));
  }
  for (const curve of curves) {
    const path = (points) => points.map((point, n) => `${n ? "L" : "M"}${x(curve.place(point)).toFixed(1)} ${y(point[1]).toFixed(1)}`).join("");
    const inside = curve.raw.filter((point) => scale(point[1]) >= low && scale(point[1]) <= high);
    svg.append(element("path", { d: path(inside), class: `faint s${curve.run.number % 8}` }));
    svg.append(element("path", { d: path(curve.smooth), class: `curve s${curve.run.number % 8}` }));
    const last = curve.smooth[curve.smooth.length - 1];
    svg.append(element("circle", { cx: x(curve.place(last)), cy: y(last[1]), r: 2.5, class: `end s${curve.run.number % 8}` }));
  }
  const lasts = curves.map((curve) => written(curve.raw[curve.raw.length - 1][1])).join(" · ");
  return element("figure", { "data-tag": tag }, element("figcaption", {}, tag, element("small", {}, lasts)), svg);
}

function order(tag) {
  const groups = ["train/", "valid/", "lr/", "speed/", "memory/"];
  const found = groups.findIndex((group) => tag.startsWith(group));
  return found < 0 ? groups.length : found;
}

function charts() {
  const tags = [...new Set(visible().flatMap((run) => Object.keys(run.curves)))];
  const wanted = tags.filter((tag) => tag.includes(chosen.filter)).sort((a, b) => order(a) - order(b) || a.localeCompare(b));
  $("charts").replaceChildren(...wanted.map(chart).filter(Boolean));
}

function card(run, tag, media) {
  const steps = media.map((medium) => medium.step);
  const key = `${run.name} ${tag}`;
  const wanted = at[key] ?? steps[steps.length - 1];
  const shown = media.find((medium) => medium.step === wanted) || media[media.length - 1];
  const address = `media/${shown.number}`;
  const player = shown.kind === "audio" ? element("audio", { controls: "", preload: "none", src: address }) : element("img", { src: address, alt: tag });
  const slider = element("input", { type: "range", min: 0, max: steps.length - 1, value: media.indexOf(shown), "aria-label": `update of ${tag}` });
  slider.addEventListener("input", () => { at[key] = steps[Number(slider.value)]; heard(); });
  const title = element("figcaption", {}, element("span", { class: `dot s${run.number % 8}` }), tag, element("small", {}, `update ${shown.step}`));
  return element("figure", { "data-medium": tag }, title, player, ...(steps.length > 1 ? [slider] : []));
}

let drawn = "";
function heard() {
  const told = JSON.stringify([visible().map((run) => run.media), at, chosen.filter]);
  if (told === drawn) return; // a sound that plays is not interrupted
  drawn = told;
  const cards = [];
  for (const run of visible()) {
    const groups = new Map();
    for (const medium of run.media) {
      if (!medium.tag.includes(chosen.filter)) continue;
      const key = `${medium.kind} ${medium.tag}`;
      groups.set(key, [...(groups.get(key) || []), medium]);
    }
    for (const media of groups.values()) cards.push(card(run, media[0].tag, media));
  }
  $("heard").hidden = !cards.length;
  $("media").replaceChildren(...cards);
}

function legend() {
  const buttons = state.runs.map((run, number) => {
    const on = !chosen.hidden.includes(run.name);
    const button = element("button", { "aria-pressed": on, class: on ? "" : "off" }, element("span", { class: `dot s${number % 8}` }), run.name);
    button.addEventListener("click", () => {
      chosen.hidden = on ? [...chosen.hidden, run.name] : chosen.hidden.filter((name) => name !== run.name);
      draw();
    });
    return button;
  });
  $("runs").replaceChildren(...buttons);
}

function draw() {
  legend();
  charts();
  heard();
  history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(chosen))}`);
}

async function refresh() {
  try {
    const answer = await fetch("data.json", { cache: "no-store" });
    state = await answer.json();
    const steps = state.runs.map((run) => Math.max(0, ...Object.values(run.curves).flatMap((points) => points.slice(-1).map((point) => point[0]))));
    $("told").textContent = `${state.runs.length} run(s), update ${steps.join(", ")}; ${new Date().toLocaleTimeString()}`;
    draw();
  } catch (error) {
    $("told").textContent = "the program that shows this has ended: start it again, and this page goes on";
  }
  setTimeout(refresh, EVERY);
}

function begin() {
  try {
    Object.assign(chosen, JSON.parse(decodeURIComponent(location.hash.slice(1))));
  } catch (error) { /* an address without a choice */ }
  for (const name of ["smoothing", "axis", "filter"]) {
    $(name).value = chosen[name];
    $(name).addEventListener("input", () => { chosen[name] = name === "smoothing" ? Number($(name).value) : $(name).value; draw(); });
  }
  $("log").checked = chosen.log;
  $("log").addEventListener("change", () => { chosen.log = $("log").checked; draw(); });
  refresh();
}
begin();
