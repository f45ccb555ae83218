// What is shown: facets (alternatives within one, all of them together) and words of the search. Everything else looks at `shown`.

const facets = [];
/** The slices that pass, in their order, and whether each does. */
let shown = [];
let passes = new Uint8Array(0);
const listeners = [];

/** A facet: its values with how many slices have each; what is chosen. */
function facet(id, title, valueOf, order) {
  const values = new Map();
  const column = new Int32Array(slices()).fill(-1);
  for (let slice = 0; slice < slices(); slice++) {
    const value = valueOf(slice);
    if (value === undefined || value === "") continue;
    if (!values.has(value)) values.set(value, values.size);
    column[slice] = values.get(value);
  }
  const names = [...values.keys()];
  const sorted = names.map((_, at) => at).sort((a, b) => (order ? order(names[a], names[b]) : compare(names[a], names[b])));
  return { id, title, names, column, sorted, chosen: new Set(), counts: new Int32Array(names.length), all: false };
}

const collator = new Intl.Collator("en", { numeric: true });
const compare = (a, b) => collator.compare(a, b);

/** Labels that tell clusters apart: some values, not one for each cluster. The best known first. */
function groupingLabels() {
  const values = new Map();
  for (const site of sites) {
    for (const [key, value] of site.labels) {
      if (!values.has(key)) values.set(key, new Map());
      values.get(key).set(value, (values.get(key).get(value) ?? 0) + 1);
    }
  }
  const known = ["environment", "env", "stage", "tier", "region", "zone", "provider", "cloud"];
  const rank = (key) => {
    const short = key.slice(key.lastIndexOf("/") + 1).toLowerCase();
    return known.indexOf(short) < 0 ? known.length : known.indexOf(short);
  };
  return [...values]
    .filter(([, of]) => of.size > 1 && of.size <= Math.max(12, sites.length / 2) && of.size <= 60)
    .sort(([a, va], [b, vb]) => rank(a) - rank(b) || va.size - vb.size || compare(a, b))
    .map(([key]) => key);
}

function makeFacets() {
  const order = data.statuses.map(([word]) => word);
  facets.push(facet("status", "Status", (slice) => statusOf(slice)[0], (a, b) => order.indexOf(a) - order.indexOf(b)));
  if (S.danger.some(Boolean)) facets.push(facet("danger", "Danger", (slice) => (S.danger[slice] ? "dangerous" : "")));
  for (const key of groupingLabels().slice(0, 6)) {
    facets.push(facet(`label:${key}`, key.slice(key.lastIndexOf("/") + 1), (slice) => siteOf(slice).labels.get(key)));
  }
  facets.push(facet("project", "Project", (slice) => texts[S.project[slice]]));
  facets.push(facet("set", "ApplicationSet", (slice) => texts[S.set[slice]].replace(/^argocd\//, "")));
  facets.push(facet("version", "Kubernetes", (slice) => siteOf(slice).version));
  for (let at = facets.length - 1; at >= 0; at--) {
    if (facets[at].names.length < 2 && facets[at].id !== "danger") facets.splice(at, 1);
  }
}

/** Where words are looked for, lower case, made once. */
let haystacks, contentHaystacks;
function hay(slice) {
  haystacks ??= [];
  return (haystacks[slice] ??= [
    nameOf(slice), siteOf(slice).name, texts[S.project[slice]], texts[S.namespace[slice]], texts[S.set[slice]],
    ...lists[S.sources[slice]].flatMap((source) => lists[source].map((text) => texts[text])),
    ...[...siteOf(slice).labels].map(([key, value]) => `${key}=${value}`),
  ].join("\n").toLowerCase());
}
function contentHay(content) {
  contentHaystacks ??= [];
  return (contentHaystacks[content] ??= objectsOf(content)
    .map((object) => [`${fullKind(object)}/${fullName(object)}`, `${object.kind}/${object.name}`, ...object.images].join("\n"))
    .join("\n").toLowerCase());
}

const scoped = {
  app: (slice, word) => nameOf(slice).toLowerCase().includes(word),
  cluster: (slice, word) => siteOf(slice).name.toLowerCase().includes(word),
  project: (slice, word) => texts[S.project[slice]].toLowerCase().includes(word),
  ns: (slice, word) => texts[S.namespace[slice]].toLowerCase().includes(word)
    || objectsOf(contentOf(slice)).some((object) => object.namespace.toLowerCase().includes(word)),
  kind: (slice, word) => objectsOf(contentOf(slice)).some((object) => fullKind(object).toLowerCase().startsWith(word)),
  image: (slice, word) => objectsOf(contentOf(slice)).some((object) => object.images.some((image) => image.toLowerCase().includes(word))),
};
scoped.namespace = scoped.ns;

let words = [];
function wordPasses(slice, word) {
  const colon = word.indexOf(":");
  const scope = colon > 0 && Object.hasOwn(scoped, word.slice(0, colon)) && scoped[word.slice(0, colon)];
  if (scope) return scope(slice, word.slice(colon + 1));
  return hay(slice).includes(word) || contentHay(contentOf(slice)).includes(word);
}
/** Whether an object has one of the words, or nothing is looked for: in lists of objects. */
function objectPasses(object) {
  return words.every((word) => {
    if (/^(app|cluster|project):/.test(word)) return true;
    const plain = word.replace(/^(kind|image|ns|namespace):/, "");
    const text = [`${fullKind(object)}/${fullName(object)}`, object.name, ...object.images].join("\n").toLowerCase();
    return text.includes(plain);
  });
}

function filter() {
  words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const active = facets.filter((facet) => facet.chosen.size > 0);
  facets.forEach((facet) => facet.counts.fill(0));
  shown = [];
  passes = new Uint8Array(slices());
  for (let slice = 0; slice < slices(); slice++) {
    if (!words.every((word) => wordPasses(slice, word))) continue;
    let failing = null;
    let failed = 0;
    for (const facet of active) {
      if (!facet.chosen.has(facet.column[slice])) { failing = facet; failed++; }
    }
    // The numbers of a facet say what choosing another of its values would show.
    for (const facet of facets) {
      if (facet.column[slice] >= 0 && (failed === 0 || (failed === 1 && failing === facet))) facet.counts[facet.column[slice]]++;
    }
    if (failed === 0) { shown.push(slice); passes[slice] = 1; }
  }
  const all = slices();
  $("count").textContent = shown.length === all ? plural(all, "application") : `${count(shown.length)} of ${plural(all, "application")}`;
  showFacets();
  listeners.forEach((listener) => listener());
}

const FEW = 8;
function showFacets() {
  const focused = document.activeElement?.id;
  const isFiltered = facets.some((facet) => facet.chosen.size > 0);
  const clear = isFiltered && h("button", { type: "button", id: "clear", class: "framed", onclick: clearFacets }, "Clear filters");
  $("facets").replaceChildren(...(clear ? [clear] : []), ...facets.map((facet) => {
    const many = facet.names.length > FEW + 2;
    const visible = facet.sorted.filter((value, at) => !many || facet.all || at < FEW || facet.chosen.has(value));
    const rows = visible.map((value) => {
      const tone = facet.id === "status" && data.statuses.find(([word]) => word === facet.names[value])[1];
      const box = h("input", {
        type: "checkbox", id: `facet-${facet.id}-${value}`,
        onchange: () => { if (!facet.chosen.delete(value)) facet.chosen.add(value); filter(); },
      });
      box.checked = facet.chosen.has(value);
      return h("label", { class: facet.counts[value] ? "" : "none" }, box,
        h("span", { class: "value", title: facet.names[value] }, tone && h("i", { class: `swatch ${tone}` }), clean(facet.names[value])),
        h("span", { class: "number" }, count(facet.counts[value])));
    });
    const more = many && h("button", {
      type: "button", id: `more-${facet.id}`, class: "more link", "aria-expanded": String(facet.all),
      "aria-label": `${facet.all ? "Fewer" : "All"} values of ${facet.title}`,
      onclick: () => { facet.all = !facet.all; showFacets(); },
    }, facet.all ? "fewer" : `${count(facet.names.length - visible.length)} more`);
    return h("fieldset", {}, h("legend", {}, clean(facet.title)), ...rows, more);
  }));
  if (focused?.startsWith("facet-") || focused?.startsWith("more-")) $(focused)?.focus();
}

function clearFacets() {
  facets.forEach((facet) => facet.chosen.clear());
  filter();
  $("search").focus();
}

/** Chooses one value of a facet; whether there is such a facet. */
function choose(id, name) {
  const facet = facets.find((facet) => facet.id === id);
  const value = facet?.names.indexOf(name) ?? -1;
  if (value < 0) return false;
  facet.chosen = new Set([value]);
  filter();
  return true;
}
