"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const views = [...document.querySelectorAll(".view")];

  // One view at a time, by what stands behind the # of the address.
  function show(first) {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { id = "nowhere"; }
    if (id === "content") return;
    const view = views.find((one) => one.id === (id || "home")) || document.getElementById("nowhere");
    for (const one of views) one.classList.toggle("shown", one === view);
    const title = view.dataset.title;
    document.title = view.id === "home" ? title : `${title} – voltgym leaderboard`;
    for (const link of document.querySelectorAll(".top nav a")) {
      const here = view.id.replace(/^entry:([^:]*):.*$/, "track:$1") === link.hash.slice(1);
      if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
    if (first) return;
    window.scrollTo(0, 0);
    view.querySelector("h1").focus({ preventScroll: true });
  }
  window.addEventListener("hashchange", () => show(false));
  show(true);

  // Numbers before texts, and what is missing last, whichever way.
  function value(row, at) {
    const text = row.cells[at].dataset.v;
    if (text === "" || text === "nan") return null;
    const number = Number(text);
    return Number.isNaN(number) ? text : number;
  }
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b));
  }
  function sort(table, head) {
    const at = head.cellIndex;
    const rising = head.getAttribute("aria-sort") === "ascending";
    const before = head.getAttribute("aria-sort");
    const falls = before ? rising : head.classList.contains("bar") || head.classList.contains("number");
    for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falls ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [value(row, at), row]);
    rows.sort(([a], [b]) => compare(a, b, falls ? -1 : 1));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }
  for (const table of document.querySelectorAll("[data-table] table")) {
    table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("th");
      if (event.target.closest("button")) sort(table, head);
    });
  }

  // All tables of a track at once; one without a row left is not shown.
  function filter(form) {
    const asked = new FormData(form);
    const text = asked.get("text").trim().toLowerCase();
    let shown = 0, all = 0;
    for (const block of form.closest(".view").querySelectorAll("[data-table]")) {
      let left = 0;
      for (const row of block.querySelectorAll("tbody tr")) {
        const fits = (!text || row.querySelector("th").textContent.toLowerCase().includes(text))
          && (!asked.get("class") || row.dataset.class === asked.get("class"))
          && (!asked.get("trust") || row.dataset.trust === asked.get("trust"))
          && !(asked.get("whole") && row.dataset.provisional === "1");
        row.hidden = !fits;
        left += fits;
        all += 1;
      }
      block.hidden = !left;
      shown += left;
    }
    form.querySelector("output").textContent = shown === all ? `${all} entries` : `${shown} of ${all} entries`;
  }
  for (const form of document.querySelectorAll("[data-filter]")) {
    form.hidden = false;
    form.addEventListener("input", () => filter(form));
    form.addEventListener("submit", (event) => event.preventDefault());
    filter(form);
  }
})();
