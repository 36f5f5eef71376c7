"use strict";
// Sorting, filtering and paging over the columns in the data island; at most 200 rows are in the
// page. Text goes in by textContent only. State lives in the URL hash, so a view can be sent on.
(() => {
  const ROWS = 200;
  const data = JSON.parse(document.getElementById("data").textContent);
  const format = new Intl.NumberFormat("en");
  const n = (value) => (value === null ? "not told" : format.format(value));

  // --- drawing ----------------------------------------------------------------------------------
  const el = (tag, className, ...children) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children);
    return node;
  };
  const name = (text) => el("bdi", "name", text);
  const SVG = document.querySelector("svg").namespaceURI;
  const shape = (kind) => {
    const svg = document.createElementNS(SVG, "svg");
    for (const [key, value] of [["class", "shape"], ["width", 12], ["height", 12],
      ["viewBox", "0 0 12 12"], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
    svg.append(document.createElementNS(SVG, "use"));
    svg.firstChild.setAttribute("href", "#shape-" + kind);
    return svg;
  };
  const severity = (level) =>
    el("span", "severity " + level, shape(level), " " + level[0].toUpperCase() + level.slice(1));
  const size = (value) => {
    if (value === null) return el("span", "untold", "not told");
    let amount = value, unit = value === 1 ? "byte" : "bytes";
    for (const next of ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]) {
      if (amount < (unit.startsWith("byte") ? 1024 : 1023.5)) break;
      amount /= 1024;
      unit = next;
    }
    const text = unit.startsWith("byte") ? amount : amount < 99.95 ? amount.toFixed(1) : n(Math.round(amount));
    const node = el("span", "", text + " " + unit);
    node.title = n(value) + " bytes";
    return node;
  };

  // --- columns ----------------------------------------------------------------------------------
  for (const table of Object.values(data)) {
    for (const column of Object.values(table)) {
      if (typeof column.d === "string") column.d = column.d.split("\n");
      if (typeof column.l === "string") column.l = column.l.split("\n");
    }
  }
  const names = data.findings.names.split("\n");
  const text = (column, row) => column.d[column.i[row]];
  const PLACE = ["line", "column", "offset", "page", "row", "member", "sheet", "field", "key"];
  const SAID = ["member", "page", "sheet", "row", "field", "line", "column"];
  const places = (row) => (data.findings.places.l[row] || "").split(";").filter(Boolean).map((place) => {
    const at = {};
    place.split(",").forEach((part, i) => { if (part) at[PLACE[i]] = i > 4 ? names[part] : part; });
    return at;
  });
  const placeText = (at) => {
    if ("key" in at) at.row = at.key;
    const said = SAID.filter((key) => key in at).map((key) => key + " " + at[key]);
    if ("offset" in at) said.push("byte " + at.offset);
    return said.join(", ");
  };
  const rowText = (column, wanted) => {
    // which entries of a column's dictionary hold the text, looked up once for each entry
    const hits = column.d.map((entry) => entry.toLowerCase().includes(wanted));
    return (row) => hits[column.i[row]];
  };
  const ranks = (column) => {
    // small numbers in the order of the values; unknown comes first
    if (column.i) return { of: column.i, most: column.d.length };
    if (!column.ranks) {
      const values = column.v.map((value) => (value === null ? -1 : value));
      const order = Float64Array.from(new Set(values)).sort();
      const rank = new Map(Array.from(order, (value, i) => [value, i]));
      column.ranks = { of: Int32Array.from(values, (value) => rank.get(value)), most: order.length };
    }
    return column.ranks;
  };
  const sorted = (rows, column, down) => {
    // counting sort: stable, and a hundred thousand rows take milliseconds
    const { of, most } = ranks(column);
    const place = (row) => (down ? most - 1 - of[row] : of[row]);
    const starts = new Int32Array(most + 1);
    for (const row of rows) starts[place(row) + 1] += 1;
    for (let i = 1; i <= most; i++) starts[i] += starts[i - 1];
    const out = new Int32Array(rows.length);
    for (const row of rows) out[starts[place(row)]++] = row;
    return out;
  };

  // --- a table ----------------------------------------------------------------------------------
  class Table {
    constructor(id, columns, searched, draw, total, extra) {
      Object.assign(this, { id, columns, searched, draw, total, extra });
      this.body = document.querySelector(`#${id}-table tbody`);
      this.form = document.getElementById(id + "-filters");
      this.pager = document.getElementById(id + "-pager");
      this.totals = document.getElementById(id + "-total");
      this.state = new URLSearchParams();
      for (const select of this.form.querySelectorAll("select")) {
        for (const entry of (columns[select.name] || { d: [] }).d) {
          select.append(new Option(entry, entry));
        }
      }
      for (const th of document.querySelectorAll(`#${id}-table th[data-key]`)) {
        const button = el("button", "", ...th.childNodes);
        button.type = "button";
        th.append(button);
        button.addEventListener("click", () => this.sortBy(th));
      }
      let waiting = 0;
      this.form.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => this.read(), 120);
      });
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.form.addEventListener("reset", () => setTimeout(() => this.read(), 0));
      for (const button of this.pager.querySelectorAll("button")) {
        button.addEventListener("click", () => {
          this.set("page", String(this.page + Number(button.dataset.step) || ""));
          keep();
          this.show();
          this.body.closest("table").scrollIntoView({ block: "start" });
        });
      }
      this.form.hidden = false;
    }

    set(key, value) { if (value && value !== "0") this.state.set(key, value); else this.state.delete(key); }

    sortBy(th) {
      const [key, down] = this.sorting();
      const first = "down" in th.dataset;
      const next = key === th.dataset.key ? !down : first;
      this.set("sort", (next ? "-" : "") + th.dataset.key);
      this.set("page", "");
      keep();
      this.show();
    }

    sorting() {
      const sort = this.state.get("sort") || "";
      const key = sort.replace(/^-/, "");
      return key in this.columns ? [key, sort.startsWith("-")] : ["", false];
    }

    read() {  // from the form
      const form = new FormData(this.form);
      for (const key of new Set([...this.form.elements].map((e) => e.name).filter(Boolean))) {
        this.set(key, form.getAll(key).join("."));
      }
      this.set("page", "");
      keep();
      this.show();
    }

    write(state) {  // into the form, from the hash
      this.state = state;
      for (const field of this.form.elements) {
        if (!field.name) continue;
        const value = state.get(field.name) || "";
        if (field.type === "checkbox") field.checked = value.split(".").includes(field.value);
        else field.value = value;
      }
      this.show();
    }

    rows() {
      const tests = this.extra(this.state);
      const store = this.state.get("store");
      if (store) {
        const wanted = this.columns.store.d.indexOf(store);
        tests.push((row) => this.columns.store.i[row] === wanted);
      }
      const wanted = (this.state.get("q") || "").trim().toLowerCase();
      if (wanted) {
        const any = this.searched(wanted);
        tests.push((row) => any.some((test) => test(row)));
      }
      const rows = [];
      for (let row = 0; row < this.columns.n; row++) if (tests.every((test) => test(row))) rows.push(row);
      const [key, down] = this.sorting();
      return key ? sorted(rows, this.columns[key], down) : rows;
    }

    show() {
      const rows = this.rows();
      const pages = Math.max(1, Math.ceil(rows.length / ROWS));
      this.page = Math.min(Math.max(0, Number(this.state.get("page")) || 0), pages - 1);
      const from = this.page * ROWS;
      const shown = rows.slice(from, from + ROWS);
      const [key, down] = this.sorting();
      for (const th of document.querySelectorAll(`#${this.id}-table th[data-key]`)) {
        if (th.dataset.key === key) th.setAttribute("aria-sort", down ? "descending" : "ascending");
        else th.removeAttribute("aria-sort");
      }
      this.body.replaceChildren(...Array.from(shown, (row) => {
        const tr = document.createElement("tr");
        tr.append(...this.draw(row));
        return tr;
      }));
      this.totals.textContent = this.total(rows);
      this.pager.hidden = pages < 2;
      this.pager.querySelector("span").textContent =
        `${n(from + 1)} to ${n(from + shown.length)} of ${n(rows.length)}`;
      const [previous, next] = this.pager.querySelectorAll("button");
      previous.disabled = this.page === 0;
      next.disabled = this.page === pages - 1;
    }
  }

  // --- findings ---------------------------------------------------------------------------------
  const f = data.findings;
  const td = (className, ...children) => el("td", className, ...children);
  const where = (row) => {
    const cell = td("", name(text(f.unit, row)));
    const [first] = places(row);
    const said = (first && placeText(first)) || "details";
    const details = el("details", "", el("summary", "", said + " · ", name(text(f.store, row))));
    details.addEventListener("toggle", () => {
      if (details.open && details.childNodes.length === 1) details.append(findingDetails(row));
    });
    cell.append(details);
    return cell;
  };
  const findingDetails = (row) => {
    const list = el("dl", "details");
    const add = (term, ...children) => list.append(el("dt", "", term), el("dd", "", ...children));
    if (f.fingerprint.l[row]) add("Fingerprint", el("span", "mono", f.fingerprint.l[row]));
    else add("Values", "More distinct values than are listed one by one: this line counts the rest.");
    add("Detector", text(f.detector, row));
    if (text(f.brands, row)) add("Brand", text(f.brands, row));
    if (text(f.why, row)) add("Why", text(f.why, row));
    const known = places(row);
    if (known.length) {
      add(f.count.v[row] <= known.length ? "Places" : "First places",
        el("ul", "", ...known.map((place) => el("li", "", placeText(place) || "not told"))));
    }
    return list;
  };
  const drawFinding = (row) => [
    td("", severity(text(f.severity, row))),
    td("", text(f.entity, row), el("span", "form", text(f.state, row))),
    td("mono masked", text(f.masked, row) || "–"),
    where(row),
    td("", el("span", "nowrap", (f.confidence.v[row] >= 0.8 ? "Confirmed " : "Possible ") + f.confidence.v[row].toFixed(2))),
    td("number", n(f.distinct.v[row])),
    td("number", n(f.count.v[row])),
    td("", text(f.requirements, row) || "–"),
  ];
  const findingTotal = (rows) => {
    const levels = f.severity.d.map(() => 0);
    const stores = new Array(f.store.d.length).fill(0);
    let times = 0;
    for (const row of rows) {
      levels[f.severity.i[row]] += 1;
      stores[f.store.i[row]] = 1;
      times += f.occurrences.v[row];
    }
    const by = f.severity.d.map((level, i) => levels[i] && `${n(levels[i])} ${level}`).filter(Boolean);
    const of = rows.length === f.n ? "" : ` of ${n(f.n)}`;
    if (!rows.length) return `None${of} findings.`;
    const count = stores.reduce((sum, one) => sum + one, 0);
    return `${n(rows.length)}${of} finding${f.n === 1 ? "" : "s"} (${by.join(", ")}), `
      + `${n(times)} occurrence${times === 1 ? "" : "s"}, in ${n(count)} store${count === 1 ? "" : "s"}.`;
  };
  const findingTests = (state) => {
    const tests = [];
    const levels = (state.get("severity") || "").split(".").filter((level) => f.severity.d.includes(level));
    if (levels.length) {
      const wanted = f.severity.d.map((level) => levels.includes(level));
      tests.push((row) => wanted[f.severity.i[row]]);
    }
    const certainty = state.get("certainty");
    if (certainty) tests.push((row) => (f.confidence.v[row] >= 0.8) === (certainty === "confirmed"));
    return tests;
  };
  const findingSearch = (wanted) => [
    ...["unit", "store", "masked", "entity", "state", "brands", "requirements", "why"]
      .map((key) => rowText(f[key], wanted)),
    (row) => f.fingerprint.l[row].startsWith(wanted),
    (() => {
      const hits = names.map((entry) => entry.toLowerCase().includes(wanted));
      if (!hits.includes(true)) return () => false;
      return (row) => f.places.l[row].split(";")
        .some((place) => place.split(",").slice(5).some((part) => part && hits[part]));
    })(),
  ];

  // --- not read ---------------------------------------------------------------------------------
  const o = data.outcomes;
  const drawOutcome = (row) => {
    const status = td("", text(o.status, row));
    const fraction = o.fraction.v[row];
    if (fraction !== null) status.append(" ", el("span", "nowrap", `(${(100 * fraction).toFixed(0)} %)`));
    return [
      status,
      td("", text(o.reason, row)),
      td("", name(text(o.unit, row)), el("span", "store-of", name(text(o.store, row)))),
      td("number", size(o.size.v[row])),
      td("", text(o.detail, row) || "–"),
    ];
  };
  const outcomeTests = (state) => {
    const wanted = o.reason.d.indexOf(state.get("reason") || "");
    return state.get("reason") ? [(row) => o.reason.i[row] === wanted] : [];
  };
  const outcomeTotal = (rows) =>
    `${n(rows.length)}${rows.length === o.n ? "" : ` of ${n(o.n)}`} unit${o.n === 1 ? "" : "s"}.`;

  // --- state in the hash ------------------------------------------------------------------------
  const tables = {};
  if (f.n) tables.findings = new Table("findings", f, findingSearch, drawFinding, findingTotal, findingTests);
  if (o.n) {
    tables["not-read"] = new Table("not-read", o,
      (wanted) => ["unit", "store", "reason", "detail"].map((key) => rowText(o[key], wanted)),
      drawOutcome, outcomeTotal, outcomeTests);
  }
  const keep = () => {
    const said = Object.entries(tables).filter(([, table]) => String(table.state))
      .map(([id, table]) => id + "?" + table.state);
    history.replaceState(null, "", "#" + (said.join("/") || "findings"));
  };
  const restore = (first) => {
    if (!location.hash.includes("?")) {  // an ordinary place in the page
      if (first) for (const table of Object.values(tables)) table.show();
      return;
    }
    const given = location.hash.slice(1).split("/").map((part) => part.split(/\?(.*)/s, 2));
    for (const [id, table] of Object.entries(tables)) {
      const mine = given.find((part) => part[0] === id);
      table.write(new URLSearchParams(mine ? mine[1] : ""));
    }
    const target = document.getElementById(given[0][0]);
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", () => restore(false));
  restore(true);
})();
