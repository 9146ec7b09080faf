"use strict";
// Draws the plots with Observable Plot, in place of the still pictures, and lets the reader choose the servers in colour.
// Everything that has a colour gets it from plots.css by its class, so that a plot follows the page into the dark and
// onto paper.
(() => {
  const data = JSON.parse(document.getElementById("plot-data").textContent);
  const chooser = document.getElementById("chooser");
  const numbers = new Map(data.servers.map((server, number) => [server.name, number]));
  const slots = new Array(data.slots).fill(null); // the number of the server in each slot
  const boxes = new Map([...chooser.querySelectorAll("input[name=server]")].map((box) => [numbers.get(box.value), box]));
  const LABELLED = 560; // pixels from which there is room for names beside a plot
  const LABEL_HEIGHT = 15, LONGEST_NAME = 15;

  // --- small helpers

  function element(name, attributes = {}, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function number(value) {
    return value.toLocaleString("en", { maximumSignificantDigits: 3 });
  }

  function short(name) {
    return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
  }

  function mark(slot, x, y, isHollow = false) {
    return element("use", { href: `#mark-${slot}`, x, y, ...(isHollow && { class: "hollow" }) });
  }

  // --- what a plot shows

  function pointsOf(plot) {
    return plot.series.map(([server, points]) =>
      points.map(([x, y, low = y, high = y, limited = 0]) => ({ server, x, y, low, high, limited: Boolean(limited) })));
  }

  function textOf(plot, point) {
    const lines = [data.servers[point.server].name];
    if (plot.x.kind === "percentile") lines.push(`${+(100 - 100 / point.x).toPrecision(5)} % took at most ${number(point.y)} ms`);
    else {
      const tick = plot.x.kind === "category" ? plot.x.ticks.find(([value]) => value === point.x)[1] : null;
      lines.push(tick ?? `${plot.x.label}: ${number(point.x)}`);
      lines.push(`${plot.y.label}: ${point.limited && plot.joined ? "≥ " : ""}${number(point.y)}`);
    }
    if (point.low < point.high) lines.push(`from ${number(point.low)} to ${number(point.high)}`);
    if (point.limited && !plot.joined) lines.push("lost messages");
    lines.push(slots.includes(point.server) ? "click to remove its colour" : "click to give it a colour");
    return lines.join("\n");
  }

  // All marks where they are few, else those nearest to the ticks, and the last.
  function marked(plot, points, scale) {
    if (points.length <= 16) return points;
    const nearest = (tick) => points.reduce((best, point) =>
      Math.abs(scale(point.x) - scale(tick)) < Math.abs(scale(best.x) - scale(tick)) ? point : best);
    return [...new Set([...plot.x.ticks.map(([tick]) => nearest(tick)), points.at(-1)])];
  }

  // Places labels one below the other, as close to the wanted ones as possible.
  function spread(wanted, low, high) {
    const pools = [];
    wanted.forEach((y, place) => {
      let [mean, count] = [y - place * LABEL_HEIGHT, 1];
      while (pools.length && pools.at(-1)[0] >= mean) {
        const [other, others] = pools.pop();
        [mean, count] = [(mean * count + other * others) / (count + others), count + others];
      }
      pools.push([mean, count]);
    });
    const last = Math.max(low, high - (wanted.length - 1) * LABEL_HEIGHT);
    return pools.flatMap(([mean, count]) => new Array(count).fill(Math.min(Math.max(mean, low), last)))
      .map((y, place) => y + place * LABEL_HEIGHT);
  }

  // --- the drawing

  // Returns a mark for Plot that draws the chosen servers: lines, ranges, marks, and names at the right.
  function chosenMark(plot, series) {
    const chosen = series.filter((points) => slots.includes(points[0].server))
      .sort((a, b) => slots.indexOf(a[0].server) - slots.indexOf(b[0].server));
    return (index, { x, y }, values, { width, height, marginRight, marginTop, marginBottom }) => {
      const all = element("g", { "aria-hidden": "true" });
      const right = width - marginRight, isLabelled = width >= LABELLED;
      const order = [...chosen].sort((a, b) => y(a.at(-1).y) - y(b.at(-1).y));
      const places = spread(order.map((points) => y(points.at(-1).y)), marginTop, height - marginBottom);
      for (const points of chosen) {
        const slot = slots.indexOf(points[0].server), group = element("g", { class: `slot-${slot}` });
        for (const { x: at, low, high } of points) {
          if (low < high) group.append(element("line", { class: "stroke", x1: x(at), x2: x(at), y1: y(high), y2: y(low) }));
        }
        const path = points.map((point) => `${x(point.x)},${y(point.y)}`).join(" ");
        if (plot.joined) group.append(element("polyline", { class: "curve", points: path }));
        for (const point of marked(plot, points, x)) group.append(mark(slot, x(point.x), y(point.y), point.limited));
        if (isLabelled) {
          const at = places[order.indexOf(points)], end = points.at(-1);
          const name = element("text", { class: "name", x: right + 22, y: at + 4 }, short(data.servers[end.server].name));
          const leader = `${x(end.x)},${y(end.y)} ${right},${at} ${right + 8},${at}`;
          group.append(element("polyline", { class: "leader", points: leader }), mark(slot, right + 14, at), name);
        }
        all.append(group);
      }
      return all;
    };
  }

  function frontMark(plot) {
    return (index, { x, y }) => {
      const steps = plot.front.flatMap(([at, high], place) =>
        place ? [[at, plot.front[place - 1][1]], [at, high]] : [[at, high]]);
      return element("polyline", { class: "front", points: steps.map(([at, high]) => `${x(at)},${y(high)}`).join(" ") });
    };
  }

  function axisOptions(axis) {
    return [axis.ticks.map(([value]) => value), {
      text: axis.ticks.map(([, text]) => text), label: axis.label || null, labelArrow: "none", labelAnchor: "center",
      tickSize: 0, className: "axis", fontSize: 12,
    }];
  }

  function draw(plot, canvas) {
    const width = Math.max(280, Math.round(canvas.clientWidth)), isLabelled = width >= LABELLED;
    const series = pointsOf(plot);
    const background = series.filter((points) => !slots.includes(points[0].server));
    const points = background.flat(), all = series.flat();
    const pointer = { x: "x", y: "y", title: (point) => textOf(plot, point), maxRadius: 60, className: "tip", fontSize: 12.5, lineHeight: 1.3 };
    const drawn = Plot.plot({
      width, height: isLabelled ? 430 : 320, className: "drawn", ariaLabel: plot.title,
      marginLeft: 58, marginRight: isLabelled ? 130 : 14, marginTop: 14, marginBottom: 46,
      x: { type: plot.x.log ? "log" : "linear", domain: [plot.x.low, plot.x.high], axis: null },
      y: { type: plot.y.log ? "log" : "linear", domain: [plot.y.low, plot.y.high], axis: null },
      marks: [
        Plot.ruleX(plot.x.ticks.map(([value]) => value), { className: "grid" }),
        Plot.ruleY(plot.y.ticks.map(([value]) => value), { className: "grid" }),
        Plot.axisX(...axisOptions(plot.x)),
        Plot.axisY(...axisOptions(plot.y)),
        plot.front.length ? frontMark(plot) : null,
        plot.joined
          ? Plot.line(points, { x: "x", y: "y", z: "server", className: "background" })
          : Plot.dot(points, { x: "x", y: "y", r: 3, className: "background" }),
        chosenMark(plot, series),
        Plot.dot(all, Plot.pointer({ x: "x", y: "y", r: 7, stroke: "currentColor", strokeWidth: 1.5, maxRadius: 60 })),
        Plot.tip(all, Plot.pointer(pointer)),
      ],
    });
    // Plot's own rules would be an inline style, which the policy of the page forbids: plots.css has them.
    for (const style of drawn.querySelectorAll("style")) style.remove();
    // The plot is one picture with a name; the table below it has its numbers.
    drawn.setAttribute("role", "img");
    for (const part of drawn.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
    const lines = [...drawn.querySelectorAll("g.background > *")];
    const owners = plot.joined ? background.map((some) => some[0].server) : points.map((point) => point.server);
    lines.forEach((line, place) => { line.dataset.server = data.servers[owners[place]].name; });
    drawn.addEventListener("input", () => {
      const name = drawn.value && data.servers[drawn.value.server].name;
      for (const line of lines) line.classList.toggle("pointed", line.dataset.server === name);
    });
    // Before Plot's own listener, which would keep the tip in its place.
    drawn.addEventListener("pointerdown", (event) => {
      if (!drawn.value || event.button || event.pointerType !== "mouse") return; // a finger only points
      event.stopImmediatePropagation();
      toggle(drawn.value.server);
    }, { capture: true });
    canvas.replaceChildren(drawn, legend(plot, isLabelled));
  }

  function legend(plot, isLabelled) {
    const list = document.createElement("ul");
    list.className = "legend";
    list.hidden = isLabelled;
    for (const [slot, server] of slots.entries()) {
      if (server === null || !plot.series.some(([owner]) => owner === server)) continue;
      const item = document.createElement("li"), name = document.createElement("span");
      name.textContent = data.servers[server].name;
      const key = element("svg", { class: "key", width: 34, height: 14, "aria-hidden": "true" });
      fillKey(key, slot);
      item.append(key, name);
      list.append(item);
    }
    return list;
  }

  function fillKey(key, slot) {
    key.setAttribute("class", slot < 0 ? "key" : `key slot-${slot}`);
    key.replaceChildren(...(slot < 0 ? [] : [element("line", { class: "curve", x1: 0, x2: 34, y1: 7, y2: 7 }), mark(slot, 17, 7)]));
  }

  function drawAll() {
    for (const plot of data.plots) draw(plot, document.getElementById(`${plot.id}-canvas`));
  }

  // --- the choice

  function toggle(server) {
    const slot = slots.indexOf(server);
    if (slot >= 0) slots[slot] = null;
    else if (!slots.includes(null)) {
      status(`At most ${slots.length} servers have a colour: remove one first.`);
      boxes.get(server).checked = false;
      return;
    } else slots[slots.indexOf(null)] = server;
    changed();
  }

  function choose(servers) {
    slots.fill(null);
    servers.slice(0, slots.length).forEach((server, slot) => { slots[slot] = server; });
  }

  function changed() {
    const chosen = slots.filter((server) => server !== null);
    const names = new URLSearchParams(chosen.map((server) => ["server", data.servers[server].name]));
    history.replaceState(null, "", `#${chosen.length ? names : "server="}`);
    show();
  }

  function show() {
    const chosen = slots.filter((server) => server !== null);
    for (const [server, box] of boxes) {
      box.checked = slots.includes(server);
      fillKey(box.parentElement.querySelector(".key"), slots.indexOf(server));
    }
    const link = document.getElementById("compare");
    link.hidden = chosen.length !== 2;
    if (chosen.length === 2) {
      const [a, b] = chosen.map((server) => data.servers[server].name);
      link.href = `${data.diff}?${new URLSearchParams({ spec: data.spec, a, b })}`;
    }
    status(`${chosen.length} of at most ${slots.length} in colour`);
    drawAll();
  }

  function status(text) {
    document.getElementById("chosen").textContent = text;
  }

  function fromAddress() {
    const names = new URLSearchParams(location.hash.slice(1)).getAll("server");
    if (!names.length) return data.chosen;
    return [...new Set(names)].map((name) => numbers.get(name)).filter((server) => boxes.has(server));
  }

  chooser.addEventListener("change", (event) => {
    if (event.target.name === "server") toggle(numbers.get(event.target.value));
  });
  chooser.addEventListener("submit", (event) => event.preventDefault());
  chooser.elements.find.addEventListener("input", () => {
    const words = chooser.elements.find.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const [server, box] of boxes) {
      const { name, language, style } = data.servers[server];
      const text = `${name} ${language} ${style}`.toLowerCase();
      box.closest("li").hidden = !words.every((word) => text.includes(word));
    }
  });
  chooser.elements.first.addEventListener("click", () => { choose(data.chosen); changed(); });
  chooser.elements.none.addEventListener("click", () => { choose([]); changed(); });
  window.addEventListener("hashchange", () => {
    if (location.hash.startsWith("#server=")) { choose(fromAddress()); show(); }
  });
  let width = 0;
  new ResizeObserver(() => {
    const now = document.querySelector(".canvas").clientWidth;
    if (now === width) return;
    width = now;
    drawAll();
  }).observe(document.querySelector(".plots"));

  chooser.hidden = false;
  choose(fromAddress());
  show();
})();
