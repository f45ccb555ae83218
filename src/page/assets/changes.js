// The changes, as the report in a terminal has them: equal ones once, those on the same places under one heading, dangers first, what
// nobody need see behind a switch.

const SIGNS = { plus: "+", minus: "−", change: "~", alarm: "!", plain: "=" };
const AT_ONCE = 60;

/** `web on 214 clusters: a, b and 212 more`. */
function placesText(places) {
  const families = new Set(places.map((slice) => S.family[slice]));
  const some = (names) => (names.length > 4 ? `${names.slice(0, 4).join(", ")} and ${count(names.length - 4)} more` : names.join(", "));
  if (families.size === 1) {
    const names = places.map((slice) => siteOf(slice).name);
    return [texts[[...families][0]], places.length > 1 ? `on ${plural(places.length, "cluster")}: ${some(names)}` : `on ${names[0]}`];
  }
  const clusters = new Set(places.map((slice) => S.site[slice])).size;
  return [plural(places.length, "application"), `on ${plural(clusters, "cluster")}: ${some([...families].map((family) => texts[family]))}`];
}

function wordMarks(before, after) {
  // The words that both begin or end with are the same; what is between them differs.
  const a = before.split(/(\s+|[/:.,=@-])/);
  const b = after.split(/(\s+|[/:.,=@-])/);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const side = (tag, list) => {
    const middle = list.slice(start, list.length - end).join("");
    return h(tag, {}, clean(list.slice(0, start).join("")), middle && h("b", {}, clean(middle)), clean(end ? list.slice(list.length - end).join("") : ""));
  };
  return [side("del", a), side("ins", b)];
}

function fieldNode([path, before, after]) {
  const head = h("span", { class: "path" }, clean(path), ": ");
  if (before === null && after === null) return h("div", { class: "field" }, h("span", { class: "path" }, clean(path)));
  if (before !== null && after !== null && (before.includes("\n") || after.includes("\n"))) {
    return h("div", { class: "field" }, head, diffNode(before, after, 1));
  }
  const values = h("span", { class: "values" });
  if (before === null) values.append(h("ins", {}, "+ ", clean(after)));
  else if (after === null) values.append(h("del", {}, "− ", clean(before)));
  else {
    const [gone, come] = wordMarks(before, after);
    values.append(gone, h("span", { class: "arrow" }, " → "), come);
  }
  return h("div", { class: "field" }, h("span", {}, head, values));
}

const FIELDS = 14;
function fieldsNode(fields) {
  const node = h("div", { class: "fields" }, fields.slice(0, FIELDS).map(fieldNode));
  if (fields.length > FIELDS) {
    const more = h("button", { type: "button", class: "link more", onclick: () => more.replaceWith(...fields.slice(FIELDS).map(fieldNode)) },
      `${plural(fields.length - FIELDS, "more field")}`);
    node.append(more);
  }
  return node;
}

/** The change in a card; with `place` it can be opened there. */
function changeNode(change) {
  const place = change.places.find((slice) => passes[slice]) ?? change.places[0];
  const names = change.objects.map(([namespace, name]) => (namespace ? `${namespace}/${name}` : name));
  const object = change.application ? "" : `${change.kind} ${names.length > 3 ? `(${count(names.length)} objects) ` : ""}${names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${count(names.length - 3)} more` : names.join(", ")}`;
  const target = !change.application && change.objects.length > 0 && place !== undefined
    ? h("button", { type: "button", class: "object link", onclick: () => openChanged(change, place) }, clean(object))
    : h("span", { class: "object" }, clean(object));
  return h("article", { class: "entry" },
    h("div", { class: "line" },
      h("span", { class: `sign ${change.tone}`, "aria-hidden": "true" }, SIGNS[change.tone] ?? "·"),
      h("span", { class: "what" }, clean(change.what)), target,
      change.more.length > 0 && h("span", { class: "soft" }, clean(change.more.join(", ")))),
    change.dangers.map((why) => h("p", { class: "danger" }, h("span", { class: "unseen" }, "Danger: "), clean(why))),
    change.noise && h("p", { class: "aside" }, clean(change.noise)),
    change.fields.length > 0 && fieldsNode(change.fields));
}

/** Opens the object of a change where it happens. */
function openChanged(change, slice) {
  const [namespace, name] = change.objects[0];
  const is = (object) => fullKind(object) === change.kind && object.name === name && object.namespace === namespace;
  for (const content of [S.after[slice], S.before[slice]]) {
    const at = objectsOf(content).findIndex(is);
    if (at >= 0) return open({ type: "slice", slice }, { type: "object", slice, content, at, tab: "diff" });
  }
  open({ type: "slice", slice });
}

/**
 * Applications that come or leave are one entry, whatever their names, and so are their objects of a kind that are dangerous in the same
 * way: of a cluster that leaves nobody reads a card each application.
 */
function gathered(changes) {
  const found = new Map();
  const result = [];
  for (const change of changes) {
    const plain = change.fields.length === 0 && (change.application || change.whole);
    const key = plain && [change.what, change.application, change.kind, change.noise, ...change.dangers].join("\n");
    const known = key && found.get(key);
    if (known) {
      known.objects.push(...change.objects);
      change.places.forEach((place) => known.all.add(place));
      continue;
    }
    const entry = plain ? { ...change, objects: [...change.objects], all: new Set(change.places) } : change;
    if (plain) found.set(key, entry);
    result.push(entry);
  }
  for (const entry of found.values()) {
    entry.places = [...entry.all].sort((a, b) => a - b);
    if (entry.application) {
      const objects = entry.places.reduce((sum, slice) => sum + objectsOf(contentOf(slice)).length, 0);
      if (entry.places.length > 1) entry.what = { comes: "come", leaves: "leave" }[entry.what] ?? entry.what;
      if (entry.tone !== "change") entry.more = [`with ${plural(objects, "object")}`];
    }
  }
  return result;
}

const changeView = {
  id: "changes", title: "Changes", dangers: false, noise: false, whole: false,
  number: () => data.changes.filter((change) => change.places.some((slice) => passes[slice])).length,
  show(panel) {
    const scroller = h("div", { class: "scroll" });
    const cards = h("div", { class: "cards" });
    const strip = h("div", { class: "strip" });
    const rest = h("div", { class: "cards" });
    panel.replaceChildren(strip, scroller);
    scroller.append(cards, rest);
    let groups = [];
    let made = 0;

    const box = (name, label, number) => {
      const input = h("input", { type: "checkbox", id: `show-${name}`, onchange: () => { changeView[name] = input.checked; render(); $(`show-${name}`)?.focus(); } });
      input.checked = changeView[name];
      return number > 0 && h("label", {}, input, `${label} (${count(number)})`);
    };

    const card = ({ places, changes }) => {
      const visible = places.filter((slice) => passes[slice]);
      if (!visible.length) return "";
      const [what, where] = placesText(visible);
      const shownOf = visible.length < places.length ? ` (${count(visible.length)} of ${count(places.length)} shown)` : "";
      const list = changes.slice(0, 30).map(changeNode);
      const node = h("section", { class: "card" },
        h("h3", {}, h("span", { class: "where", title: `${what} ${where}` }, clean(what), " ", h("span", {}, clean(where), shownOf)),
          h("button", { type: "button", class: "link", "aria-label": `Places of ${what}`, onclick: () => openPlaces(what, visible) }, plural(visible.length, "place"))),
        ...list);
      if (changes.length > 30) {
        const more = h("button", { type: "button", class: "entry link more", onclick: () => more.replaceWith(...changes.slice(30).map(changeNode)) },
          plural(changes.length - 30, "more change"));
        node.append(more);
      }
      return node;
    };

    function more() {
      const until = printing ? groups.length : Math.min(groups.length, made + AT_ONCE);
      for (; made < until; made++) cards.append(card(groups[made]));
      const left = groups.length - made;
      rest.replaceChildren(...(left > 0 ? [h("button", { type: "button", class: "framed more", onclick: more }, `Show more: ${plural(left, "group")}`)] : []));
    }

    const render = () => {
      const here = data.changes.filter((change) => change.places.some((slice) => passes[slice]));
      const number = (of) => here.filter(of).length;
      strip.replaceChildren(...[
        box("dangers", "Dangerous only", number((change) => change.dangers.length)),
        box("noise", "What says nothing", number((change) => change.noise)),
        box("whole", "Objects that come or leave with their application", number((change) => change.whole && !change.dangers.length)),
      ].filter(Boolean));
      strip.hidden = strip.childElementCount === 0;
      const visible = here.filter((change) => (!changeView.dangers || change.dangers.length)
        && (changeView.noise || !change.noise) && (changeView.whole || !change.whole || change.dangers.length));
      const byPlaces = new Map();
      for (const change of gathered(visible)) {
        const key = change.places.join();
        if (!byPlaces.has(key)) byPlaces.set(key, { places: change.places, changes: [] });
        byPlaces.get(key).changes.push(change);
      }
      groups = [...byPlaces.values()];
      made = 0;
      cards.replaceChildren();
      more();
      scroller.scrollTop = 0;
      nothing(cards, groups.length);
    };
    render();
    return { render };
  },
};
const openPlaces = (what, places) => open({ type: "slices", title: what, slices: places });
