// Pan, zoom and read the plots of this page. No library, no request: all data is in the page.
// The still SVG of each figure stays in the page for print and is what is seen without this script.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const UNITS = {
    time: [[1, "ns"], [1e3, "µs"], [1e6, "ms"], [1e9, "s"]],
    bytes: [[1, "B"], [1e3, "kB"], [1e6, "MB"], [1e9, "GB"], [1e12, "TB"]],
    rate: [[1, "bit/s"], [1e3, "kbit/s"], [1e6, "Mbit/s"], [1e9, "Gbit/s"]],
  };
  const DARK = "#222222";
  const data = JSON.parse(document.getElementById("data").textContent);
  const { width: W, left: L, right: R, height: H } = data.layout;
  const FULL = [0, data.x_max_ns];
  const SHORTEST_NS = 1000;
  let view = FULL.slice();
  const plots = [];

  const element = (name, attributes, parent, text) => {
    const made = document.createElementNS(SVG, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };
  const unit = (quantity, largest) =>
    UNITS[quantity].filter((known) => known[0] <= Math.abs(largest)).pop() || UNITS[quantity][0];
  const worded = (quantity, value, digits = 4) => {
    const [factor, name] = unit(quantity, value);
    return `${Number((value / factor).toPrecision(digits))} ${name}`;
  };
  const roundUp = (number) => {
    const power = 10 ** Math.floor(Math.log10(number));
    return [1, 2, 5, 10].map((f) => f * power).find((f) => f >= number * (1 - 1e-9));
  };
  const ticks = (quantity, low, high, wanted) => {
    const [factor, name] = unit(quantity, Math.max(Math.abs(low), Math.abs(high)));
    const step = roundUp((high - low) / factor / wanted);
    const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-12));
    const found = [];
    for (let n = Math.ceil(low / factor / step - 1e-9); n * step * factor <= high + step * factor * 1e-9; n++)
      found.push([n * step * factor, (n * step).toFixed(decimals).replace("-", "\u2212").replace(/^\u2212(0(\.0*)?)$/, "$1")]);
    return [name, found];
  };
  const logTicks = (quantity, low, high, wanted) => {
    let found = [];
    for (const factors of [[1, 2, 5], [1, 3], [1]]) {
      found = [];
      for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++)
        for (const f of factors) {
          const value = Number(`${f}e${p}`);
          if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) found.push([value, worded(quantity, value)]);
        }
      if (found.length <= 2 * wanted) break;
    }
    const every = Math.max(1, Math.ceil(found.length / (2 * wanted)));
    found = found.filter((_, n) => n % every === 0);
    return found.length > 1 ? ["", found] : ticks(quantity, low, high, wanted);
  };
  const summed = (deltas) => {
    const out = new Float64Array(deltas.length);
    let total = 0;
    for (let i = 0; i < deltas.length; i++) out[i] = total += deltas[i];
    return out;
  };
  const firstAfter = (sorted, value) => {
    let low = 0, high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1; else high = middle;
    }
    return low;
  };

  class Plot {
    constructor(figure, spec) {
      this.figure = figure;
      this.spec = spec;
      this.layers = spec.layers.map((l) => ({ ...l, x: summed(l.x).map((v) => v * 1000), y: summed(l.y), on: true }));
      this.full = spec.y;
      this.y = spec.y.slice();
      this.still = figure.querySelector(".still");
      this.live = document.createElement("div");
      this.live.className = "live";
      this.live.tabIndex = 0;
      this.live.setAttribute("role", "application");
      this.live.setAttribute("aria-label", `${spec.title}: arrow keys move, plus and minus zoom, 0 shows all`);
      this.canvas = document.createElement("canvas");
      const whole = this.still.querySelector("svg");
      this.height = whole.viewBox.baseVal.height;
      this.svg = element("svg", { viewBox: `0 0 ${W} ${this.height}`, "font-family": whole.getAttribute("font-family"), "font-size": 12, fill: DARK });
      this.hint = document.createElement("div");
      this.hint.className = "hint";
      this.hint.append(document.createElement("span"));
      this.hint.firstChild.textContent = "click the plot, or hold Ctrl, to zoom with the wheel";
      this.live.append(this.canvas, this.svg, this.hint);
      this.still.after(this.live);
      this.still.hidden = true;
      element("text", { x: L, y: 22, "font-size": 16, "font-weight": "bold" }, this.svg, spec.title);
      element("text", { x: L, y: 40, fill: "#444444" }, this.svg, spec.subtitle);
      this.top = spec.top;
      this.bottom = spec.top + H;
      this.axes = element("g", { class: "axes" }, this.svg);
      this.readout = element("g", {}, this.svg);
      this.legend();
      this.area = element("rect", { class: "area", x: 0, y: spec.top - 10, width: W, height: H + 50, fill: "transparent" }, this.svg);
      this.listen();
    }

    legend() {
      for (const at of this.spec.legend) {
        const layer = this.layers[at.layer];
        const entry = element("g", { class: "entry" }, this.svg);
        element("rect", { x: at.x, y: at.y - 12, width: 40 + layer.label.length * 6.3, height: 17, fill: "transparent" }, entry);
        for (const path of at.swatch) element("path", path, entry);
        element("text", { x: at.x + 34, y: at.y }, entry, layer.label);
        element("title", {}, entry, "click to hide or show");
        entry.addEventListener("click", () => {
          layer.on = !layer.on;
          entry.classList.toggle("off", !layer.on);
          this.draw();
        });
      }
      this.spec.notes.forEach((note, n) =>
        element("text", { x: L, y: this.height - 8 - 15 * (this.spec.notes.length - 1 - n), "font-size": 11, fill: "#555555" }, this.svg, note));
    }

    raw(y) { return this.spec.logarithmic ? Math.log10(Math.max(y, 1e-3)) : y; }
    px(x) { return L + ((x - view[0]) / (view[1] - view[0])) * (W - L - R); }
    py(y) {
      const low = this.raw(this.y[0]), high = this.raw(this.y[1]);
      return this.bottom - ((this.raw(y) - low) / (high - low)) * H;
    }

    draw() {
      this.figure.classList.toggle("zoomed", view[0] !== FULL[0] || view[1] !== FULL[1] || this.y[0] !== this.full[0] || this.y[1] !== this.full[1]);
      this.drawAxes();
      const ratio = window.devicePixelRatio || 1;
      const scale = (this.live.clientWidth / W) * ratio;
      this.canvas.width = Math.round(W * scale);
      this.canvas.height = Math.round(this.height * scale);
      const pen = this.canvas.getContext("2d");
      pen.setTransform(scale, 0, 0, scale, 0, 0);
      pen.beginPath();
      pen.rect(L, this.top - 4, W - L - R + 4, H + 4);
      pen.clip();
      this.seen = [];
      for (const rare of [false, true])
        for (const layer of this.layers) if (layer.on && layer.rare === rare) this.drawLayer(pen, layer);
    }

    drawAxes() {
      const g = this.axes;
      g.replaceChildren();
      const [name, along] = ticks("time", view[0], view[1], 9);
      const [upName, up] = (this.spec.logarithmic ? logTicks : ticks)(this.spec.quantity, this.y[0], this.y[1], 6);
      for (const [value, label] of up) {
        const y = this.py(value);
        element("path", { d: `M${L} ${y}H${W - R}`, stroke: "#e4e4e4" }, g);
        element("path", { d: `M${L - 5} ${y}H${L}`, stroke: DARK }, g);
        element("text", { x: L - 9, y, dy: "0.35em", "text-anchor": "end", class: "y-tick" }, g, label);
      }
      for (const [value, label] of along) {
        const x = this.px(value);
        element("path", { d: `M${x} ${this.bottom}v5`, stroke: DARK }, g);
        element("text", { x, y: this.bottom + 18, "text-anchor": "middle", class: "x-tick" }, g, label.replace("-", "\u2212"));
      }
      element("path", { d: `M${L} ${this.top}V${this.bottom}H${W - R}`, fill: "none", stroke: DARK }, g);
      element("text", { x: L + (W - L - R) / 2, y: this.bottom + 36, "text-anchor": "middle" }, g, `time since the connection's first segment (${name})`);
      const centre = this.top + H / 2;
      element("text", { x: 18, y: centre, "text-anchor": "middle", transform: `rotate(-90 18 ${centre})` }, g, upName ? `${this.spec.y_label} (${upName})` : this.spec.y_label);
      const free = this.spec.lanes ? new Array(this.spec.lanes).fill(0) : [];
      for (const mark of data.marks) {
        const x = this.px(mark.x * 1000);
        if (x < L - 1 || x > W - R + 1) continue;
        const wide = mark.label.length * 6 + 10;
        const leftwards = x + wide > W;
        const start = leftwards ? x - wide : x;
        const lane = free.findIndex((taken) => taken <= start);
        const top = lane < 0 ? this.top : data.layout.head + lane * data.layout.lane + 2;
        const line = element("path", { d: `M${x} ${top}V${this.bottom}`, stroke: mark.colour, "stroke-dasharray": "1 3" }, g);
        element("title", {}, line, mark.label);
        if (lane < 0) continue;
        free[lane] = start + wide;
        element("text", { x: leftwards ? x - 3 : x + 3, y: top + 8, "font-size": 10, fill: mark.colour, "text-anchor": leftwards ? "end" : "start" }, g, mark.label);
      }
    }

    drawLayer(pen, layer) {
      const { x, y } = layer;
      const from = Math.max(firstAfter(x, view[0]) - 1, 0);
      const to = Math.min(firstAfter(x, view[1]) + 1, x.length);
      if (from >= to) return;
      pen.globalAlpha = layer.opacity;
      pen.strokeStyle = pen.fillStyle = layer.colour;
      pen.lineWidth = layer.width;
      pen.setLineDash(layer.shape === "dots" ? [] : layer.dash);
      pen.lineCap = layer.shape === "dots" ? "round" : "butt";
      pen.lineJoin = "round";
      if (layer.shape !== "dots") {
        const steps = layer.shape === "steps";
        pen.beginPath();
        for (let i = from; i < to; i++) {
          const px = this.px(x[i]), py = this.py(y[i]);
          if (i === from) pen.moveTo(px, py);
          else { if (steps) pen.lineTo(px, this.py(y[i - 1])); pen.lineTo(px, py); }
          this.seen.push([px, py, layer, i]);
        }
        if (steps && to === x.length) pen.lineTo(Math.max(this.px(x[to - 1]), W - R), this.py(y[to - 1]));
        pen.stroke();
      } else {
        const taken = new Set(), posts = [];
        const parts = [];
        let post = -1;
        for (let i = from; i < to; i++) {
          const px = this.px(x[i]), py = this.py(y[i]);
          if (px < L - 9 || px > W || py < this.top - 9 || py > this.bottom + 9) continue;
          const cell = Math.round(px * 1.5) * 4096 + Math.round(py * 1.5);
          if (taken.has(cell)) continue;
          taken.add(cell);
          parts.push(`M${px.toFixed(1)} ${py.toFixed(1)}${layer.tail}`);
          this.seen.push([px, py, layer, i]);
          if (layer.post && Math.floor((px + layer.shift) / 70) !== post) {
            post = Math.floor((px + layer.shift) / 70);
            posts.push(`M${px.toFixed(1)} ${py.toFixed(1)}${layer.post}`);
          }
        }
        const path = new Path2D(parts.join(""));
        if (layer.open) pen.stroke(path); else pen.fill(path);
        if (posts.length) {
          const large = new Path2D(posts.join(""));
          pen.lineWidth = layer.post_open ? 2 : 1;
          if (!layer.post_open) { pen.fill(large); pen.strokeStyle = "#ffffff"; }
          pen.stroke(large);
        }
      }
      pen.globalAlpha = 1;
    }

    place(event) {
      const box = this.svg.getBoundingClientRect();
      return [((event.clientX - box.left) * W) / box.width, ((event.clientY - box.top) * W) / box.width];
    }

    zoom(factor, at, axes = "xy") {
      if (axes.includes("x")) {
        const middle = view[0] + ((at[0] - L) / (W - L - R)) * (view[1] - view[0]);
        show([middle - (middle - view[0]) * factor, middle + (view[1] - middle) * factor]);
      }
      if (axes.includes("y")) this.moveY((low, high) => {
        const middle = low + ((this.bottom - at[1]) / H) * (high - low);
        return [middle - (middle - low) * factor, middle + (high - middle) * factor];
      });
      later();
    }

    moveY(change) {
      let [low, high] = change(this.raw(this.y[0]), this.raw(this.y[1]));
      const [least, most] = [this.raw(this.full[0]), this.raw(this.full[1])];
      if (high - low < (most - least) * 1e-7 || high - low > (most - least) * 1e3) return;
      this.y = this.spec.logarithmic ? [10 ** low, 10 ** high] : [low, high];
    }

    pan(dx, dy) {
      const span = view[1] - view[0];
      show([view[0] - (dx / (W - L - R)) * span, view[1] - (dx / (W - L - R)) * span]);
      this.moveY((low, high) => [low + (dy / H) * (high - low), high + (dy / H) * (high - low)]);
      later();
    }

    listen() {
      const touching = new Map();
      this.svg.addEventListener("pointerdown", (event) => {
        if (event.target.closest(".entry")) return;
        touching.set(event.pointerId, this.place(event));
        this.svg.setPointerCapture(event.pointerId);
        this.live.classList.add("dragging");
        this.live.focus({ preventScroll: true });
      });
      this.svg.addEventListener("pointermove", (event) => {
        const now = this.place(event);
        const before = touching.get(event.pointerId);
        if (!before) { this.read(now); return; }
        if (touching.size === 2) {
          const other = [...touching].find(([id]) => id !== event.pointerId)[1];
          const apart = (a) => Math.max(Math.hypot(a[0] - other[0], a[1] - other[1]), 1);
          this.zoom(apart(before) / apart(now), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
          this.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
        } else this.pan(now[0] - before[0], now[1] - before[1]);
        touching.set(event.pointerId, now);
      });
      for (const kind of ["pointerup", "pointercancel"])
        this.svg.addEventListener(kind, (event) => {
          touching.delete(event.pointerId);
          if (!touching.size) this.live.classList.remove("dragging");
        });
      this.svg.addEventListener("pointerleave", () => this.readout.replaceChildren());
      this.svg.addEventListener("dblclick", () => this.reset());
      this.live.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && document.activeElement !== this.live) {
          this.hint.classList.add("shown");
          clearTimeout(this.fading);
          this.fading = setTimeout(() => this.hint.classList.remove("shown"), 1200);
          return;
        }
        event.preventDefault();
        const at = this.place(event);
        const axes = at[1] > this.bottom || event.shiftKey ? "x" : at[0] < L ? "y" : "xy";
        const turned = (event.deltaY || event.deltaX) * (event.deltaMode === 1 ? 16 : 1);
        this.zoom(Math.exp(Math.max(-1, Math.min(1, turned * 0.002))), at, axes);
      }, { passive: false });
      this.live.addEventListener("keydown", (event) => {
        const middle = [(L + W - R) / 2, (this.top + this.bottom) / 2];
        const actions = {
          ArrowLeft: () => this.pan(60, 0), ArrowRight: () => this.pan(-60, 0),
          ArrowUp: () => this.pan(0, 40), ArrowDown: () => this.pan(0, -40),
          "+": () => this.zoom(0.7, middle), "=": () => this.zoom(0.7, middle),
          "-": () => this.zoom(1 / 0.7, middle), 0: () => this.reset(),
        };
        if (event.ctrlKey || event.metaKey || !actions[event.key]) return;
        event.preventDefault();
        actions[event.key]();
      });
    }

    read([x, y]) {
      this.readout.replaceChildren();
      let best = 14 * 14, found = null;
      for (const seen of this.seen) {
        const far = (seen[0] - x) ** 2 + (seen[1] - y) ** 2;
        if (far < best) { best = far; found = seen; }
      }
      if (!found) return;
      const [px, py, layer, i] = found;
      const words = [layer.label, `${(layer.x[i] / 1e9).toFixed(6)} s, ${worded(this.spec.quantity, layer.y[i], 6)}`];
      const wide = Math.max(...words.map((w) => w.length)) * 6.6 + 14;
      const left = Math.min(px + 10, W - wide - 4), top = Math.max(py - 46, 2);
      element("circle", { cx: px, cy: py, r: 5, fill: "none", stroke: DARK, "stroke-width": 1.5 }, this.readout);
      element("rect", { x: left, y: top, width: wide, height: 36, rx: 4, fill: "#ffffff", stroke: "#888888", opacity: 0.95 }, this.readout);
      words.forEach((w, n) => element("text", { x: left + 7, y: top + 15 + 15 * n }, this.readout, w));
    }

    reset() {
      this.y = this.full.slice();
      show(FULL);
      later();
    }
  }

  const show = ([low, high]) => {
    if (!(high - low >= SHORTEST_NS) || high - low > 20 * (FULL[1] - FULL[0])) return;
    view = [low, high];
  };
  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawAll(); });
  };
  const spoken = (value) => Number((value / unit("time", view[1])[0]).toPrecision(7));
  const drawAll = () => {
    for (const plot of plots) plot.draw();
    document.getElementById("shown").textContent = `${spoken(view[0])} to ${spoken(view[1])} ${unit("time", view[1])[1]}`;
  };
  const fromAddress = () => {
    const found = /^#t=([\d.]+),([\d.]+)$/.exec(location.hash);
    if (found) show([Number(found[1]) * 1e9, Number(found[2]) * 1e9]);
  };

  for (const spec of data.figures) plots.push(new Plot(document.getElementById(spec.id), spec));
  const middle = (factor) => () => { for (const [n, p] of plots.entries()) p.zoom(factor, [(L + W - R) / 2, (p.top + p.bottom) / 2], n ? "" : "x"); later(); };
  document.getElementById("in").addEventListener("click", middle(0.5));
  document.getElementById("out").addEventListener("click", middle(2));
  document.getElementById("all").addEventListener("click", () => { for (const plot of plots) plot.reset(); });
  document.getElementById("tools").hidden = false;
  addEventListener("resize", later);
  addEventListener("hashchange", () => { fromAddress(); later(); });
  fromAddress();
  drawAll();
})();
