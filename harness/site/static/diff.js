"use strict";
// The page that compares any two servers: which ones is in its address, ?spec=S&a=ONE&b=OTHER, and their sources are
// scripts, each of which calls `receiveSource`. The text of a source only ever becomes a text node.
(() => {
  const data = JSON.parse(document.getElementById("diff-data").textContent);
  const form = document.getElementById("diff-form"), output = document.getElementById("diff-output");
  const summary = document.getElementById("diff-summary"); // it alone is read out when it changes
  const CONTEXT = 3;
  const sources = new Map(); // by key: a promise of {file, lines, plain}
  const received = new Map(); // by key: the source that its script has handed over

  window.receiveSource = (key, source) => received.set(key, source);

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // A visible sign in place of each character that has none: some would change the order in which text is shown.
  function safe(text) {
    return text.replace(/(?!\t)\p{C}/gu, "�");
  }

  function load(server) {
    if (!sources.has(server.key)) {
      sources.set(server.key, new Promise((resolve, reject) => {
        const script = element("script", { src: server.source });
        script.onload = () => resolve(received.get(server.key));
        script.onerror = () => { sources.delete(server.key); reject(new Error(`${server.source} cannot be loaded`)); };
        document.head.append(script);
      }));
    }
    return sources.get(server.key);
  }

  function linesOf(source, isPlain) {
    const full = source.lines.map(([text, inside], place) => ({ number: place + 1, text, inside: source.functions[inside] ?? "" }));
    if (!isPlain) return full;
    return source.plain.map((each) => {
      const [number, text] = Array.isArray(each) ? each : [each, full[each - 1].text];
      return { ...full[number - 1], text };
    });
  }

  // --- the choice

  function specOf(name) {
    return data.specs.find((spec) => spec.name === name) ?? data.specs[0];
  }

  function fill(select, servers, chosen) {
    const groups = new Map();
    for (const server of servers) {
      if (!groups.has(server.language)) groups.set(server.language, element("optgroup", { label: server.language }));
      const option = element("option", { value: server.name }, `${server.name}: ${server.style}`);
      option.selected = server.name === chosen;
      groups.get(server.language).append(option);
    }
    const sorted = [...groups].sort(([one], [other]) => one.localeCompare(other));
    select.replaceChildren(...sorted.map(([, group]) => group));
  }

  function wanted() {
    const found = new URLSearchParams(location.hash.length > 1 ? location.hash.slice(1) : location.search);
    const spec = specOf(found.get("spec"));
    const named = (name, other) => spec.servers.find((server) => server.name === name) ?? other;
    const a = named(found.get("a"), spec.servers[0]);
    const b = named(found.get("b"), spec.servers.find((server) => server !== a && server.language === a.language) ?? spec.servers.find((server) => server !== a) ?? a);
    return { spec, a, b };
  }

  function prepare({ spec, a, b }) {
    form.elements.spec.value = spec.name;
    fill(form.elements.a, spec.servers, a.name);
    fill(form.elements.b, spec.servers, b.name);
  }

  function chosen() {
    const spec = specOf(form.elements.spec.value);
    const [a, b] = ["a", "b"].map((name) => spec.servers.find((server) => server.name === form.elements[name].value));
    return { spec, a, b };
  }

  function remember({ spec, a, b }) {
    history.replaceState(null, "", `#${new URLSearchParams({ spec: spec.name, a: a.name, b: b.name })}`);
  }

  // --- figures

  function figures({ spec, a, b }) {
    const [i, j] = [a, b].map((server) => spec.servers.indexOf(server));
    const body = element("tbody"), won = new Map([[a, []], [b, []]]), undecided = [];
    for (const [place, label] of data.labels.entries()) {
      const [[left, leftValue], [right, rightValue]] = [a.costs[place], b.costs[place]];
      if (left === "–" && right === "–") continue;
      const better = spec.better[place];
      const winner = better?.[i][j] === "1" ? a : better?.[j][i] === "1" ? b : null;
      const isTested = Boolean(better) && left !== "–" && right !== "–" && a !== b, short = label.split(",")[0];
      if (winner) won.get(winner).push(short);
      else if (isTested) undecided.push(short);
      const ratio = leftValue && rightValue ? (leftValue / rightValue).toLocaleString("en", { maximumSignificantDigits: 3 }) : "";
      body.append(element("tr", {},
        element("th", { scope: "row" }, label),
        element("td", { class: winner === a ? "right best" : "right" }, left),
        element("td", { class: winner === b ? "right best" : "right" }, right),
        element("td", { class: "right" }, ratio),
        element("td", {}, winner ? winner.name : isTested ? "undecided" : "")));
    }
    const sentences = [a, b].filter((server) => won.get(server).length)
      .map((server) => `${server.name} is significantly better in ${won.get(server).join(", ")}.`);
    if (!spec.canDistinguish) sentences.push(data.tooFew);
    else if (undecided.length) sentences.push(`Undecided: ${undecided.join(", ")}.`);
    const head = ["figure", a.name, b.name, `${a.name} ÷ ${b.name}`, "significantly better"];
    const table = element("table", { class: "table" },
      element("thead", {}, element("tr", {}, ...head.map((title, place) => element("th", place > 0 && place < 4 ? { scope: "col", class: "right" } : { scope: "col" }, title)))), body);
    summary.textContent = sentences.join(" ");
    return element("div", { class: "scroll", role: "region", "aria-label": "Figures", tabindex: "0" }, table);
  }

  // --- lines

  function cells(line, pieces) {
    if (!line) return [element("td", { class: "none" }), element("td", { class: "none" })];
    const marked = pieces.map(([text, differs]) => (differs ? element("mark", {}, safe(text)) : safe(text)));
    return [element("td", { class: "number" }, String(line.number)), element("td", { class: "code" }, ...marked)];
  }

  function row([left, right]) {
    const isEqual = left && right && left.text === right.text;
    const kind = isEqual ? "equal" : left && right ? "changed" : left ? "removed" : "added";
    const [one, other] = kind === "changed" ? diffLines.pieces(left.text, right.text) : [[[left?.text ?? "", false]], [[right?.text ?? "", false]]];
    return element("tr", { class: kind }, ...cells(left, one), ...cells(right, other));
  }

  // The rows of the table: equal lines far from any difference are behind a button.
  function tableRows(rows, isWhole) {
    const differs = rows.map(([left, right]) => !left || !right || left.text !== right.text);
    const near = rows.map((_, place) => isWhole || differs.slice(Math.max(0, place - CONTEXT), place + CONTEXT + 1).some(Boolean));
    const made = [];
    for (let place = 0; place < rows.length;) {
      if (near[place]) {
        made.push(row(rows[place++]));
        continue;
      }
      const start = place;
      while (place < rows.length && !near[place]) place++;
      const hidden = rows.slice(start, place);
      const button = element("button", { type: "button" }, `${hidden.length} equal line${hidden.length === 1 ? "" : "s"}`);
      const names = rows[place] ? [...new Set(rows[place].filter(Boolean).map((line) => line.inside).filter(Boolean))].join(" / ") : "";
      const fold = element("tr", { class: "hunk" }, element("td", { colspan: "4" }, button, names ? ` ${names}` : ""));
      button.addEventListener("click", () => {
        const shown = hidden.map(row);
        shown[0].tabIndex = -1;
        fold.replaceWith(...shown);
        shown[0].focus(); // the button is gone, and a keyboard reader goes on from here
      });
      made.push(fold);
    }
    return made;
  }

  function columns() {
    const number = () => element("col", { class: "number" });
    return element("colgroup", {}, number(), element("col"), number(), element("col"));
  }

  function table({ a, b }, [one, other], rows) {
    const count = (test) => rows.filter(test).length;
    const equal = count(([left, right]) => left && right && left.text === right.text);
    const changed = count(([left, right]) => left && right && left.text !== right.text);
    const only = [count(([, right]) => !right), count(([left]) => !left)];
    const heads = [[a, one], [b, other]].map(([server, source]) =>
      element("th", { scope: "colgroup", colspan: "2" }, element("a", { href: server.page }, server.name), ` ${source.file}`));
    return [
      element("p", { class: "small", id: "diff-counts" },
        `${equal} equal lines, ${changed} changed, ${only[0]} only in ${a.name}, ${only[1]} only in ${b.name}.`),
      element("div", { class: "scroll", role: "region", "aria-label": "Sources side by side", tabindex: "0" },
        element("table", { class: "diff" }, columns(), element("thead", {}, element("tr", {}, ...heads)),
          element("tbody", {}, ...tableRows(rows, form.elements.whole.checked)))),
    ];
  }

  async function show() {
    const choice = chosen();
    document.title = `${choice.a.name} and ${choice.b.name} (${choice.spec.name}) · Zillions`;
    try {
      const both = await Promise.all([load(choice.a), load(choice.b)]);
      const now = chosen();
      if (now.a !== choice.a || now.b !== choice.b) return; // the reader went on meanwhile
      const isPlain = form.elements.plain.checked;
      const rows = diffLines.rows(...both.map((source) => linesOf(source, isPlain)));
      output.replaceChildren(figures(choice), ...table(choice, both, rows));
    } catch (error) {
      summary.textContent = error.message;
      output.replaceChildren();
    }
    output.dataset.shown = `${choice.a.key} ${choice.b.key}`;
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => {
    if (event.target.name === "spec") {
      const spec = specOf(form.elements.spec.value), before = ["a", "b"].map((name) => form.elements[name].value);
      const kept = before.map((name, place) => spec.servers.find((server) => server.name === name) ?? spec.servers[place] ?? spec.servers[0]);
      prepare({ spec, a: kept[0], b: kept[1] });
    }
    remember(chosen());
    show();
  });
  form.elements.swap.addEventListener("click", () => {
    const { spec, a, b } = chosen();
    prepare({ spec, a: b, b: a });
    remember(chosen());
    show();
  });
  window.addEventListener("hashchange", () => { prepare(wanted()); show(); });

  form.hidden = false;
  prepare(wanted());
  show();
})();
