// The lists: applications on clusters, and objects by kind and name.

/** A table of rows that can be sorted by its columns. */
function table(panel, { label, columns, rows, open: openRow }) {
  const scroller = h("div", { class: "scroll list", role: "grid", "aria-label": label });
  const top = h("div", { class: "top", role: "row", "aria-rowindex": "1" });
  const spacer = h("div", { class: "spacer", role: "rowgroup" });
  panel.replaceChildren(h("div", { hidden: true }), scroller);
  scroller.append(top, spacer);
  const template = columns.map((column) => column.width).join(" ");
  const least = columns.reduce((sum, column) => sum + column.least, 0);
  let sorted = columns[0];
  let down = false;
  let of = [];
  const list = virtual({
    scroller, spacer, height: 28, number: () => of.length, open: (at) => openRow(of[at]),
    make(at) {
      const row = h("div", { class: "row", role: "row", "data-cell": true, tabindex: "-1", onclick: () => openRow(of[at]) },
        columns.map((column, number) => {
          const value = column.node ? column.node(of[at]) : clean(String(column.value(of[at])));
          const title = typeof value === "string" ? value : undefined;
          return h("span", { role: "gridcell", class: [column.right && "right", number === 0 && "first"].filter(Boolean).join(" "), title }, value);
        }));
      row.style.gridTemplateColumns = template;
      return row;
    },
  });
  function header() {
    top.style.gridTemplateColumns = template;
    top.style.minWidth = `${least}px`;
    spacer.style.minWidth = `${least}px`;
    top.replaceChildren(...columns.map((column) => {
      const direction = column === sorted ? (down ? "descending" : "ascending") : "none";
      const button = h("button", {
        type: "button",
        onclick: () => { down = column === sorted ? !down : Boolean(column.right); sorted = column; render(); top.children[columns.indexOf(column)].firstChild.focus(); },
      }, column.title, direction === "none" ? "" : down ? " ↓" : " ↑");
      return h("span", { role: "columnheader", "aria-sort": direction, class: column.right ? "right" : "" }, button);
    }));
  }
  const render = () => {
    const by = sorted.sort ?? sorted.value;
    const order = (a, b) => {
      const [x, y] = [by(a), by(b)];
      return typeof x === "number" ? x - y : compare(String(x), String(y));
    };
    of = rows();
    of.sort((a, b) => (down ? order(b, a) : order(a, b)));
    header();
    scroller.setAttribute("aria-rowcount", String(of.length + 1));
    list.refresh();
    nothing(scroller, of.length);
  };
  render();
  return { render, end: list.end };
}

const badge = ([word, tone]) => h("span", { class: "badge" }, h("i", { class: tone }), word);

const sourceText = (slice) => lists[S.sources[slice]].map((source) => texts[lists[source][1]] || texts[lists[source][0]]).join(", ");

const applicationView = {
  id: "applications", title: "Applications",
  number: () => shown.length,
  show: (panel) => table(panel, {
    label: "Applications on clusters",
    columns: [
      { title: "Application", width: "minmax(150px, 2fr)", least: 150, value: nameOf },
      { title: "Cluster", width: "minmax(120px, 1.4fr)", least: 120, value: (slice) => siteOf(slice).name },
      { title: "Status", width: "124px", least: 124, value: (slice) => statusOf(slice)[0], sort: (slice) => S.status[slice], node: (slice) => badge(statusOf(slice)) },
      { title: "Project", width: "minmax(80px, 0.8fr)", least: 80, value: (slice) => texts[S.project[slice]] },
      { title: "Namespace", width: "minmax(80px, 0.9fr)", least: 80, value: (slice) => texts[S.namespace[slice]] },
      { title: "Source", width: "minmax(120px, 1.6fr)", least: 120, value: sourceText },
      { title: "Objects", width: "74px", least: 74, right: true, value: (slice) => objectsOf(contentOf(slice)).length },
    ],
    rows: () => [...shown],
    open: (slice) => open({ type: "slice", slice }),
  }),
};

/** Objects of the applications that are shown, by kind and name: their different texts and how many applications have each. */
function objectRows() {
  const used = new Map();
  for (const slice of shown) used.set(contentOf(slice), (used.get(contentOf(slice)) ?? 0) + 1);
  const found = new Map();
  for (const [content, places] of used) {
    objectsOf(content).forEach((object, at) => {
      if (!objectPasses(object)) return;
      const key = `${object.kind}\n${object.group}\n${object.namespace}\n${object.name}`;
      if (!found.has(key)) found.set(key, { object, documents: new Map(), places: 0, images: new Set() });
      const row = found.get(key);
      row.places += places;
      object.images.forEach((image) => row.images.add(image));
      if (!row.documents.has(object.document)) row.documents.set(object.document, { places: 0, contents: new Set(), content, at });
      const document = row.documents.get(object.document);
      document.places += places;
      document.contents.add(content);
    });
  }
  return [...found.values()];
}

const objectView = {
  id: "objects", title: "Objects",
  number: () => objectRows().length,
  show: (panel) => table(panel, {
    label: "Objects",
    columns: [
      { title: "Kind", width: "minmax(130px, 1.1fr)", least: 130, value: (row) => fullKind(row.object) },
      { title: "Name", width: "minmax(170px, 2fr)", least: 170, value: (row) => row.object.name },
      { title: "Namespace", width: "minmax(90px, 1fr)", least: 90, value: (row) => row.object.namespace },
      { title: "Images", width: "minmax(120px, 1.8fr)", least: 120, value: (row) => [...row.images].join(", ") },
      { title: "Versions", width: "84px", least: 84, right: true, value: (row) => row.documents.size },
      { title: "Applications", width: "104px", least: 104, right: true, value: (row) => row.places },
    ],
    rows: objectRows,
    open(row) {
      const [only] = row.documents.values();
      if (row.documents.size > 1) return open({ type: "versions", row });
      open({ type: "object", content: only.content, at: only.at, slice: sliceWith(only.contents) });
    },
  }),
};

/** The first slice shown that has one of some contents. */
const sliceWith = (contents) => shown.find((slice) => contents.has(contentOf(slice)));
