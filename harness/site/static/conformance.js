// The tables of verdicts: which rows and columns are shown, and the arrow keys. The page is complete without it.
"use strict";
(() => {
  const form = document.getElementById("controls");
  const status = document.getElementById("status");
  const table = document.getElementById("matrix");
  const rows = [...table.tBodies[0].rows];
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const areas = [...table.querySelectorAll("th.area")];
  const lines = [table.tHead.rows[table.tHead.rows.length - 1], ...rows]; // those with links
  const links = lines.flatMap((row) => [...row.querySelectorAll("a")]);
  let current = null; // the one link that the tab key stops at; the arrow keys lead to the others
  const fixed = headings.filter((cell) => !cell.classList.contains("upright")).length;
  const what = form.elements.rows.labels[0].firstChild.textContent.trim().toLowerCase();

  function isUnequal(row, columns) {
    return columns.some((column) => {
      const link = row.cells[column].querySelector("a");
      return link !== null && !link.classList.contains("pass") && !link.classList.contains("info");
    });
  }

  function show() {
    const area = form.elements.columns?.value ?? "";
    const name = form.elements.name.value.trim().toLowerCase();
    const columns = [];
    for (const [place, cell] of headings.entries()) {
      const isShown = place < fixed || area === "" || cell.dataset.area === area;
      if (isShown && place >= fixed) columns.push(place);
      cell.hidden = !isShown;
      for (const row of rows) row.cells[place].hidden = !isShown;
    }
    for (const cell of areas) cell.hidden = area !== "" && cell.textContent !== area;
    let shown = 0;
    for (const row of rows) {
      const isNamed = row.cells[0].textContent.toLowerCase().includes(name);
      row.hidden = !isNamed || (form.elements.rows.value === "unequal" && !isUnequal(row, columns));
      shown += row.hidden ? 0 : 1;
    }
    status.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} ${what}`;
    if (!current?.offsetParent) stopAt(links.find((link) => link.offsetParent));
  }

  function stopAt(link) {
    if (current) current.tabIndex = -1;
    current = link ?? null;
    if (current) current.tabIndex = 0;
  }

  // The next link in a direction, over cells that are hidden or empty.
  function next(cell, down, right) {
    let [row, column] = [lines.indexOf(cell.parentElement), cell.cellIndex];
    for (;;) {
      [row, column] = [row + down, column + right];
      const found = lines[row]?.cells[column];
      if (found === undefined) return null;
      const link = lines[row].hidden || found.hidden ? null : found.querySelector("a");
      if (link !== null) return link;
    }
  }

  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  table.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const cell = event.target.closest("td, th");
    if (step === undefined || cell === null || event.altKey || event.ctrlKey || event.metaKey) return;
    const link = next(cell, ...step);
    if (link !== null) {
      event.preventDefault();
      link.focus();
    }
  });

  for (const link of links) link.tabIndex = -1;
  table.addEventListener("focusin", ({ target }) => { if (links.includes(target)) stopAt(target); });
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
})();
