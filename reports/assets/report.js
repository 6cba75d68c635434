"use strict";
// A cursor over all charts at once, and its figures as text. The page says
// everything without it: this only saves opening the tables.
(function () {
  const svgNS = "http://www.w3.org/2000/svg";
  const charts = Array.from(document.querySelectorAll("svg.chart[data-left]"), read);

  function read(svg) {
    const n = {};
    for (const key of ["left", "right", "top", "bottom", "low", "high", "factor", "began", "ended", "zero"]) n[key] = Number(svg.dataset[key]);
    const lines = Array.from(svg.querySelectorAll(".line"), (path) => ({ name: path.dataset.name, points: points(path.getAttribute("d")) }));
    const cursor = svg.appendChild(document.createElementNS(svgNS, "path"));
    cursor.setAttribute("class", "cursor");
    const out = document.createElement("span");
    out.className = "readout";
    svg.closest("figure").querySelector(".chart-head").append(out);
    const title = svg.querySelector("title"); // else it would hover over the chart
    svg.setAttribute("aria-label", title.textContent);
    svg.removeAttribute("aria-labelledby");
    svg.setAttribute("aria-description", svg.querySelector("desc").textContent);
    title.remove();
    svg.tabIndex = 0;
    return { svg, n, lines, cursor, out, log: svg.dataset.log === "1", unit: svg.dataset.unit };
  }

  // points of a path made of M, l, v and h.
  function points(d) {
    const all = [];
    let x = 0, y = 0;
    for (const [, command, rest] of d.matchAll(/([Mlvh])([^Mlvh]*)/g)) {
      const v = (rest.match(/-?(?:\d*\.\d+|\d+)/g) || []).map(Number);
      if (command === "M") { x = v[0]; y = v[1]; }
      else if (command === "l") { x += v[0]; y += v[1]; }
      else if (command === "v") y += v[0];
      else continue;
      all.push([x, y]);
    }
    return all;
  }

  function figure(c, y) {
    const part = (c.n.bottom - y) / (c.n.bottom - c.n.top);
    const v = c.log ? c.n.low * Math.pow(c.n.high / c.n.low, part) : c.n.low + part * (c.n.high - c.n.low);
    return Number((v * c.n.factor).toPrecision(3)).toLocaleString("en");
  }

  const two = (v) => String(v).padStart(2, "0");
  function when(c, t) {
    const s = Math.round(Math.abs(t - c.n.zero) / 1000);
    const text = Math.floor(s / 3600) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
    return (t < c.n.zero ? "\u2212" : "+") + text + " (" + new Date(t).toISOString().slice(11, 19) + " UTC)";
  }

  let place = null; // of the cursor, 0 to 1 of the time axis
  function show(to, active) {
    place = Math.min(1, Math.max(0, to));
    for (const c of charts) {
      const x = c.n.left + place * (c.n.right - c.n.left);
      c.cursor.setAttribute("d", "M" + x.toFixed(1) + " " + c.n.top + "V" + c.n.bottom);
      const parts = c.lines.map((line) => {
        let nearest = Infinity;
        for (const p of line.points) nearest = Math.min(nearest, Math.abs(p[0] - x));
        const ys = line.points.filter((p) => Math.abs(Math.abs(p[0] - x) - nearest) < 0.05).map((p) => p[1]);
        const name = c.lines.length > 1 ? line.name + " " : "";
        if (!ys.length || nearest > 20) return name + "\u2013";
        const low = figure(c, Math.max(...ys)), high = figure(c, Math.min(...ys));
        return name + (low === high ? low : low + " to " + high) + " " + c.unit;
      });
      c.out.textContent = when(c, c.n.began + place * (c.n.ended - c.n.began)) + " " + parts.join(", ");
      if (c === active) c.out.setAttribute("aria-live", "polite"); else c.out.removeAttribute("aria-live");
    }
  }
  function hide() {
    for (const c of charts) { c.cursor.setAttribute("d", ""); c.out.textContent = ""; }
  }

  for (const c of charts) {
    c.svg.addEventListener("pointermove", (event) => {
      const box = c.svg.getBoundingClientRect();
      const x = (event.clientX - box.left) * c.svg.viewBox.baseVal.width / box.width;
      show((x - c.n.left) / (c.n.right - c.n.left), null);
    });
    c.svg.addEventListener("pointerleave", hide);
    c.svg.addEventListener("blur", hide);
    c.svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      show((place === null ? 0.5 : place) + step * (event.shiftKey ? 0.05 : 0.005), c);
    });
  }
  addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
})();
