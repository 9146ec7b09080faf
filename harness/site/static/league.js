// The league: sorting, filters, and the order by a measure or by the reader's own weights.
// The page is complete without this script; it reads its data from the element #league-data.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("league-data").textContent);
  const form = document.getElementById("controls");
  const status = document.getElementById("status");
  const sections = [...document.querySelectorAll("section.league")];
  const sliders = data.measures.map((name) => form.elements[`weight-${name}`]);
  const filters = ["language", "style", "category"];
  const [RATIO, LOW, HIGH, FIRST_RANK, LAST_RANK] = [0, 1, 2, 3, 4];
  const NOTHING = "–";
  const SVG = "http://www.w3.org/2000/svg";

  // What the page showed at first, to go back to: the default order has intervals that no script can compute.
  const original = new Map();
  for (const row of document.querySelectorAll("tr[data-server]")) {
    const score = row.querySelector("td.score");
    original.set(row, { number: original.size, rank: row.cells[0].textContent, score: [...score.childNodes].map((node) => node.cloneNode(true)) });
  }

  // How the reader has sorted the table of a section, in words, where it is not in the order of the weights.
  const sortedBy = new Map();

  function weights() {
    return sliders.map((slider) => Number(slider.value));
  }

  // Returns "score", the name of a measure, or "own", for the weights as they stand.
  function presetOf(values) {
    if (values.every((value, place) => value === data.weights[place])) return "score";
    const used = values.map((value, place) => (value > 0 ? place : -1)).filter((place) => place >= 0);
    return used.length === 1 ? data.measures[used[0]] : "own";
  }

  function share(value) {
    return value >= 0.0995 ? (value * 100).toFixed(0) : (value * 100).toFixed(1);
  }

  // Returns the logarithm of the weighted mean ratio to the best, or null where a measure is missing.
  function level(server, values) {
    const total = values.reduce((sum, value) => sum + value, 0);
    let sum = 0;
    for (const [place, value] of values.entries()) {
      if (value === 0) continue;
      const ratio = data.servers[server][place][RATIO];
      if (ratio === null) return null;
      sum += (value / total) * ratio;
    }
    return total > 0 ? sum : null;
  }

  function shape(name, attributes) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    return element;
  }

  function place(score) {
    const [lowest, highest] = data.axis.map(Math.log);
    return data.width * Math.min(1, Math.max(0, (Math.log(score) - lowest) / (highest - lowest)));
  }

  function drawn(score, low, high) {
    const box = { width: data.width, height: 14, viewBox: `0 0 ${data.width} 14` };
    const svg = shape("svg", { class: "interval", ...box, "aria-hidden": "true" });
    for (const line of data.grid) svg.append(shape("line", { class: "grid", x1: place(line), x2: place(line), y1: 0, y2: 14 }));
    if (low !== null) svg.append(shape("line", { class: "span", x1: place(low), x2: place(high), y1: 7, y2: 7 }));
    svg.append(shape("circle", { cx: place(score), cy: 7, r: 3 }));
    return svg;
  }

  function words(name, text) {
    const span = document.createElement("span");
    span.className = name;
    span.textContent = text;
    return span;
  }

  function showScore(row, values, preset) {
    const cell = row.querySelector("td.score");
    if (preset === "score") {
      cell.replaceChildren(...original.get(row).score.map((node) => node.cloneNode(true)));
      row.cells[0].textContent = original.get(row).rank;
      return;
    }
    const logarithm = level(row.dataset.server, values);
    const own = preset === "own" ? null : data.servers[row.dataset.server][data.measures.indexOf(preset)];
    const [low, high] = own && own[LOW] !== null ? [Math.exp(own[LOW]), Math.exp(own[HIGH])] : [null, null];
    if (own && own[FIRST_RANK] !== null) {
      row.cells[0].textContent =
        own[FIRST_RANK] === own[LAST_RANK] ? String(own[FIRST_RANK]) : `${own[FIRST_RANK]}–${own[LAST_RANK]}`;
    } else {
      row.cells[0].textContent = NOTHING;
    }
    if (logarithm === null) {
      cell.replaceChildren(words("value", NOTHING));
      return;
    }
    const ends = low === null ? "" : `[${share(low)}, ${share(high)}]`;
    cell.replaceChildren(drawn(Math.exp(logarithm), low, high), words("value", share(Math.exp(logarithm))), " ", words("ends", ends));
  }

  // Orders all tables by the weights, and shows the score that belongs to them.
  function order() {
    const values = weights();
    const preset = presetOf(values);
    form.elements.by.value = preset;
    sortedBy.clear();
    for (const slider of sliders) slider.nextElementSibling.textContent = String(+Number(slider.value).toFixed(2));
    for (const section of sections) {
      const body = section.querySelector("table.report-card tbody");
      if (!body) continue;
      const rows = [...body.rows];
      const levels = new Map(rows.map((row) => [row, level(row.dataset.server, values) ?? -Infinity]));
      for (const row of rows) showScore(row, values, preset);
      const first = (row) => original.get(row).number;
      body.append(...rows.sort((a, b) => (preset !== "score" && levels.get(b) - levels.get(a)) || first(a) - first(b)));
      markSorted(section, section.querySelector('th[data-key="score"]'), "descending");
    }
    report(preset, values);
  }

  function report(preset, values) {
    const rows = [...document.querySelectorAll("tr[data-server]")];
    const shown = rows.filter((row) => !row.hidden && !row.closest("section").hidden).length;
    const used = data.measures.map((name, number) => `${name}=${values[number]}`).filter((_, number) => values[number] > 0);
    const how = {
      score: "Ordered by the score.",
      own: used.length
        ? `Ordered by your weights; ranks and intervals for them: harness report --weight ${used.join(",")}`
        : "All weights are 0: there is no order.",
    }[preset];
    const sorted = [...sortedBy].map(([section, by]) => `${section.dataset.spec}: sorted by ${by}.`);
    const ordered = sortedBy.size < sections.length ? [how ?? `Ordered by ${preset}: the score is the ratio to the best in it.`] : [];
    status.textContent = [`${shown} of ${rows.length} servers.`, ...ordered, ...sorted].join(" ");
  }

  function filter() {
    const chosen = filters.map((name) => form.elements[name].value);
    const spec = form.elements.spec.value;
    const isOut = (row) => filters.some((name, number) => chosen[number] !== "" && row.dataset[name] !== chosen[number]);
    for (const section of sections) {
      const rows = [...section.querySelectorAll("[data-language]")];
      for (const row of rows) row.hidden = isOut(row);
      section.hidden = (spec !== "" && section.dataset.spec !== spec) || (rows.length > 0 && rows.every((row) => row.hidden));
      // What is empty now: a table, or a part that can be unfolded.
      for (const part of section.querySelectorAll(":scope > .scroll, :scope > details")) {
        const own = [...part.querySelectorAll("[data-language]")];
        part.hidden = own.length > 0 && own.every((row) => row.hidden);
      }
    }
    report(presetOf(weights()), weights());
  }

  function markSorted(section, heading, direction) {
    for (const other of section.querySelectorAll("table.report-card thead th")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", direction);
  }

  // Returns what a row is sorted by in a column: a number where its text begins with one, else the text; null for nothing.
  function keyOf(row, column) {
    const cell = row.cells[column];
    const text = (cell.dataset.v ?? cell.textContent).trim();
    if (text === "" || text === NOTHING) return null;
    const number = Number.parseFloat(text.replace(/[,<≥]/g, ""));
    return Number.isNaN(number) ? text.toLowerCase() : number;
  }

  function sortBy(section, heading) {
    const first = heading.dataset.first === "down" ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const direction = heading.getAttribute("aria-sort") === first ? second : first;
    const sign = direction === "ascending" ? 1 : -1;
    const body = section.querySelector("table.report-card tbody");
    const keys = new Map([...body.rows].map((row) => [row, keyOf(row, heading.cellIndex)]));
    const compare = (a, b) => {
      const [one, other] = [keys.get(a), keys.get(b)];
      if (one !== other) {
        if (one === null || other === null) return (one === null) - (other === null);
        if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
        return sign * (one < other ? -1 : 1);
      }
      return original.get(a).number - original.get(b).number; // not the order of the click before
    };
    body.append(...[...body.rows].sort(compare));
    markSorted(section, heading, direction);
    sortedBy.set(section, `${heading.textContent.trim()}, ${direction}`);
    report(presetOf(weights()), weights());
  }

  for (const section of sections) {
    for (const heading of section.querySelectorAll("table.report-card thead th")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sortBy(section, heading));
    }
    const score = section.querySelector('th[data-key="score"]');
    if (score) markSorted(section, score, "descending");
  }

  for (const slider of sliders) slider.addEventListener("input", order);
  form.elements.by.addEventListener("change", () => {
    const name = form.elements.by.value;
    for (const [number, slider] of sliders.entries()) {
      slider.value = name === "score" ? data.weights[number] : data.measures[number] === name ? 1 : 0;
    }
    order();
  });
  for (const name of ["spec", ...filters]) form.elements[name].addEventListener("change", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { order(); filter(); }));
  form.hidden = false;
  // A browser may have kept the state of the form from an earlier visit.
  order();
  filter();
})();
