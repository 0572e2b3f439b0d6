// Strip charts of an episode, drawn by hand: time runs to the right, all strips share it.

const phaseColours = ["#8b97a6", "#4f8edc", "#7a6ad8", "#d99a2b", "#cf5f8d", "#35a06c"];
const left = 34, right = 6, axis = 16;

function nice(max) {
  if (!(max > 0)) return 1;
  const p = 10 ** Math.floor(Math.log10(max)), m = max / p;
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((s) => m <= s) * p;
}

const text = (v, digits) => (Number.isFinite(v) ? v.toFixed(digits) : "–");

export class Charts {
  constructor(root, onPick, slow) {
    this.slow = slow; // keep the charts off the graphics processor that is none
    this.samples = [];
    this.phases = [];
    this.at = -1; // cursor, -1 = the newest
    this.hover = null; // s
    this.onPick = onPick;
    const strip = (key, title, unit, digits, colour) => ({ key, digits, colour, ...this.element(root, title, unit, key) });
    this.strips = [
      strip("phase", "phase", "", 0, ""),
      strip("reward", "reward", "so far", 0, "--good"),
      strip("residual", "residual", "norm of r", 2, "--accent"),
      strip("innovation", "innovation", "rms of z − ẑ", 3, "--model"),
    ];
    new ResizeObserver(() => this.draw()).observe(root);
  }

  element(root, title, unit, key) {
    const box = document.createElement("div");
    box.className = `chart ${key}`;
    const head = document.createElement("header"), h = document.createElement("h2"), small = document.createElement("small"), value = document.createElement("output");
    h.textContent = title;
    small.textContent = unit;
    h.append(small);
    head.append(h, value);
    const canvas = document.createElement("canvas");
    box.append(head, canvas);
    root.append(box);
    const time = (e) => Math.max(0, ((e.offsetX - left) / (canvas.clientWidth - left - right)) * this.span());
    canvas.addEventListener("pointermove", (e) => { this.hover = time(e); this.draw(); });
    canvas.addEventListener("pointerleave", () => { this.hover = null; this.draw(); });
    canvas.addEventListener("pointerdown", (e) => this.onPick(this.near(time(e))));
    return { canvas, value };
  }

  /** near is the index of the sample at a time. */
  near(time) {
    let best = 0;
    this.samples.forEach((s, i) => { if (Math.abs(s.time - time) < Math.abs(this.samples[best].time - time)) best = i; });
    return best;
  }

  span() {
    const last = this.samples.at(-1)?.time ?? 0;
    return Math.max(10, Math.ceil(last / 5) * 5);
  }

  draw() {
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
    const cursor = this.hover === null ? (this.at < 0 ? this.samples.length - 1 : this.at) : this.near(this.hover);
    for (const s of this.strips) {
      const { canvas } = s, scale = devicePixelRatio, w = canvas.clientWidth, h = canvas.clientHeight;
      if (!w || !h) continue;
      if (canvas.width !== Math.round(w * scale) || canvas.height !== Math.round(h * scale)) {
        canvas.width = Math.round(w * scale);
        canvas.height = Math.round(h * scale);
      }
      const c = canvas.getContext("2d", { willReadFrequently: this.slow });
      c.setTransform(scale, 0, 0, scale, 0, 0);
      c.clearRect(0, 0, w, h);
      c.font = "10px system-ui, sans-serif";
      const x = (t) => left + (t / this.span()) * (w - left - right);
      if (s.key === "phase") this.drawPhases(c, s, x, h, cursor, colour);
      else this.drawValues(c, s, x, w, h, cursor, colour);
      const now = this.samples[cursor];
      if (now) {
        c.strokeStyle = colour("--muted");
        c.globalAlpha = 0.55;
        c.beginPath();
        c.moveTo(x(now.time), 0);
        c.lineTo(x(now.time), h - axis);
        c.stroke();
        c.globalAlpha = 1;
      }
    }
  }

  ticks(c, x, h, colour) {
    c.fillStyle = colour("--muted");
    c.textAlign = "center";
    c.textBaseline = "bottom";
    const span = this.span(), every = span <= 12 ? 2 : span <= 25 ? 5 : span <= 60 ? 10 : span <= 120 ? 20 : 60;
    for (let t = 0; t <= span; t += every) c.fillText(t === 0 ? "0 s" : `${t}`, Math.min(x(t), x(span) - 6), h);
  }

  drawPhases(c, s, x, h, cursor, colour) {
    const top = 4, height = h - axis - 8;
    c.fillStyle = colour("--sunk");
    c.fillRect(left, top, x(this.span()) - left, height);
    for (let i = 0; i < this.samples.length;) {
      let j = i;
      while (j + 1 < this.samples.length && this.samples[j + 1].phase === this.samples[i].phase) j++;
      const from = x(this.samples[i].time), to = x(this.samples[Math.min(j + 1, this.samples.length - 1)].time), name = this.phases[this.samples[i].phase] ?? "";
      c.globalAlpha = this.at >= 0 && i > this.at ? 0.35 : 1;
      c.fillStyle = phaseColours[this.samples[i].phase % phaseColours.length];
      c.fillRect(from, top, Math.max(1, to - from), height);
      if (to - from > c.measureText(name).width + 6) {
        c.fillStyle = "#fff";
        c.textAlign = "center";
        c.textBaseline = "middle";
        c.fillText(name, (from + to) / 2, top + height / 2);
      }
      i = j + 1;
    }
    c.globalAlpha = 1;
    this.ticks(c, x, h, colour);
    s.value.textContent = this.phases[this.samples[cursor]?.phase] ?? "–";
  }

  drawValues(c, s, x, w, h, cursor, colour) {
    let max = s.key === "reward" ? 1 : 0;
    for (const p of this.samples) if (p[s.key] > max) max = p[s.key];
    max = nice(max);
    const y = (v) => h - axis - (v / max) * (h - axis - 8);
    c.strokeStyle = colour("--line");
    c.lineWidth = 1;
    c.fillStyle = colour("--muted");
    c.textAlign = "right";
    c.textBaseline = "middle";
    for (const v of [0, max / 2, max]) {
      const at = Math.round(y(v)) + 0.5;
      c.beginPath();
      c.moveTo(left, at);
      c.lineTo(w - right, at);
      c.stroke();
      if (v !== max / 2) c.fillText(`${+v.toPrecision(2)}`, left - 5, at);
    }
    const until = this.at < 0 ? this.samples.length - 1 : this.at;
    const line = (from, to, alpha) => {
      c.globalAlpha = alpha;
      c.beginPath();
      let pen = false, first = 0, last = 0;
      for (let i = from; i <= to; i++) {
        const p = this.samples[i], v = p[s.key];
        if (!Number.isFinite(v)) { pen = false; continue; }
        if (pen) c.lineTo(x(p.time), y(v));
        else { c.moveTo(x(p.time), y(v)); first = p.time; }
        pen = true;
        last = p.time;
      }
      c.stroke();
      if (last > first && alpha === 1) {
        c.lineTo(x(last), y(0));
        c.lineTo(x(first), y(0));
        c.globalAlpha = 0.1;
        c.fill();
      }
      c.globalAlpha = 1;
    };
    c.strokeStyle = c.fillStyle = colour(s.colour);
    c.lineWidth = 1.5;
    c.lineJoin = "round";
    if (until < this.samples.length - 1) line(until, this.samples.length - 1, 0.3);
    line(0, until, 1);
    const now = this.samples[cursor]?.[s.key];
    if (Number.isFinite(now)) {
      c.fillStyle = colour(s.colour);
      c.beginPath();
      c.arc(x(this.samples[cursor].time), y(now), 3, 0, 7);
      c.fill();
    }
    this.ticks(c, x, h, colour);
    if (!this.samples.some((p) => Number.isFinite(p[s.key]))) {
      c.fillStyle = colour("--muted");
      c.textAlign = "center";
      c.textBaseline = "middle";
      c.fillText("none here", (left + w) / 2, (h - axis) / 2);
    }
    s.value.textContent = text(now, s.digits);
  }
}
