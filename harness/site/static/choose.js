"use strict";
// The five questions: which servers fit the answers, in which order, and why each of the others does not.
// The page is complete without this script; it reads its data from the element #choose-data.
(() => {
  const data = JSON.parse(document.getElementById("choose-data").textContent);
  const form = document.getElementById("questions");
  const sections = new Map([...document.querySelectorAll("section.choice")].map((section) => [section.dataset.spec, section]));
  const rows = new Map([...sections].map(([spec, section]) =>
    [spec, new Map([...section.querySelectorAll("tr[data-server]")].map((row) => [row.dataset.server, row]))]));

  function number(value) {
    return value.toLocaleString("en", { maximumSignificantDigits: 3 });
  }

  function answers() {
    const values = new FormData(form);
    const limit = (name) => (values.get(name) ? Number(values.get(name)) : null);
    return {
      spec: values.get("spec") ?? [...sections.keys()][0],
      languages: values.getAll("language"),
      clients: Number(values.get("clients")),
      megabytes: limit("megabytes"),
      cores: values.get("cores"),
      never: values.getAll("never"),
      late: limit("late"),
      lines: limit("lines"),
      by: values.get("by"),
    };
  }

  function memoryFor(server, clients) {
    if (server.emptyMb === null || server.clientKb === null) return null;
    return server.emptyMb + (Math.max(0, server.clientKb) * clients) / 1000;
  }

  // --- the rules: each returns why a server does not fit, or ""

  const LOST = "lost more than one message in a hundred at a fixed rate";
  const NEVER = {
    lost: (server) => {
      if (server.dropped > 0) return `lost ${number(100 * server.dropped)} % of the messages at a fixed rate`;
      return server.lost ? LOST : "";
    },
    stall: (server) => (server.policy === "stalls everyone" ? "a slow client makes everyone wait" : ""),
    buffer: (server) => (server.policy === "buffers" ? "buffers for a slow client whatever is sent" : ""),
    drop: (server) => (server.policy.startsWith("drops") ? "a slow client misses messages" : ""),
    disconnect: (server) => (server.policy === "disconnects" ? "a slow client is disconnected" : ""),
  };
  const ABOUT_SLOW_CLIENTS = ["stall", "buffer", "drop", "disconnect"];

  function coresReason(server) {
    if (server.cores !== null && server.cores >= data.several) return "";
    if (server.processCount === null || server.processCount > 1) return "";
    if (server.threadCount <= 1) return "one thread in one process";
    return data.oneAtATime.includes(server.language) ? `threads of ${server.language} run one at a time` : "";
  }

  function* reasons(server, wanted) {
    if (server.problem) yield server.problem;
    if (wanted.languages.length && !wanted.languages.includes(server.language)) yield `written in ${server.language}`;
    const memory = memoryFor(server, wanted.clients);
    if (wanted.megabytes !== null && memory > wanted.megabytes) {
      yield `${number(memory)} MB for ${wanted.clients.toLocaleString("en")} clients`;
    }
    if (server.refusedFrom !== null && server.refusedFrom < wanted.clients) {
      yield `refused clients beyond ${server.refusedFrom.toLocaleString("en")}`;
    }
    if (wanted.cores === "many") yield coresReason(server);
    for (const name of wanted.never) yield NEVER[name](server);
    if (wanted.late !== null) {
      if (server.lost) yield LOST;
      else if (server.figures.p99 > wanted.late) yield `p99 of ${number(server.figures.p99)} ms`;
    }
    if (wanted.lines !== null && server.figures.lines > wanted.lines) yield `${server.figures.lines} lines`;
  }

  // --- the order: by a figure, and without one at the end

  function level(server, wanted) {
    if (wanted.by === "score") return server.score === null ? Infinity : -server.score;
    if (wanted.by === "memory") return memoryFor(server, wanted.clients) ?? Infinity;
    return server.figures[wanted.by] ?? Infinity;
  }

  function show() {
    const wanted = answers();
    for (const [spec, section] of sections) section.hidden = spec !== wanted.spec;
    const section = sections.get(wanted.spec), own = rows.get(wanted.spec);
    const judged = data.specs[wanted.spec].map((server) => ({ server, why: [...reasons(server, wanted)].filter(Boolean) }));
    const fitting = judged.filter(({ why }) => !why.length).sort((one, other) => level(one.server, wanted) - level(other.server, wanted));
    const body = section.querySelector("tbody");
    for (const { server, why } of judged) own.get(server.name).hidden = why.length > 0;
    for (const { server } of fitting) {
      const row = own.get(server.name), memory = memoryFor(server, wanted.clients);
      row.querySelector(".for-clients").textContent = memory === null ? "–" : `${number(memory)} MB`;
      body.append(row);
    }
    for (const cell of section.querySelectorAll(".for-clients")) cell.hidden = false;
    section.querySelector(".count").textContent = wanted.clients.toLocaleString("en");
    const out = judged.filter(({ why }) => why.length);
    const list = section.querySelector(".ruled-out");
    list.hidden = !out.length;
    list.querySelector("ul").replaceChildren(...out.map(({ server, why }) => {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = server.page;
      link.textContent = server.name;
      item.append(link, `: ${why.join("; ")}`);
      return item;
    }));
    status(wanted, fitting, judged.length);
  }

  function status(wanted, fitting, all) {
    const parts = [`${fitting.length} of ${all} servers fit.`];
    // A server of which nothing is known stays, because nothing speaks against it.
    const lacking = (isAsked, what, test) => {
      const count = isAsked ? fitting.filter(({ server }) => test(server)).length : 0;
      if (count) parts.push(`${what} for ${count} of them.`);
    };
    const aboutSlowClients = wanted.never.some((name) => ABOUT_SLOW_CLIENTS.includes(name));
    lacking(wanted.megabytes !== null, "Memory was not measured", (server) => memoryFor(server, wanted.clients) === null);
    lacking(wanted.cores === "many", "The number of threads is not known", (server) => server.threadCount === null);
    lacking(wanted.never.includes("lost"), "Lost messages were not counted", (server) => server.dropped === null);
    lacking(aboutSlowClients, "What they do with a slow client was not observed", (server) => !server.policy);
    lacking(wanted.late !== null, "p99 was not measured", (server) => server.figures.p99 === null);
    lacking(wanted.lines !== null, "Lines of code were not counted", (server) => server.figures.lines === null);
    document.getElementById("choice-status").textContent = parts.join(" ");
  }

  form.addEventListener("change", (event) => {
    if (event.target.name === "cores") {
      const by = form.elements.by;
      if (event.target.value === "one") by.value = "cpu";
      else if (by.value === "cpu") by.value = "score"; // the answer that wanted it is taken back
    }
    show();
  });
  form.addEventListener("reset", () => setTimeout(show));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
})();
