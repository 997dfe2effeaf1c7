"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const SVG = $("svg").namespaceURI;
  const HTML = document.body.namespaceURI;

  // Elements are made, never parsed: no name in the data can become markup.
  const make = (space) => (tag, attributes = {}, ...children) => {
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "on") for (const [event, run] of Object.entries(value)) element.addEventListener(event, run);
      else if (value !== null && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  };
  const h = make(HTML);
  const s = make(SVG);

  // JSON has no infinity: an SQNR without noise is the text "inf".
  const number = (value) => (value === "inf" ? Infinity : value === "-inf" ? -Infinity : value);
  const known = (value) => value !== null && value !== undefined;
  const decibels = (value) => (!known(value) ? "–" : value === Infinity ? "exact" : value === -Infinity ? "−∞" : value.toFixed(1));
  const signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "±") + Math.abs(value).toFixed(1);
  const percent = (share) => (share ? (100 * share).toPrecision(2) : "0");
  const counted = (value) => (value ? value.toLocaleString("en-US") : "");
  const BANDS = [[10, "below 10 dB"], [20, "10 to 20"], [30, "20 to 30"], [40, "30 to 40"], [Infinity, "40 and more"]];
  const band = (value) => (!known(value) ? "bn" : value === Infinity ? "b5" : `b${BANDS.findIndex(([end]) => value < end)}`);
  const shortened = (text, size) => (text.length > size ? `…${text.slice(1 - size)}` : text);

  // ---- light and dark
  const themes = { auto: "◐ auto", light: "☀ light", dark: "☾ dark" };
  const themeButton = $("#theme");
  const stored = () => { try { return localStorage.getItem("emu-theme"); } catch { return null; } };
  const setTheme = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    themeButton.textContent = themes[name];
    themeButton.setAttribute("aria-label", `Colours: ${name === "auto" ? "as the system" : name}`);
    themeButton.dataset.now = name;
    try { localStorage.setItem("emu-theme", name); } catch { /* a file may have no storage */ }
  };
  setTheme(stored() in themes ? stored() : "auto");
  themeButton.addEventListener("click", () => {
    const names = Object.keys(themes);
    setTheme(names[(names.indexOf(themeButton.dataset.now) + 1) % names.length]);
  });

  // ---- tables that sort by the values of their cells
  const cellValue = (row, column) => {
    const raw = row.cells[column].dataset.v ?? "";
    const value = raw === "" ? NaN : Number(raw);
    return raw === "" ? null : Number.isNaN(value) ? raw : value;
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  const sortable = (table) => {
    const heads = $$("thead th", table);
    heads.forEach((head, column) => $("button", head).addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const keyed = [...body.rows].map((row) => [cellValue(row, column), row]);
      // What has no value comes last, whichever way.
      keyed.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : down ? compare(b, a) : compare(a, b)));
      body.append(...keyed.map(([, row]) => row));
    }));
  };

  // ---- one case
  const COLUMNS = [
    ["#", "num", (l, i) => [i + 1, i + 1]],
    ["layer", "", (l) => [l.name, shortened(l.name, 44)]],
    ["op", "", (l) => [l.op, l.op]],
    ["shape", "", (l) => [l.shape, l.shape]],
    ["MACs", "num", (l) => [l.macs || null, counted(l.macs)]],
    ["own dB", "num", (l) => [l.own, decibels(l.own)], "SQNR of the layer alone, on golden inputs"],
    ["change", "num", (l) => [l.ownChange, known(l.ownChange) ? signed(l.ownChange) : ""], "of own dB since the baseline"],
    ["all dB", "num", (l) => [l.all, decibels(l.all)], "SQNR in the whole integer network"],
    ["change", "num", (l) => [l.allChange, known(l.allChange) ? signed(l.allChange) : ""], "of all dB since the baseline"],
    ["cosine", "num", (l) => [l.cosine, known(l.cosine) ? l.cosine.toFixed(5) : ""]],
    ["LSB", "num", (l) => [l.lsb, known(l.lsb) ? l.lsb.toFixed(1) : ""], "largest error in steps of the integers"],
    ["bias", "num", (l) => [l.bias, known(l.bias) ? l.bias.toExponential(1) : ""], "mean error"],
    ["sat %", "num", (l) => [l.saturated, known(l.saturated) ? percent(l.saturated) : ""], "values at an end of the range"],
    ["acc", "num", (l) => [l.acc || null, l.acc || ""], "bits of the largest sum"],
    ["ovf", "num", (l) => [l.overflows, known(l.overflows) ? counted(l.overflows) || "0" : ""], "overflows of the accumulator"],
  ];
  const FIELDS = ["name", "op", "shape", "dtype", "macs", "params", "own", "all", "ownWas", "allWas", "cosine", "lsb", "bias", "saturated", "acc", "overflows"];

  const change = (now, was) => (known(now) && known(was) && Number.isFinite(now) && Number.isFinite(was) && Math.abs(now - was) >= 0.05 ? now - was : null);
  const readLayer = (row) => {
    const layer = Object.fromEntries(FIELDS.map((name, i) => [name, number(row[i])]));
    layer.ownChange = change(layer.own, layer.ownWas);
    layer.allChange = change(layer.all, layer.allWas);
    layer.main = known(layer.own) ? layer.own : layer.all;
    return layer;
  };

  class CaseView {
    constructor(host, data) {
      this.tip = `tip-${host.dataset.for}`;
      this.layers = data.layers.map(readLayer);
      this.data = data;
      this.parts = [];
      this.picked = -1;
      const compared = this.layers.some((layer) => known(layer.main));
      if (data.blocks) host.append(h("h2", {}, "Network"), legend(compared), this.network());
      if (compared) host.append(h("h2", {}, "SQNR of every layer"), ...this.chart());
      if (data.hist.length) host.append(h("h2", {}, "Worst layers: values of FP32 and of the program"), ...this.histograms());
      host.append(h("h2", {}, "Layers"), this.table());
      const worst = this.layers.reduce((best, layer, i) => (known(layer.main) && (best < 0 || layer.main < this.layers[best].main) ? i : best), -1);
      this.pick(Math.max(worst, 0));
    }

    // One layer is picked everywhere: graph, chart, histograms, table, side.
    pick(row, { from = null } = {}) {
      if (row < 0 || row >= this.layers.length) return;
      for (const part of this.parts) for (const place of [this.picked, row]) {
        const element = part.elements.get(place);
        if (!element) continue;
        element.classList.toggle("picked", place === row);
        if (part.pressed) element.setAttribute(part.pressed, place === row);
        if (part.roving) element.setAttribute("tabindex", place === row ? 0 : -1);
      }
      this.picked = row;
      for (const part of this.parts) if (part.name !== from && part.show) part.show(row);
    }

    part(name, options) {
      const part = { name, elements: new Map(), ...options };
      this.parts.push(part);
      return part;
    }

    network() {
      const { blocks, edges, size } = this.data;
      const [bw, bh] = this.data.box;
      const lines = edges.map(([from, to, d]) => s("path", { class: "edge", d, "data-from": from, "data-to": to }));
      const world = s("g", {}, ...lines);
      const svg = s("svg", { role: "group", "aria-label": "Network; arrow keys walk, Enter picks, plus and minus zoom" },
        s("defs", {}, s("marker", { id: this.tip, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" }, s("path", { d: "M0 0L8 4L0 8z", fill: "currentColor", opacity: 0.55 }))), world);
      lines.forEach((line) => line.setAttribute("marker-end", `url(#${this.tip})`));
      const view = new View(svg, world, size);
      const near = (block) => lines.forEach((line) => line.classList.toggle("near", +line.dataset.from === block || +line.dataset.to === block));
      const blockOf = new Map();
      const part = this.part("graph", { roving: true, pressed: "aria-pressed", show: (row) => { near(blockOf.get(row)); view.reveal(blocks[blockOf.get(row)]); } });
      blocks.forEach(([name, op, note, x, y, row], i) => {
        const layer = row >= 0 ? this.layers[row] : null;
        const text = layer ? decibels(layer.main) : "";
        const node = s("g", { class: `node ${layer ? band(layer.main) : "bn end"}`, transform: `translate(${x - bw / 2} ${y - bh / 2})`, "data-block": i },
          s("title", {}, `${name}\n${op}${note ? ` ${note}` : ""}${layer && known(layer.main) ? `\n${text}${text === "exact" ? "" : " dB"}` : ""}`),
          s("rect", { width: bw, height: bh, rx: 7 }),
          s("text", { x: 9, y: 16 }, shortened(name.split(";")[0], text && text !== "–" ? 17 : 24)),
          s("text", { class: "op", x: 9, y: 30 }, shortened(`${op} ${note}`, 27)),
          text && text !== "–" ? s("text", { class: "db", x: bw - 8, y: 16 }, text) : "");
        if (layer) {
          node.setAttribute("role", "button");
          node.setAttribute("tabindex", -1);
          node.setAttribute("aria-label", `${name}, ${op}, ${known(layer.main) ? `${text} dB` : "not compared"}`);
          node.addEventListener("click", () => { if (!view.moved) { this.pick(row, { from: "graph" }); near(i); node.focus({ preventScroll: true }); } });
          part.elements.set(row, node);
          blockOf.set(row, i);
        }
        world.append(node);
      });
      const focus = (row) => { const node = part.elements.get(row); if (node) { view.reveal(blocks[blockOf.get(row)]); node.setAttribute("tabindex", 0); node.focus({ preventScroll: true }); } };
      svg.addEventListener("keydown", (event) => {
        const here = event.target.dataset?.block;
        const zooms = { "+": 1.25, "=": 1.25, "-": 0.8 };
        if (event.key in zooms) view.zoom(zooms[event.key]);
        else if (event.key === "0") view.fit();
        else if (here === undefined) return;
        else if (event.key === "Enter" || event.key === " ") { this.pick(blocks[here][5], { from: "graph" }); near(+here); }
        else {
          const next = step(+here, event.key, blocks, edges);
          if (next === null) return;
          focus(blocks[next][5]);
        }
        event.preventDefault();
      });
      const buttons = [["+", "Zoom in", () => view.zoom(1.25)], ["−", "Zoom out", () => view.zoom(0.8)], ["fit", "Show all", () => view.fit()]];
      const side = h("div", { class: "pane side", "aria-live": "polite" });
      this.part("side", { show: (row) => side.replaceChildren(...this.details(row)) });
      return h("div", { class: "split" },
        h("div", { class: "pane graph" }, svg, h("div", { class: "zoom" }, ...buttons.map(([text, label, click]) => h("button", { type: "button", "aria-label": label, title: label, on: { click } }, text)))),
        side);
    }

    details(row) {
      const layer = this.layers[row];
      const since = (now, was) => { const by = change(now, was); return by === null ? "" : h("span", { class: by < 0 ? "worse" : "better" }, ` ${signed(by)} since the baseline`); };
      const facts = [["operator", layer.op], ["result", `${layer.shape} ${layer.dtype || ""}`], ["MACs", counted(layer.macs)], ["parameters", counted(layer.params)]];
      if (known(layer.own)) facts.push(["SQNR, layer alone", h("span", {}, h("span", { class: `chip ${band(layer.own)}` }, decibels(layer.own)), since(layer.own, layer.ownWas))]);
      if (known(layer.all)) facts.push(["SQNR, whole network", h("span", {}, h("span", { class: `chip ${band(layer.all)}` }, decibels(layer.all)), since(layer.all, layer.allWas))]);
      if (known(layer.cosine)) facts.push(["cosine", layer.cosine.toFixed(6)], ["largest error", `${layer.lsb.toFixed(1)} LSB`], ["mean error", layer.bias.toExponential(2)], ["saturated", `${percent(layer.saturated)} %`]);
      if (layer.acc) facts.push(["largest sum", `${layer.acc} bits`], ["overflows", String(layer.overflows ?? 0)]);
      const parts = [h("h3", {}, layer.name), h("dl", {}, ...facts.filter(([, value]) => value !== "").flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))];
      const found = this.data.hist.find((one) => one[0] === row);
      if (found) parts.push(drawHistogram(found));
      return parts;
    }

    chart() {
      const rows = this.layers.map((layer, i) => [layer, i]).filter(([layer]) => known(layer.main));
      const finite = rows.flatMap(([layer]) => [layer.own, layer.all, layer.ownWas]).filter((value) => known(value) && Number.isFinite(value));
      const top = Math.max(20, Math.ceil(Math.max(0, ...finite) / 10) * 10);
      const pitch = Math.max(4.6, Math.min(96, 1210 / rows.length));
      const [left, high, base] = [44, 12, 190];
      const y = (value) => base - (base - high) * Math.max(0, Math.min(1, (value === Infinity ? top : value) / top));
      const width = left + pitch * rows.length + 10;
      const svg = s("svg", { class: pitch < 9 ? "thin" : null, width, height: 214, viewBox: `0 0 ${width} 214`, role: "group", "aria-label": "SQNR of each layer in order of execution; arrow keys walk" });
      for (let tick = 0; tick <= top; tick += top > 60 ? 20 : 10) svg.append(s("line", { class: "grid", x1: left, x2: width, y1: y(tick), y2: y(tick) }), s("text", { class: "tick", x: left - 6, y: y(tick) + 4 }, `${tick} dB`));
      const part = this.part("chart", { roving: true, pressed: "aria-pressed", show: (row) => reveal(part.elements.get(row), "x") });
      rows.forEach(([layer, row], i) => {
        const x = left + i * pitch;
        const bar = s("g", { class: `bar ${band(layer.main)}`, role: "button", tabindex: -1, "aria-label": `${layer.name}: ${decibels(layer.main)}${layer.main === Infinity ? "" : " dB"}`, on: { click: () => this.pick(row, { from: "chart" }) } },
          s("title", {}, `${layer.name}\n${known(layer.own) ? `alone ${decibels(layer.own)} dB` : ""}${known(layer.all) ? `\nin the network ${decibels(layer.all)} dB` : ""}`),
          s("rect", { class: "hit", x: x + 0.5, y: high - 6, width: pitch - 1, height: base - high + 8, rx: 3 }),
          s("rect", { class: "fill", x: x + pitch * 0.16, y: y(layer.main), width: pitch * 0.68, height: Math.max(1.5, base - y(layer.main)), rx: 1.5 }),
          known(layer.own) && known(layer.all) ? s("circle", { class: "all", cx: x + pitch / 2, cy: y(layer.all), r: Math.min(4, pitch / 3) }) : "",
          known(layer.ownWas) && change(layer.own, layer.ownWas) !== null ? s("line", { class: "was", x1: x + 1, x2: x + pitch - 1, y1: y(layer.ownWas), y2: y(layer.ownWas) }) : "");
        if (rows.length <= 26) svg.append(s("text", { class: "tick mid", x: x + pitch / 2, y: 206 }, shortened(layer.name, Math.max(3, Math.floor(pitch / 6)))));
        part.elements.set(row, bar);
        svg.append(bar);
      });
      const order = rows.map(([, row]) => row);
      svg.addEventListener("keydown", (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 }[event.key];
        if (by === undefined) return;
        const at = Math.max(0, Math.min(order.length - 1, order.indexOf(this.picked) + by));
        this.pick(order[at], { from: "chart" });
        part.elements.get(order[at]).focus({ preventScroll: true });
        reveal(part.elements.get(order[at]), "x");
        event.preventDefault();
      });
      const both = rows.some(([layer]) => known(layer.own) && known(layer.all));
      const said = both ? "Bars: each layer alone on golden inputs; circles: in the whole integer network; " : "Bars: the layer as it was compared; ";
      return [h("p", { class: "legend" }, `${said}lines across: the baseline, where it differs. In order of execution.`), h("div", { class: "pane chart", tabindex: -1 }, svg)];
    }

    histograms() {
      const part = this.part("hist", { pressed: "aria-pressed" });
      const cards = this.data.hist.map((found) => {
        const layer = this.layers[found[0]];
        const card = h("button", { type: "button", class: "hist", "aria-pressed": "false", on: { click: () => this.pick(found[0], { from: "hist" }) } },
          h("span", { class: `chip ${band(layer.main)}` }, decibels(layer.main)), " ", h("b", { class: "cut" }, layer.name), drawHistogram(found));
        part.elements.set(found[0], card);
        return card;
      });
      return [
        h("p", { class: "legend" }, h("i", { class: "key golden" }), "golden FP32", h("i", { class: "key program" }), "integer program, dequantized; heights are logarithmic"),
        h("div", { class: "hists" }, ...cards)];
    }

    table() {
      const shown = COLUMNS.filter(([, , read]) => this.layers.some((layer, i) => known(read(layer, i)[0])));
      const part = this.part("table", { roving: true, pressed: "aria-selected", show: (row) => reveal(part.elements.get(row), "y") });
      const rows = this.layers.map((layer, i) => {
        const cells = shown.map(([name, kind, read]) => {
          const [value, text] = read(layer, i);
          const chip = name.endsWith("dB") && known(value);
          const cell = h("td", { class: kind, "data-v": known(value) ? value : "", title: name === "layer" ? layer.name : null },
            chip ? h("span", { class: `chip ${band(value)}` }, text) : String(text));
          if (name === "change" && known(value)) cell.classList.add(value < 0 ? "worse" : "better");
          return cell;
        });
        const row = h("tr", { "data-row": i, tabindex: -1, "aria-selected": "false", on: { click: () => this.pick(i, { from: "table" }) } }, ...cells);
        part.elements.set(i, row);
        return row;
      });
      const heads = shown.map(([name, kind, , title]) => h("th", { scope: "col", class: kind, "aria-sort": "none", title: title ?? null }, h("button", { type: "button" }, name)));
      const body = h("tbody", { on: { keydown: (event) => {
        const row = event.target.closest("tr");
        const next = event.key === "ArrowDown" ? row.nextElementSibling : event.key === "ArrowUp" ? row.previousElementSibling : null;
        if (next) { this.pick(+next.dataset.row, { from: "table" }); next.focus({ preventScroll: true }); reveal(next, "y"); event.preventDefault(); }
      } } }, ...rows);
      const table = h("table", { class: "sortable", "aria-label": "Layers" }, h("thead", {}, h("tr", {}, ...heads)), body);
      sortable(table);
      return h("div", { class: "scroll tall" }, table);
    }
  }

  const legend = (compared) => h("p", { class: "legend" },
    ...(compared ? [...BANDS.map(([, text], i) => [`b${i}`, text]), ["b5", "exact"]] : []).concat([["bn", "not compared"]])
      .map(([kind, text]) => h("span", {}, h("i", { class: `swatch ${kind}` }), text)),
    h("span", {}, "· wheel zooms, dragging moves"));

  // Scroll only the box around an element, never the page.
  const reveal = (element, axis) => {
    const box = element?.closest(".scroll, .chart");
    if (!box || !box.clientHeight) return;
    const [outer, inner] = [box.getBoundingClientRect(), element.getBoundingClientRect()];
    if (axis === "y" && (inner.top < outer.top + 34 || inner.bottom > outer.bottom)) box.scrollTop += inner.top - outer.top - outer.height / 2;
    if (axis === "x" && (inner.left < outer.left || inner.right > outer.right)) box.scrollLeft += inner.left - outer.left - outer.width / 2;
  };

  // The block that an arrow key leads to: along edges, or beside in the same row.
  const step = (here, key, blocks, edges) => {
    const can = (list) => list.filter((i) => blocks[i][5] >= 0);
    const [, , , x, y] = blocks[here];
    if (key === "ArrowDown") return can(edges.filter(([from]) => from === here).map(([, to]) => to))[0] ?? null;
    if (key === "ArrowUp") return can(edges.filter(([, to]) => to === here).map(([from]) => from))[0] ?? null;
    const side = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
    const beside = can(blocks.map((_, i) => i)).filter((i) => side && blocks[i][4] === y && (blocks[i][3] - x) * side > 0);
    return beside.sort((a, b) => Math.abs(blocks[a][3] - x) - Math.abs(blocks[b][3] - x))[0] ?? null;
  };

  class View {
    constructor(svg, world, [width, height]) {
      Object.assign(this, { svg, world, width, height, k: 1, x: 0, y: 0, moved: false });
      svg.addEventListener("wheel", (event) => {
        event.preventDefault();
        const box = svg.getBoundingClientRect();
        this.zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top);
      }, { passive: false });
      let last = null;
      svg.addEventListener("pointerdown", (event) => { last = [event.clientX, event.clientY]; this.moved = false; });
      svg.addEventListener("pointermove", (event) => {
        if (!last || !event.buttons) return;
        const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
        if (!this.moved && Math.hypot(dx, dy) < 4) return;
        if (!this.moved) svg.setPointerCapture(event.pointerId);
        this.moved = true;
        svg.classList.add("drag");
        this.x += dx; this.y += dy; last = [event.clientX, event.clientY];
        this.apply();
      });
      for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => { last = null; svg.classList.remove("drag"); setTimeout(() => { this.moved = false; }); });
      new ResizeObserver(() => { if (!this.placed && svg.clientWidth) { this.placed = true; this.start(); } }).observe(svg);
    }
    apply() { this.world.setAttribute("transform", `translate(${this.x.toFixed(1)} ${this.y.toFixed(1)}) scale(${this.k.toFixed(4)})`); }
    // Readable first: all of the width, but no smaller than a name can be read.
    start() {
      this.k = Math.max(0.85, Math.min(1, this.svg.clientWidth / this.width, this.svg.clientHeight / this.height));
      this.x = (this.svg.clientWidth - this.width * this.k) / 2;
      this.y = Math.max(4, (this.svg.clientHeight - this.height * this.k) / 2);
      this.apply();
      if (this.wanted) this.reveal(this.wanted);
    }
    fit() {
      this.k = Math.min(1.4, this.svg.clientWidth / this.width, this.svg.clientHeight / this.height);
      this.x = (this.svg.clientWidth - this.width * this.k) / 2;
      this.y = (this.svg.clientHeight - this.height * this.k) / 2;
      this.apply();
    }
    zoom(by, x = this.svg.clientWidth / 2, y = this.svg.clientHeight / 2) {
      const k = Math.max(0.04, Math.min(4, this.k * by));
      this.x = x - (x - this.x) * k / this.k; this.y = y - (y - this.y) * k / this.k; this.k = k;
      this.apply();
    }
    reveal(block) {
      if (!block) return;
      this.wanted = block;
      if (!this.placed) return;
      const [sx, sy] = [this.x + block[3] * this.k, this.y + block[4] * this.k];
      const [w, h2] = [this.svg.clientWidth, this.svg.clientHeight];
      if (sx < 70 || sx > w - 70) this.x += w / 2 - sx;
      if (sy < 40 || sy > h2 - 40) this.y += h2 / 2 - sy;
      this.apply();
    }
  }

  const drawHistogram = ([, start, width, scale, golden, program]) => {
    const [w, high] = [300, 92];
    const top = Math.log1p(Math.max(1, ...golden, ...program));
    const y = (count) => (high - (high - 4) * Math.log1p(count) / top).toFixed(1);
    const x = (i) => (i * w / golden.length).toFixed(2);
    const steps = (counts) => counts.map((count, i) => `${i ? "L" : "M"}${x(i)} ${y(count)}H${x(i + 1)}`).join("");
    const end = start + width * golden.length;
    const zero = start < 0 && end > 0 ? (-start / (end - start)) * w : null;
    return s("svg", { viewBox: `0 0 ${w} 110`, role: "img", "aria-label": `values from ${start.toPrecision(3)} to ${end.toPrecision(3)}` },
      s("title", {}, `bins of ${width.toPrecision(3)}${scale ? `, ${Math.round(width / scale)} LSB each` : ""}`),
      s("path", { class: "golden", d: `M0 ${high}L${steps(golden).slice(1)}V${high}z` }),
      s("path", { class: "program", d: steps(program) }),
      s("line", { class: "grid", x1: 0, x2: w, y1: high, y2: high }),
      zero !== null ? s("line", { class: "grid", x1: zero, x2: zero, y1: 0, y2: high }) : "",
      s("text", { class: "tick left", x: 0, y: 106 }, start.toPrecision(3)),
      s("text", { class: "tick", x: w, y: 106 }, end.toPrecision(3)));
  };

  // ---- which page: the overview, or the case that the address names
  const drawn = new Set();
  const named = () => { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } };
  const route = () => {
    const key = named();
    const section = $$("section.case").find((one) => one.id === key);
    $("#overview").hidden = Boolean(section);
    for (const one of $$("section.case")) one.hidden = one !== section;
    if (!section) return;
    const data = $(`script[id="${section.id}-data"]`);
    if (data && !drawn.has(key)) { drawn.add(key); new CaseView($(".layers", section), JSON.parse(data.textContent)); }
    scrollTo(0, 0);
    $("h1", section).focus({ preventScroll: true });
  };
  addEventListener("hashchange", route);
  // The address says which case is shown, so skipping must not change it.
  $(".skip").addEventListener("click", (event) => { event.preventDefault(); $("#main").focus(); });

  // ---- the overview
  sortable($("#cases"));
  const filter = () => {
    const words = $("#search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = $$("#cases tbody tr");
    for (const row of rows) {
      const name = row.cells[1].textContent.toLowerCase();
      row.hidden = !words.every((word) => name.includes(word)) || ($("#failing").checked && row.dataset.code === "0");
    }
    $("#shown").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} cases`;
  };
  $("#search").addEventListener("input", filter);
  $("#failing").addEventListener("change", filter);
  filter();
  for (const box of $$(".show")) box.addEventListener("change", () => box.closest("section").classList.toggle(`off-${box.dataset.kind}`, !box.checked));
  route();
})();
