"use strict";
// The overview's grid: up to three axes against three, the others folded or filtered, the view kept in the URL.
// All text comes from the data block of the page and becomes text nodes; nothing here makes markup of text.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const view = document.getElementById("view");
  if (!view) return;
  const told = document.getElementById("told");

  const STATUS = [
    { letter: "f", name: "fail", css: "fail" },
    { letter: "e", name: "error", css: "error" },
    { letter: "n", name: "not run", css: "not-run" },
    { letter: "s", name: "skip", css: "skip" },
    { letter: "p", name: "pass", css: "pass" },
    { letter: "x", name: "excluded", css: "skip" },
  ];
  const EXCLUDED = 5;
  const SQUARES = 1600;
  const LISTED = 20;
  const LEVELS = 3;
  const OUTCOMES = { c: ["crash", "crash"], h: ["hang", "hang"], o: ["oom", "out of memory"], e: ["exit", "exit"], w: ["wrong", "exit with an error"], n: ["none", "not observed"], x: ["none", "excluded"] };
  const total = data.ids.length;
  const axes = data.axes;
  const axisOf = new Map(axes.map((axis) => [axis.name, axis]));
  const statusOf = Uint8Array.from(data.status, (letter) => STATUS.findIndex((one) => one.letter === letter));
  const order = Array.from({ length: total }, (_, cell) => cell).sort((a, b) => statusOf[a] - statusOf[b] || a - b);
  let hay = null;

  // ---- small helpers -------------------------------------------------------------------------------------
  const make = (tag, properties = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  };
  const mark = (status) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "mark");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `#m-${STATUS[status].css}`);
    svg.append(use);
    return svg;
  };
  // What came out is the shape; the verdict gives its colour, and whether it is filled.
  const shape = (cell) => {
    const svg = mark(statusOf[cell]);
    svg.setAttribute("class", `mark shape ${STATUS[statusOf[cell]].css}`);
    svg.firstChild.setAttribute("href", `#o-${OUTCOMES[data.outcomes[cell]][0]}`);
    return svg;
  };
  const cells = (count) => (count === 1 ? "1 cell" : `${count.toLocaleString("en")} cells`);
  const valueName = (value) => (value === "" ? "(none)" : value);
  const pageOf = (cell) => {
    const path = data.ids[cell].split("/").map(encodeURIComponent).join("/");
    return data.own[cell] === "1" ? `cells/${path}/index.html` : `cell.html#${path}`;
  };
  const seenOf = (cell) => data.tables.seen[data.seen[cell]];
  const whyOf = (cell) => data.tables.why[data.why[cell]];

  // ---- the view: what the URL says -----------------------------------------------------------------------
  const varied = axes.filter((axis) => new Set(axis.cells.slice(0, data.planned)).size > 1).map((axis) => axis.name);
  const fresh = () => ({
    rows: [...data.usual.rows], columns: [...data.usual.columns], status: new Set(), is: new Map(), signature: "", change: "", cause: "", text: "",
  });
  const causeOf = new Map(data.causes.map((cause, number) => [cause.id, number]));
  let state = fresh();

  const write = () => {
    const parts = [];
    const add = (name, values) => parts.push(`${encodeURIComponent(name)}=${values.map(encodeURIComponent).join(",")}`);
    if (state.rows.join() !== data.usual.rows.join()) add("rows", state.rows);
    if (state.columns.join() !== data.usual.columns.join()) add("columns", state.columns);
    if (state.status.size) add("verdict", [...state.status].sort().map((status) => STATUS[status].css === "skip" ? STATUS[status].name : STATUS[status].css));
    for (const [name, values] of state.is) add(`is.${name}`, [...values].sort((a, b) => a - b).map((value) => axisOf.get(name).values[value]));
    if (state.signature) add("signature", [state.signature]);
    if (state.change) add("change", [state.change]);
    if (state.cause) add("cause", [state.cause]);
    if (state.text) add("text", [state.text]);
    return parts.join("&");
  };
  const read = (hash) => {
    const found = fresh();
    for (const part of hash.split("&")) {
      let [name, rest] = part.split("=", 2);
      if (rest === undefined) continue;
      let values;
      try {
        name = decodeURIComponent(name);
        values = rest.split(",").map(decodeURIComponent);
      } catch { continue; }
      if (name === "rows" || name === "columns") {
        const known = [...new Set(values)].filter((axis) => axisOf.has(axis)).slice(0, LEVELS);
        if (known.length || name === "columns") found[name] = known;
      } else if (name === "verdict") {
        found.status = new Set(values.map((value) => STATUS.findIndex((one) => one.name === value || (one.css === value && one.css !== "skip"))).filter((status) => status >= 0));
      } else if (name === "signature") {
        found.signature = data.names.some((one) => one.slug === values[0]) ? values[0] : "";
      } else if (name === "change") {
        found.change = data.tables.change.includes(values[0]) ? values[0] : "";
      } else if (name === "cause") {
        found.cause = causeOf.has(values[0]) ? values[0] : "";
      } else if (name === "text") {
        [found.text] = values;
      } else if (name.startsWith("is.") && axisOf.has(name.slice(3))) {
        const axis = axisOf.get(name.slice(3));
        const chosen = values.map((value) => axis.values.indexOf(value)).filter((value) => value >= 0);
        if (chosen.length) found.is.set(axis.name, new Set(chosen));
      }
    }
    found.columns = found.columns.filter((name) => !found.rows.includes(name));
    return found;
  };
  let written = null;
  let later = 0;
  let pending = null;
  const flush = () => {
    clearTimeout(later);
    if (pending) pending();
    pending = null;
  };
  // Who follows a link right after typing must find the view as it was when coming back.
  document.addEventListener("click", flush, true);
  // A step that Back undoes; typing replaces the step it is in, once it rests.
  const go = (change, typing = false) => {
    if (typing) clearTimeout(later);
    else flush();
    change();
    render();
    pending = () => {
      const hash = write();
      if (hash === written) return;
      written = hash;
      if (typing) location.replace(`#${hash}`);
      else location.hash = hash;
    };
    if (typing) later = setTimeout(flush, 250);
    else flush();
  };
  window.addEventListener("hashchange", () => {
    const hash = location.hash.slice(1);
    if (hash === written || (hash && !hash.includes("="))) return;
    written = hash;
    state = read(hash);
    render();
    if (hash) view.scrollIntoView({ block: "nearest" });
  });

  // ---- which cells the filters leave ---------------------------------------------------------------------
  const chosen = () => {
    const limits = [...state.is].map(([name, values]) => {
      const allowed = new Uint8Array(axisOf.get(name).values.length);
      for (const value of values) allowed[value] = 1;
      return { column: axisOf.get(name).cells, allowed };
    });
    const number = state.signature ? data.names.findIndex((one) => one.slug === state.signature) : -1;
    const change = state.change ? data.tables.change.indexOf(state.change) : -1;
    const cause = state.cause ? causeOf.get(state.cause) : -1;
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !hay) hay = data.ids.map((id, cell) => `${id} ${seenOf(cell)} ${whyOf(cell)}`.toLowerCase());
    return order.filter((cell) => {
      if (state.status.size && !state.status.has(statusOf[cell])) return false;
      if (!limits.every((limit) => limit.allowed[limit.column[cell]])) return false;
      if (number >= 0 && !(cell < data.planned && data.signatures[cell].includes(number))) return false;
      if (change >= 0 && data.change[cell] !== change) return false;
      if (cause >= 0 && data.cause[cell] !== cause) return false;
      return words.every((word) => hay[cell].includes(word));
    });
  };

  // ---- the grid ------------------------------------------------------------------------------------------
  // A line of the grid is named by one number, made of its axes' values; numbers sort as the values do.
  const liner = (names) => {
    const columns = names.map((name) => axisOf.get(name));
    return {
      of: (cell) => columns.reduce((number, axis) => number * axis.values.length + axis.cells[cell], 0),
      values: (number) => columns.reduceRight(([rest, values], axis) => [
        Math.floor(rest / axis.values.length), [rest % axis.values.length, ...values],
      ], [number, []])[1],
    };
  };

  const sort = { column: null, way: 1 };
  const pivot = (found) => {
    const row = liner(state.rows);
    const column = liner(state.columns);
    const rows = new Set();
    const columns = new Set();
    const squares = new Map();
    const asked = state.status.has(EXCLUDED);
    const put = (cell) => {
      const [down, across] = [row.of(cell), column.of(cell)];
      // What was excluded stands in the grid only beside what was planned, unless it is asked for.
      if (cell >= data.planned && !asked) {
        if (!rows.has(down) || !columns.has(across)) return;
        const there = squares.get(down).get(across);
        if (there && there[0] < data.planned) return;
      }
      rows.add(down);
      columns.add(across);
      if (!squares.has(down)) squares.set(down, new Map());
      const line = squares.get(down);
      if (line.has(across)) line.get(across).push(cell);
      else line.set(across, [cell]);
    };
    for (const cell of found) if (cell < data.planned) put(cell);
    for (const cell of found) if (cell >= data.planned) put(cell);
    // Worst first by the chosen column, or the other way round; equal lines keep the order of their values.
    const weight = (line) => {
      const members = squares.get(line.number).get(sort.column);
      if (!members) return [9, 0];
      const worst = Math.min(...members.map((cell) => statusOf[cell]));
      return [worst, -members.filter((cell) => statusOf[cell] === worst).length / members.length];
    };
    const sorted = (numbers, line) => [...numbers].sort((a, b) => a - b).map((number) => ({ number, values: line.values(number) }));
    const lines = sorted(rows, row);
    if (sort.column !== null && columns.has(sort.column)) {
      const weights = new Map(lines.map((line) => [line, weight(line)]));
      lines.sort((a, b) => sort.way * (weights.get(a)[0] - weights.get(b)[0] || weights.get(a)[1] - weights.get(b)[1]));
    }
    return { rows: lines, columns: sorted(columns, column), squares };
  };

  const headings = (names, lines, level) => {
    // Neighbours that agree up to this level share one heading.
    const spans = [];
    for (const line of lines) {
      const last = spans[spans.length - 1];
      const same = last && line.values.slice(0, level + 1).join() === last.line.slice(0, level + 1).join();
      if (same) last.span += 1;
      else spans.push({ line: line.values, span: 1, text: valueName(axisOf.get(names[level]).values[line.values[level]]) });
    }
    return spans;
  };

  // The ground of a folded square: each verdict as wide as its share, so that 1 of 40 does not look like 40 of 40.
  const share = (parts, whole) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "share");
    svg.setAttribute("viewBox", `0 0 ${whole} 1`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    let start = 0;
    for (const [status, count] of parts) {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      rect.setAttribute("class", STATUS[status].css);
      rect.setAttribute("x", String(start));
      rect.setAttribute("width", String(count));
      rect.setAttribute("height", "1");
      svg.append(rect);
      start += count;
    }
    return svg;
  };

  const square = (members, row, column) => {
    if (!members) return make("td", { class: "empty" });
    const worst = Math.min(...members.map((cell) => statusOf[cell]));
    const own = { class: STATUS[worst].css };
    if (members.length === 1) {
      const [cell] = members;
      own["data-cell"] = data.ids[cell];
      if (cell >= data.planned) {
        return make("td", own, make("span", { class: "in", title: whyOf(cell), tabindex: "-1" }, shape(cell), make("span", { class: "soft" }, "excluded")));
      }
      const care = data.care[cell] === "1" ? make("span", { class: "flag", title: "the evidence has limits" }, "!", make("span", { class: "unseen" }, " read with care")) : null;
      const words = make("span", { class: "said" }, make("span", { class: "unseen" }, `${STATUS[worst].name}, ${OUTCOMES[data.outcomes[cell]][1]}: `), make("span", { class: "saw" }, seenOf(cell)));
      return make("td", own, make("a", { class: "in", href: pageOf(cell), title: `${seenOf(cell)}\n${whyOf(cell)}`, tabindex: "-1" }, shape(cell), words, care));
    }
    const counts = new Map();
    for (const cell of members) counts.set(statusOf[cell], (counts.get(statusOf[cell]) || 0) + 1);
    const parts = [...counts].sort((a, b) => a[0] - b[0]);
    const label = parts.map(([status, count]) => `${count} ${STATUS[status].name}`).join(", ");
    const open = () => { entering = true; go(() => {
      state.rows.forEach((name, index) => state.is.set(name, new Set([row[index]])));
      state.columns.forEach((name, index) => state.is.set(name, new Set([column[index]])));
      const next = varied.filter((name) => !state.rows.includes(name) && !state.columns.includes(name));
      if (next.length) {
        state.rows = next.slice(0, Math.min(LEVELS, Math.ceil(next.length / 2)));
        state.columns = next.slice(state.rows.length, state.rows.length + LEVELS);
      }
    }); };
    const shown = parts.map(([status, count]) => make("span", { class: `part ${STATUS[status].css}` }, mark(status), String(count)));
    return make("td", { class: "folded" }, make("button", { type: "button", class: "in", "aria-label": `${label}: look inside`, title: label, tabindex: "-1", onclick: open }, share(parts, members.length), ...shown));
  };

  const labels = (names) => names.map((name) => axisOf.get(name).label).join(" and ");
  const grid = (found) => {
    const { rows, columns, squares } = pivot(found);
    if (!rows.length) return make("p", { class: "nothing" }, "No cell is left. ", make("button", { type: "button", onclick: clear }, "Clear the filters"));
    if (rows.length * columns.length > 12 * SQUARES) return make("p", { class: "nothing" }, `${rows.length} rows by ${columns.length} columns are too many to show: choose fewer axes, or filter.`);
    const head = make("thead", {});
    const levels = Math.max(1, state.columns.length);
    for (let level = 0; level < levels; level += 1) {
      const line = make("tr", {});
      if (level === 0) for (const name of state.rows) line.append(make("th", { scope: "col", rowspan: levels, class: "corner" }, axisOf.get(name).label));
      const leaf = level === levels - 1;
      const spans = state.columns.length ? headings(state.columns, columns, level) : [{ span: 1, text: "all", line: [] }];
      spans.forEach((span, index) => {
        const axis = state.columns.length && index === 0 ? make("span", { class: "axis" }, `${axisOf.get(state.columns[level]).label} `) : null;
        const own = { scope: span.span > 1 ? "colgroup" : "col", colspan: span.span };
        if (!leaf) { line.append(make("th", own, make("span", { class: "head" }, axis, span.text))); return; }
        const { number } = columns[index];
        const sorts = sort.column === number;
        own["aria-sort"] = sorts ? (sort.way > 0 ? "descending" : "ascending") : null;
        const turn = () => {
          if (sort.column !== number) [sort.column, sort.way] = [number, 1];
          else if (sort.way > 0) sort.way = -1;
          else sort.column = null;
          focus = { sorts: number };
          render();
        };
        line.append(make("th", own, make("button", { type: "button", class: "sorts", "data-column": String(number), tabindex: "-1", title: "Sort the rows by this column: worst first, worst last, not", onclick: turn }, axis, span.text, make("span", { class: "way", "aria-hidden": "true" }, sorts ? (sort.way > 0 ? " \u25bc" : " \u25b2") : ""))));
      });
      head.append(line);
    }
    const body = make("tbody", {});
    const starts = state.rows.map((_, level) => {
      const at = new Map();
      let index = 0;
      for (const span of headings(state.rows, rows, level)) { at.set(index, span); index += span.span; }
      return at;
    });
    rows.forEach((row, index) => {
      const line = make("tr", {});
      starts.forEach((at) => {
        const span = at.get(index);
        if (span) line.append(make("th", { scope: span.span > 1 ? "rowgroup" : "row", rowspan: span.span }, make("span", { class: "head" }, span.text)));
      });
      for (const column of columns) line.append(square(squares.get(row.number).get(column.number), row.values, column.values));
      body.append(line);
    });
    const caption = make("caption", { class: "unseen" }, `Verdicts: ${labels(state.rows)} by ${labels(state.columns) || "all else"}. Arrow keys move between squares and the heads of columns.`);
    const table = make("table", { class: "grid sheet", id: "grid", onkeydown: walk }, caption, head, body);
    const first = table.querySelector(".in");
    if (first) first.tabIndex = 0;
    return make("div", { class: "scroll heads" }, table);
  };

  // Arrow keys walk over the squares and the heads of their columns; Tab enters and leaves the grid in one step.
  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const stepTo = (lines, from, step) => {
    let row = lines.findIndex((line) => line.includes(from));
    let column = row < 0 ? -1 : lines[row].indexOf(from);
    if (row < 0) return null;
    for (;;) {
      row += step[0];
      column += step[1];
      if (!lines[row] || column < 0 || (step[1] && column >= lines[row].length)) return null;
      const to = lines[row][Math.min(column, lines[row].length - 1)];
      if (to) return to;
    }
  };
  const walk = (event) => {
    const step = STEPS[event.key];
    const from = event.target.closest(".in, .sorts");
    if (!step || !from || event.altKey || event.ctrlKey || event.metaKey) return;
    const table = event.currentTarget;
    const heads = [...table.querySelectorAll(".sorts")];
    const target = stepTo([heads, ...[...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("td")].map((td) => td.querySelector(".in")))], from, step);
    if (!target) return;
    from.tabIndex = -1;
    target.tabIndex = 0;
    target.focus();
    event.preventDefault();
  };
  const roam = (container, of) => {
    const every = () => [...container.querySelectorAll(of)].filter((one) => one.offsetParent !== null);
    const rest = () => every().forEach((one, index) => { one.tabIndex = index ? -1 : 0; });
    container.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      const from = event.target.closest(of);
      if (!step || !from || event.altKey || event.ctrlKey || event.metaKey) return;
      const found = every();
      const target = found[found.indexOf(from) + step[0] + step[1]];
      if (!target) return;
      from.tabIndex = -1;
      target.tabIndex = 0;
      target.focus();
      event.preventDefault();
    });
    container.addEventListener("toggle", rest, true);
    rest();
  };

  // ---- a cell's verdicts over the runs, as on its own page -----------------------------------------------
  const history = data.tables.past.some((series) => series !== "");
  const SPARK = { f: "M0 1h6v14h-6Z", p: "M0 11h6v4h-6Z", e: "M0 15h6l-3-11Z", "-": "M2 14h2v1h-2Z" };
  const spark = (series) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const names = [...series].map((letter) => STATUS.find((one) => one.letter === letter)?.name || "absent");
    svg.setAttribute("class", "spark");
    svg.setAttribute("viewBox", `0 0 ${series.length * 7} 16`);
    svg.setAttribute("width", String(series.length * 7));
    svg.setAttribute("height", "16");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `oldest first: ${names.join(", ")}`);
    [...series].forEach((letter, index) => {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("class", STATUS.find((one) => one.letter === letter)?.css || "absent");
      path.setAttribute("transform", `translate(${index * 7} 0)`);
      path.setAttribute("d", SPARK[letter] || "M0 9h6v6h-6Zm1 1v4h4v-4Z");
      svg.append(path);
    });
    return svg;
  };

  // ---- the list of what is left --------------------------------------------------------------------------
  let listed = LISTED;
  const listing = { by: "", way: 1 };
  const list = (found) => {
    const planned = found.filter((cell) => cell < data.planned);
    const folded = planned.length > document.querySelectorAll("#grid td[data-cell]").length;
    if (!planned.length || !(folded || state.text || state.signature || state.change || state.cause)) return null;
    const by = { verdict: (cell) => statusOf[cell], cell: (cell) => data.ids[cell], why: whyOf };
    if (listing.by) {
      const key = new Map(planned.map((cell) => [cell, by[listing.by](cell)]));
      planned.sort((a, b) => listing.way * (key.get(a) < key.get(b) ? -1 : key.get(a) > key.get(b) ? 1 : a - b));
    }
    const body = make("tbody", {}, ...planned.slice(0, listed).map((cell) => make("tr", {},
      make("td", {}, make("span", { class: `status ${STATUS[statusOf[cell]].css}` }, mark(statusOf[cell]), ` ${STATUS[statusOf[cell]].name}`)),
      make("td", {}, make("a", { class: "mono", href: pageOf(cell) }, data.ids[cell])),
      make("td", {}, whyOf(cell)),
      history ? make("td", {}, spark(data.tables.past[data.past[cell]])) : null)));
    const head = make("thead", {}, make("tr", {}, ...["verdict", "cell", "why"].map((text) => {
      const sorts = listing.by === text;
      const turn = () => {
        if (sorts && listing.way < 0) Object.assign(listing, { by: "", way: 1 });
        else Object.assign(listing, { by: text, way: sorts ? -1 : 1 });
        focus = { listed: text };
        render();
      };
      return make("th", { scope: "col", "aria-sort": sorts ? (listing.way > 0 ? "ascending" : "descending") : null }, make("button", { type: "button", class: "sorts", "data-list": text, onclick: turn }, text, make("span", { "aria-hidden": "true" }, sorts ? (listing.way > 0 ? " \u25b2" : " \u25bc") : "")));
    }), history ? make("th", { scope: "col" }, "runs") : null));
    const more = planned.length - listed;
    const next = () => { listed += 200; render(); };
    return make("div", { id: "list" },
      make("div", { class: "sheet scroll" }, make("table", { class: "list flow" }, make("caption", { class: "unseen" }, "The cells of this view, worst first"), head, body)),
      more > 0 ? make("p", {}, make("button", { type: "button", onclick: next }, `Show more: ${cells(more)} are not listed yet`)) : null);
  };

  // ---- the controls --------------------------------------------------------------------------------------
  const tally = (values) => {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
    return counts;
  };
  const toggle = (set, value) => { if (!set.delete(value)) set.add(value); };
  const clear = () => go(() => { entering = true; state = { ...fresh(), rows: state.rows, columns: state.columns }; box.value = ""; });

  const chip = (pressed, onclick, ...children) => {
    const button = make("button", { type: "button", class: "chip", onclick }, ...children);
    return { button, sync: () => button.setAttribute("aria-pressed", String(pressed())) };
  };
  const syncs = [];
  const use = (one) => { syncs.push(one.sync); return one.button; };

  const box = make("input", { type: "search", id: "text", placeholder: "cell, outcome or reason", autocomplete: "off", spellcheck: "false", oninput: () => go(() => { state.text = box.value.trim(); }, true) });
  syncs.push(() => { if (document.activeElement !== box) box.value = state.text; });

  const signature = make("select", { id: "signature", onchange: () => go(() => { state.signature = signature.value; }) },
    make("option", { value: "" }, "any"), ...data.names.map((one) => make("option", { value: one.slug }, one.text)));
  syncs.push(() => { signature.value = state.signature; });

  // Only axes that vary within what is shown are offered, beside those that stand in the grid already.
  let offered = varied;
  const NTH = ["first", "second", "third"];
  const chooser = (side, place) => {
    const select = make("select", { "aria-label": `${side}, ${NTH[place]} axis`, onchange: () => go(() => {
      const names = [...state[side]];
      if (select.value) names[place] = select.value;
      else names.splice(place, 1);
      const other = side === "rows" ? "columns" : "rows";
      state[other] = state[other].filter((name) => !names.includes(name));
      state[side] = [...new Set(names.filter(Boolean))];
      if (!state.rows.length) state.rows = [axes.find((axis) => !state.columns.includes(axis.name))?.name || axes[0].name];
      state.columns = state.columns.filter((name) => !state.rows.includes(name));
    }) });
    syncs.push(() => {
      const own = state[side][place] || "";
      const blank = place || side === "columns" ? [make("option", { value: "" }, "\u2013")] : [];
      select.replaceChildren(...blank, ...axes.filter((axis) => axis.name === own || offered.includes(axis.name)).map((axis) => make("option", { value: axis.name }, axis.label)));
      select.value = own;
      select.hidden = place > state[side].length;
    });
    return select;
  };
  const swap = () => go(() => { [state.rows, state.columns] = [state.columns.length ? state.columns : state.rows, state.columns.length ? state.rows : []]; });

  const statusCounts = tally(statusOf);
  const verdicts = STATUS.map((one, status) => (statusCounts.has(status)
    ? use(chip(() => state.status.has(status), () => go(() => toggle(state.status, status)), make("span", { class: one.css }, mark(status)), ` ${one.name} `, make("span", { class: "soft" }, statusCounts.get(status).toLocaleString("en"))))
    : null));
  const changeCounts = tally(data.change);
  const kinds = data.tables.change.map((kind, number) => (kind && changeCounts.has(number)
    ? use(chip(() => state.change === kind, () => go(() => { state.change = state.change === kind ? "" : kind; }), `${kind} `, make("span", { class: "soft" }, changeCounts.get(number).toLocaleString("en"))))
    : null)).filter(Boolean);
  if (kinds.length) kinds.unshift(make("span", { class: "label" }, "changed:"));
  const filters = axes.filter((axis) => varied.includes(axis.name)).map((axis) => {
    const counts = tally(axis.cells.slice(0, data.planned));
    const flip = (value) => go(() => {
      const values = state.is.get(axis.name) || new Set();
      toggle(values, value);
      if (values.size) state.is.set(axis.name, values);
      else state.is.delete(axis.name);
    });
    const chips = axis.values.map((text, value) => (counts.has(value)
      ? use(chip(() => Boolean(state.is.get(axis.name)?.has(value)), () => flip(value), valueName(text)))
      : null));
    return make("div", { class: "chips", role: "group", "aria-label": `Only these values of ${axis.label}` }, make("span", { class: "label" }, axis.label), ...chips);
  });
  const filtering = () => Boolean(state.text || state.signature || state.change || state.cause || state.status.size || state.is.size);
  const active = make("span", { class: "soft" });
  const clearing = make("button", { type: "button", onclick: clear }, "Clear filters");
  const field = (...parts) => make("span", { class: "field" }, ...parts);
  const where = make("details", { class: "where" }, make("summary", {}, "Filters ", active),
    make("div", { class: "chips", role: "group", "aria-label": "Only these verdicts" }, make("span", { class: "label" }, "verdict"), ...verdicts),
    kinds.length ? make("div", { class: "chips", role: "group", "aria-label": "Only these changes" }, ...kinds) : null,
    data.names.length ? make("div", { class: "chips" }, field(make("label", { class: "label", for: "signature" }, "Signature"), signature)) : null,
    ...filters, clearing);
  syncs.push(() => {
    const said = [state.cause ? `cause: ${data.causes[causeOf.get(state.cause)].title}` : "", state.change, state.signature ? "a signature" : "", ...[...state.status].map((status) => STATUS[status].name), ...[...state.is.keys()].map((name) => axisOf.get(name).label)].filter(Boolean);
    active.textContent = said.length ? `by ${said.join(", ")}` : "";
    clearing.hidden = !filtering();
  });

  // ---- the filters as what the command line takes ---------------------------------------------------------
  const quoted = (text) => `"${text}"`;
  const among = (axis, values) => {
    const named = [...new Set(values.map((value) => axis.named[value]))].map(quoted);
    return named.length === 1 ? `${axis.part} == ${named[0]}` : `${axis.part} in (${named.join(", ")})`;
  };
  const counted = new Map();
  const plannedValues = (axis) => {
    if (!counted.has(axis)) counted.set(axis, new Set(axis.cells.slice(0, data.planned)).size);
    return counted.get(axis);
  };
  // The values of each axis that the cells have; they are an expression where no other planned cell has them all.
  const expression = (planned) => {
    const terms = [];
    const limits = [];
    for (const axis of axes) {
      if (!varied.includes(axis.name)) continue;
      const here = new Uint8Array(axis.values.length);
      for (const cell of planned) here[axis.cells[cell]] = 1;
      const every = plannedValues(axis);
      const values = axis.values.map((_, value) => value).filter((value) => here[value]);
      if (values.length === every) continue;
      limits.push({ column: axis.cells, here });
      terms.push(among(axis, values));
    }
    const exact = () => {
      let count = 0;
      for (let cell = 0; cell < data.planned; cell += 1) if (limits.every((limit) => limit.here[limit.column[cell]])) count += 1;
      return count === planned.length;
    };
    if (!exact()) return null;
    for (let at = 0; at < limits.length; at += 1) {
      const [limit, term] = [limits.splice(at, 1)[0], terms.splice(at, 1)[0]];
      if (exact()) at -= 1;
      else { limits.splice(at, 0, limit); terms.splice(at, 0, term); }
    }
    return terms.join(" and ");
  };
  const told_k = make("code", {});
  const copy = make("button", { type: "button", onclick: async () => {
    try { await navigator.clipboard.writeText(told_k.textContent); copy.textContent = "Copied"; }
    catch { getSelection().selectAllChildren(told_k); copy.textContent = "Selected"; }
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  } }, "Copy");
  const chooses = make("p", { class: "chooses" }, told_k, " ", copy);
  const sayExpression = (planned) => {
    const text = filtering() && planned.length && planned.length < data.planned ? expression(planned) : null;
    const ids = text === null && filtering() && planned.length <= 4 ? planned.map((cell) => `--cell ${data.ids[cell]}`).join(" ") : "";
    chooses.hidden = !text && !ids;
    told_k.textContent = text ? `-k '${text}'` : ids;
  };

  const controls = make("div", { class: "controls", role: "search", "aria-label": "What the grid shows" },
    make("div", { class: "line" },
      field(make("span", { class: "label" }, "Rows"), ...NTH.map((_, nth) => chooser("rows", nth))),
      field(make("span", { class: "label" }, "Columns"), ...NTH.map((_, nth) => chooser("columns", nth))),
      make("button", { type: "button", onclick: swap }, "Swap"),
      field(make("label", { class: "label", for: "text" }, "Find"), box)),
    where, chooses);
  const place = make("div", { id: "place" });
  const below = document.getElementById("below");

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { box.focus(); event.preventDefault(); }
    if (event.key === "Escape" && event.target === box) { box.value = ""; go(() => { state.text = ""; }); }
  });

  // Heads stay in sight: each line of them sticks below the one above it, each head of a row beside the one before.
  const stick = () => {
    const table = document.getElementById("grid");
    if (!table) return;
    let top = 0;
    for (const line of table.tHead.rows) {
      for (const head of line.cells) head.style.top = `${top}px`;
      top += line.getBoundingClientRect().height;
    }
    const lefts = [];
    [...table.tHead.rows[0].querySelectorAll(".corner")].reduce((left, head) => { lefts.push(left); head.style.left = `${left}px`; return left + head.getBoundingClientRect().width; }, 0);
    const last = new Array(lefts.length).fill(0);
    for (const line of table.tBodies[0].rows) {
      const heads = [...line.querySelectorAll("th")];
      const free = last.map((left, level) => (left > 0 ? -1 : level)).filter((level) => level >= 0);
      heads.forEach((head, nth) => { head.style.left = `${lefts[free[nth]]}px`; last[free[nth]] = head.rowSpan; });
      last.forEach((left, level) => { last[level] = Math.max(0, left - 1); });
    }
  };
  let focus = null;
  let entering = false;
  let saying = 0;
  // What had the focus has it again, or what stands in its place.
  const refocus = () => {
    const target = focus?.sorts !== undefined && focus?.sorts !== null ? place.querySelector(`.sorts[data-column="${focus.sorts}"]`)
      : focus?.listed ? below.querySelector(`.sorts[data-list="${focus.listed}"]`)
        : entering ? place.querySelector(".in") || place.querySelector("button") : null;
    focus = null;
    entering = false;
    if (!target) return;
    if (target.closest("#grid")) {
      for (const one of place.querySelectorAll("[tabindex='0']")) one.tabIndex = -1;
      target.tabIndex = 0;
    }
    target.focus();
  };
  const render = () => {
    const found = chosen();
    offered = axes.filter((axis) => { const one = found.length ? axis.cells[found[0]] : 0; return found.some((cell) => cell < data.planned && axis.cells[cell] !== one); }).map((axis) => axis.name);
    for (const sync of syncs) sync();
    place.replaceChildren(grid(found));
    stick();
    const rows = list(found);
    below.replaceChildren(...(rows ? [rows] : []));
    const planned = found.filter((cell) => cell < data.planned).length;
    // Not before the grid is there: over ten thousand cells it takes a part of a letter's time.
    clearTimeout(saying);
    saying = setTimeout(() => sayExpression(found.filter((cell) => cell < data.planned)));
    refocus();
    told.textContent = planned === data.planned ? cells(planned) : `${planned.toLocaleString("en")} of ${cells(data.planned)}`;
  };

  view.append(controls, place);
  view.hidden = false;
  const causes = document.getElementById("causes");
  if (causes) roam(causes, "a, summary");
  written = location.hash.includes("=") ? location.hash.slice(1) : "";
  state = read(written);
  render();
})();
