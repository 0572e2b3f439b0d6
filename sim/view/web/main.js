// Wires the page: messages to scene and charts, buttons to commands.
import { Charts } from "./charts.js";
import { Stage } from "./scene.js";
import { connect } from "./wire.js";

const $ = (id) => document.getElementById(id);
const state = { mode: "live", playing: false };
let samples = [], recordings = [], hasLive = true, frame = null, noticeTimer = 0;

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  stage?.paint();
  charts?.draw();
}

const stage = new Stage($("scene"), $("names"));
const charts = new Charts($("charts"), (i) => { if (state.mode === "replay") send("seek", { step: i }); }, stage.cheap);
stage.paint();
// What a test reads: frames drawn, whether the scene is there, the newest state.
window.korr = { stage, charts, state, get samples() { return samples; }, get frame() { return frame; } };

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
  clearTimeout(noticeTimer);
  if (text) noticeTimer = setTimeout(() => notice(""), 6000);
}

/** cursor is the sample that is shown: the newest, or the one a recording is at. */
const cursor = () => (state.mode === "replay" ? Math.min(frame?.step ?? 0, samples.length - 1) : samples.length - 1);

let chartTimer = 0;
/** drawCharts draws the charts soon, but not more often than is worth it. */
function drawCharts() {
  stage.setTargets(samples, cursor());
  chartTimer ||= setTimeout(() => {
    chartTimer = 0;
    drawChartsNow();
  }, stage.cheap ? 250 : 60);
}

function drawChartsNow() {
  charts.samples = samples;
  charts.at = state.mode === "replay" ? cursor() : -1;
  charts.draw();
  facts();
}

function facts() {
  const s = samples[cursor()], rows = [];
  const add = (k, v) => rows.push([k, v]);
  add("time", s ? `${s.time.toFixed(1)} s` : "–");
  add("step", s ? `${s.step} / ${state.max_steps ?? "–"}` : "–");
  let mm = "–", deg = "–";
  if (s?.target && s?.base) {
    const d = (k) => s.target[k] - s.base[k], dot = Math.abs(s.target.slice(3).reduce((n, v, k) => n + v * s.base[3 + k], 0));
    mm = `${(1000 * Math.hypot(d(0), d(1), d(2))).toFixed(1)} mm`;
    deg = `${((360 / Math.PI) * Math.acos(Math.min(1, dot))).toFixed(1)}°`;
  }
  add("correction", mm);
  add("rotation", deg);
  $("facts").replaceChildren(...rows.flatMap(([k, v]) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = k;
    dd.textContent = v;
    return [dt, dd];
  }));
}

function options(select, list) {
  select.replaceChildren(...list.map(([value, text]) => {
    const o = document.createElement("option");
    o.value = value;
    o.textContent = text;
    return o;
  }));
}

const words = { running: "running", paused: "paused", assembled: "assembled", over: "time is up", failed: "failed" };

function onState(m) {
  const wasReplay = state.mode === "replay";
  Object.assign(state, m);
  const replay = m.mode === "replay", title = document.createElement("b");
  title.textContent = m.task;
  $("title").replaceChildren(title, ` · ${m.policy}${replay ? " · recorded" : ` · seed ${m.seed}`}`);
  document.title = `${m.task} · korr`;
  $("status").textContent = replay && m.status === "over" ? "end" : words[m.status] ?? m.status;
  $("status").dataset.status = m.status;
  if (m.message) notice(m.message);
  $("play").textContent = m.playing && m.status === "running" ? "Pause" : "Play";
  $("livebar").querySelectorAll("button, select, input").forEach((e) => { e.disabled = replay && e.id !== "reset"; });
  if (document.activeElement !== $("seed")) $("seed").value = m.seed;
  $("speed").value = String(m.speed);
  $("loop").checked = m.loop;
  if (m.perturb !== undefined) $("perturb").value = String(m.perturb);
  $("scrub").hidden = !replay;
  $("scrub").max = Math.max(0, (m.length ?? 1) - 1);
  $("recording").value = String(m.recording);
  const r = recordings[m.recording];
  $("episode").hidden = !r;
  if (r && $("episode").length !== r.episodes) options($("episode"), Array.from({ length: r.episodes }, (_, i) => [i, `episode ${i}`]));
  if (r) $("episode").value = String(m.episode);
  if (wasReplay !== replay) drawCharts();
}

const send = connect({
  open() {
    notice("");
    send("contacts", { on: stage.show.contacts });
  },
  lost() {
    $("status").textContent = "disconnected";
    $("status").dataset.status = "lost";
  },
  error(m) { notice(m.message); },
  scene(m) {
    charts.phases = m.phases;
    recordings = m.recordings ?? [];
    hasLive = m.live;
    stage.setScene(m.scene);
    legend();
    options($("recording"), [...(hasLive ? [[-1, "live"]] : []), ...recordings.map((r, i) => [i, `${r.name} (${r.episodes})`])]);
    $("recording").value = String(state.recording ?? -1);
    $("source").hidden = recordings.length === 0;
  },
  state: onState,
  samples(m) {
    samples = m.anew ? m.samples : samples.concat(m.samples);
    drawCharts();
  },
  frame(f) {
    const moved = frame?.step !== f.step;
    frame = f;
    stage.setFrame(f);
    if (state.mode === "replay" && moved) {
      $("scrub").value = f.step;
      drawCharts();
    }
    $("touching").textContent = f.contacts ? `${f.contacts.length} contacts` : "contacts";
  },
});

// typed is the seed in the field: 64 bits, which are digits in a string, for numbers here hold 53. Anything else is the present one.
const typed = () => (/^\d+$/.test($("seed").value.trim()) ? $("seed").value.trim() : state.seed);
$("play").onclick = () => send(state.playing && state.status === "running" ? "pause" : state.mode === "live" && ["assembled", "over", "failed"].includes(state.status) ? "reset" : "play");
$("step").onclick = () => send("step");
$("reset").onclick = () => send("reset", state.mode === "live" ? { seed: typed() } : {});
$("next").onclick = () => send("reset", { seed: String((BigInt(state.seed) + 1n) & 0xffffffffffffffffn) });
$("push").onclick = () => send("push", { value: 1 });
$("perturb").onchange = () => send("perturb", { value: +$("perturb").value });
$("speed").onchange = () => send("speed", { value: +$("speed").value });
$("loop").onchange = () => send("loop", { on: $("loop").checked });
$("scrub").oninput = () => { send("pause"); send("seek", { step: +$("scrub").value }); };
$("recording").onchange = () => ($("recording").value === "-1" ? send("live") : send("open", { recording: +$("recording").value, episode: 0 }));
$("episode").onchange = () => send("open", { recording: +$("recording").value, episode: +$("episode").value });
$("camera").onchange = () => stage.look($("camera").value);
$("theme").onclick = () => {
  const name = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", name);
  setTheme(name);
};
$("showNames").onchange = () => { stage.show.names = $("showNames").checked; stage.dirty = true; };
$("showTargets").onchange = () => { stage.show.targets = $("showTargets").checked; drawCharts(); legend(); };
$("showContacts").onchange = () => {
  stage.show.contacts = $("showContacts").checked;
  send("contacts", { on: stage.show.contacts });
  stage.setContacts(frame?.contacts ?? []);
  stage.dirty = true;
  legend();
};

function legend() {
  const visible = { ".corrected": stage.show.targets, ".base": stage.show.targets, ".contact": stage.show.contacts, ".ghost": stage.bodies?.some((b) => b.ghost) };
  for (const [name, on] of Object.entries(visible)) document.querySelector(`#legend ${name}`).style.display = on ? "" : "none";
}
legend();

document.addEventListener("keydown", (e) => {
  if (e.target instanceof HTMLInputElement && e.target.type === "number" || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === " " && !(e.target instanceof HTMLButtonElement)) { e.preventDefault(); $("play").click(); }
  if (e.key === "." || e.key === "s") $("step").click();
});

// Frames per second over the last second or so; a machine that falls behind while it plays gets a cheaper picture.
let counted = performance.now(), drawn = 0;
function loop(now) {
  stage.render();
  if (now - counted > 1000) {
    const fps = ((stage.frames - drawn) * 1000) / (now - counted);
    window.korr.fps = fps;
    $("meter").textContent = state.status === "running" ? `${fps.toFixed(0)} frames/s · ${state.rate} steps/s` : "";
    if (state.status === "running" && fps < 24 && !document.hidden && state.speed >= 0.25) stage.lighten();
    counted = now;
    drawn = stage.frames;
  }
  requestAnimationFrame(loop);
}
requestAnimationFrame(loop);
