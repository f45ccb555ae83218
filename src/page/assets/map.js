// The map: applications down, clusters across, one column for each value of a label or for each cluster. A bar says how the clusters of a
// cell stand; in a fleet without changes its shades are the different renders of the row.

const views = [];
/** The label whose values are the columns; empty for a column each cluster. */
let grouping = "";
const TITLE = 236;

function familyRows() {
  const rows = new Map();
  for (const slice of shown) {
    const family = S.family[slice];
    if (!rows.has(family)) rows.set(family, []);
    rows.get(family).push(slice);
  }
  const weight = (of) => (data.subject === "fleet" ? 0 : Math.min(...of.map((slice) => S.status[slice])));
  return [...rows]
    .map(([family, of]) => ({ name: texts[family], slices: of, weight: weight(of) }))
    .sort((a, b) => a.weight - b.weight || compare(a.name, b.name));
}

function columns() {
  const used = new Set(shown.map((slice) => S.site[slice]));
  const found = new Map();
  sites.forEach((site, at) => {
    if (!used.has(at)) return;
    const name = grouping ? site.labels.get(grouping) ?? "" : site.name;
    if (!found.has(name)) found.set(name, { name, sites: new Set() });
    found.get(name).sites.add(at);
  });
  const order = ["dev", "development", "test", "testing", "qa", "int", "integration", "stage", "staging", "preprod", "prod", "production"];
  const rank = (name) => (order.indexOf(name.toLowerCase()) < 0 ? order.length : order.indexOf(name.toLowerCase()));
  const all = [...found.values()];
  if (grouping) all.sort((a, b) => !a.name - !b.name || rank(a.name) - rank(b.name) || compare(a.name, b.name));
  else all.sort((a, b) => compare(a.name, b.name));
  all.forEach((column, at) => { column.at = at; column.title = column.name || `no ${grouping}`; });
  return all;
}

/** By content: which of the renders of a row it is, the most frequent first. */
function variants(of) {
  const numbers = new Map();
  for (const slice of of) numbers.set(contentOf(slice), (numbers.get(contentOf(slice)) ?? 0) + 1);
  return new Map([...numbers].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([content], at) => [content, at]));
}

/** The parts of a cell: how many slices of which tone, in words. */
function segments(of, ranks) {
  const found = new Map();
  for (const slice of of) {
    const [word, tone] = statusOf(slice);
    const rank = ranks.get(contentOf(slice)) ?? 0;
    const render = data.subject === "fleet" && tone === "fine";
    const key = render ? `v${Math.min(rank, 6)}` : tone;
    const words = render ? (rank < 6 ? `render ${rank + 1}` : "other renders") : word;
    if (!found.has(key)) found.set(key, { tone: key, words, number: 0, order: render ? 100 + rank : S.status[slice] });
    found.get(key).number++;
  }
  return [...found.values()].sort((a, b) => a.order - b.order);
}

views.push({
  id: "map", title: "Map",
  number: () => new Set(shown.map((slice) => S.family[slice])).size,
  show(panel) {
    const labels = groupingLabels();
    if (this.chosen === undefined) {
      this.chosen = sites.length > 48 && labels.length ? labels[0] : "";
      grouping = this.chosen;
    }
    const select = h("select", { id: "grouping", onchange: () => { grouping = select.value; this.chosen = grouping; render(); } },
      h("option", { value: "" }, "each cluster"), ...labels.map((key) => h("option", { value: key }, clean(key))));
    const legend = h("ul", { class: "legend", "aria-label": "Legend" });
    const scroller = h("div", { class: "scroll map", role: "grid" });
    const spacer = h("div", { class: "spacer", role: "rowgroup" });
    const top = h("div", { class: "top", role: "row", "aria-rowindex": "1" });
    panel.replaceChildren(h("div", { class: "strip" }, h("label", {}, "Columns ", select), legend), scroller);
    scroller.append(top, spacer);

    let rows = [];
    let across = [];
    let width = 0;
    let of = new Map();
    const byRow = new Map();
    const list = virtual({
      scroller, spacer, height: 26, number: () => rows.length,
      make: (at) => row(rows[at]),
    });

    function cellsOf(one) {
      if (!byRow.has(one)) {
        const cells = new Map();
        for (const slice of one.slices) {
          const column = of.get(S.site[slice]);
          if (!cells.has(column)) cells.set(column, []);
          cells.get(column).push(slice);
        }
        byRow.set(one, cells);
      }
      return byRow.get(one);
    }

    function row(one) {
      const ranks = variants(one.slices);
      const cells = cellsOf(one);
      const nodes = across.filter((column) => cells.has(column.at)).map((column) => cell(one, column, cells.get(column.at), ranks));
      const number = data.subject === "fleet" ? `${ranks.size}` : "";
      const what = `${one.name}: ${plural(one.slices.length, "application")}, ${plural(ranks.size, "render")}`;
      const title = h("button", {
        type: "button", class: "title", role: "rowheader", "data-cell": true, tabindex: "-1", title: what, "aria-label": what,
        onclick: () => open({ type: "slices", title: one.name, slices: one.slices }),
      }, h("span", { class: "text" }, clean(one.name)), number > 1 && h("span", { class: "number", title: `${number} different renders` }, `${number} renders`));
      title.style.width = `${TITLE}px`;
      return h("div", { class: "row", role: "row" }, title, ...nodes);
    }

    function cell(one, column, slices, ranks) {
      const parts = segments(slices, ranks);
      const danger = slices.some((slice) => S.danger[slice]);
      const words = parts.map((part) => `${count(part.number)} ${part.words}`).join(", ");
      const where = grouping ? `${grouping} ${column.title}` : column.title;
      const name = `${one.name} on ${where}: ${words}${danger ? ", dangerous" : ""}`;
      const bar = h("span", { class: "bar" }, parts.map((part) => {
        const span = h("span", { class: part.tone });
        span.style.flexGrow = String(part.number);
        return span;
      }));
      const node = h("button", {
        type: "button", class: "cell", role: "gridcell", "data-cell": true, tabindex: "-1", "aria-label": name, title: name,
        "aria-colindex": String(column.at + 2),
        onclick: () => (slices.length === 1 ? open({ type: "slice", slice: slices[0] }) : open({ type: "slices", title: `${one.name} · ${column.title}`, slices })),
      }, bar, danger && h("span", { class: "mark" }, "!"), h("span", { class: "number" }, count(slices.length)));
      node.style.left = `${TITLE + column.at * width}px`;
      node.style.width = `${width}px`;
      return node;
    }

    function header() {
      const narrow = !grouping && across.length > 8;
      scroller.classList.toggle("narrow", narrow);
      // A sheet is as wide as about 700 pixels.
      const room = printing ? 700 - TITLE : Math.max(320, scroller.clientWidth - TITLE - 2);
      width = narrow ? 22 : Math.max(96, Math.min(420, Math.floor(room / Math.max(1, across.length))));
      const height = narrow ? Math.min(190, 20 + 7 * Math.max(4, ...across.map((column) => column.title.length))) : 46;
      const corner = h("div", { class: "corner", role: "columnheader" }, "Application");
      corner.style.width = `${TITLE}px`;
      corner.style.height = `${height}px`;
      top.replaceChildren(corner, ...across.map((column) => {
        const number = plural(column.sites.size, "cluster");
        const node = h("button", {
          type: "button", class: "column", role: "columnheader", title: `${column.title}, ${number}`,
          "aria-label": grouping ? `${column.title}, ${number}: show each` : `Cluster ${column.title}`,
          onclick: () => drill(column),
        }, h("strong", {}, clean(column.title)), grouping && h("small", {}, number));
        node.style.left = `${TITLE + column.at * width}px`;
        node.style.width = `${width}px`;
        if (narrow) node.style.height = `${height}px`;
        return node;
      }));
      const full = TITLE + across.length * width;
      top.style.width = `${full}px`;
      spacer.style.width = `${full}px`;
      top.style.height = `${height}px`;
    }

    /** From a value of a label to its clusters; from a cluster to what is known of it. */
    function drill(column) {
      if (!grouping) return open({ type: "cluster", site: [...column.sites][0] });
      const label = grouping;
      grouping = "";
      select.value = "";
      if (!choose(`label:${label}`, column.name)) render();
    }

    function showLegend() {
      const tones = new Map();
      if (data.subject === "fleet") {
        tones.set("v0", "most frequent render of the row");
        tones.set("v1", "others");
      }
      for (const slice of shown) {
        const [word, tone] = statusOf(slice);
        if (data.subject !== "fleet" || tone !== "fine") tones.set(tone, word);
      }
      const order = data.statuses.map(([, tone]) => tone);
      const sorted = [...tones].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
      legend.replaceChildren(...sorted.map(([tone, word]) => {
        const shades = tone === "v1" ? ["v1", "v2", "v3", "v4", "v5", "v6"] : [tone];
        return h("li", {}, ...shades.map((shade) => h("i", { class: `swatch ${shade}` })), word);
      }));
    }

    const render = () => {
      select.value = grouping;
      rows = familyRows();
      across = columns();
      byRow.clear();
      of = new Map(across.flatMap((column) => [...column.sites].map((site) => [site, column.at])));
      scroller.setAttribute("aria-label", `Map of ${plural(rows.length, "application")} on ${plural(across.length, grouping ? "group" : "cluster")}`);
      scroller.setAttribute("aria-rowcount", String(rows.length + 1));
      scroller.setAttribute("aria-colcount", String(across.length + 1));
      header();
      showLegend();
      list.refresh();
      nothing(scroller, rows.length);
    };
    render();
    // The columns take the room that there is.
    let room = scroller.clientWidth;
    const observer = new ResizeObserver(() => {
      if (scroller.clientWidth === room || printing) return;
      room = scroller.clientWidth;
      header();
      list.refresh();
    });
    observer.observe(scroller);
    return { render, end() { observer.disconnect(); list.end(); } };
  },
});

/** Says that nothing is left by the filters. */
function nothing(scroller, number) {
  scroller.querySelector(".empty")?.remove();
  if (number === 0) scroller.append(h("p", { class: "empty" }, "Nothing matches the search and the filters."));
}
