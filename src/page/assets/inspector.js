// The details beside a view: applications of a cell, one application, a cluster, an object with its text, its difference and the place of
// every line. They are stacked; the crumbs lead back.

let stack = [];
/** What had the focus before the details were opened. */
let opener = null;

/** Opens something in place of what was opened from the same view; `behind` stand in front of it. */
function open(...panels) {
  if (!stack.length) opener = document.activeElement;
  const inside = $("inspector").contains(document.activeElement);
  stack = inside ? [...stack, ...panels] : panels;
  showInspector(true);
}

function back(number = 1) {
  stack = stack.slice(0, Math.max(0, stack.length - number));
  showInspector(true);
}

function closeInspector() {
  stack = [];
  showInspector(false);
  if (opener?.isConnected) opener.focus();
  else $("panel").querySelector('[data-cell][tabindex="0"]')?.focus();
}

const TITLES = {
  slices: (panel) => panel.title,
  slice: (panel) => nameOf(panel.slice),
  cluster: (panel) => sites[panel.site].name,
  versions: (panel) => panel.row.object.name,
  object: (panel) => contents[panel.content][panel.at].name,
};

async function showInspector(focus) {
  const inspector = $("inspector");
  inspector.hidden = stack.length === 0;
  $("body").classList.toggle("open", stack.length > 0);
  remember();
  if (!stack.length) return;
  const panel = stack.at(-1);
  const crumbs = stack.map((one, at) => {
    const title = clean(TITLES[one.type](one));
    const last = at === stack.length - 1;
    return h("li", {}, last ? h("span", { "aria-current": "true" }, title) : h("button", { type: "button", class: "link", onclick: () => back(stack.length - 1 - at) }, title));
  });
  const inside = h("div", { class: "inside", tabindex: "-1" });
  inspector.replaceChildren(
    h("div", { class: "crumbs" }, h("ol", { "aria-label": "Path" }, crumbs),
      h("button", { type: "button", class: "icon", "aria-label": "Close the details", title: "Close (Esc)", onclick: closeInspector }, "✕")),
    inside);
  if (focus) inside.focus({ preventScroll: true });
  inside.append(...(await PANELS[panel.type](panel)));
}

const section = (title, ...nodes) => h("section", {}, h("h3", {}, title), ...nodes);
const about = (pairs) => h("dl", { class: "about" }, pairs.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
const heading = (title, small) => h("h2", {}, clean(title), small && h("small", {}, small));

const SOME = 400;
/** A list of buttons, the first few hundred. */
function items(list, make) {
  const node = h("ul", { class: "items" }, list.slice(0, SOME).map((one) => h("li", {}, make(one))));
  if (list.length > SOME) {
    const more = h("button", { type: "button", onclick: () => more.parentNode.replaceWith(...list.slice(SOME).map((one) => h("li", {}, make(one)))) }, `${count(list.length - SOME)} more`);
    node.append(h("li", {}, more));
  }
  return node;
}

const sliceButton = (slice) => h("button", { type: "button", onclick: () => open({ type: "slice", slice }) },
  h("span", { class: "text" }, clean(nameOf(slice)), h("span", { class: "kind" }, " on ", clean(siteOf(slice).name))),
  h("span", {}, S.danger[slice] ? h("span", { class: "badge danger" }, "danger") : "", badge(statusOf(slice))));

const objectButton = (object, target, tail) => h("button", { type: "button", onclick: () => open(target) },
  h("span", { class: "text" }, h("span", { class: "kind" }, clean(fullKind(object)), " "), clean(fullName(object))), tail ?? "");

const PANELS = {
  /** Applications, by what they consist of or how they stand. */
  slices({ title, slices }) {
    const groups = new Map();
    for (const slice of slices) {
      const key = data.subject === "fleet" ? contentOf(slice) : S.status[slice];
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(slice);
    }
    const sorted = [...groups].sort((a, b) => (data.subject === "fleet" ? b[1].length - a[1].length : a[0] - b[0]));
    const clusters = new Set(slices.map((slice) => S.site[slice])).size;
    return [
      heading(title, `${plural(slices.length, "application")} on ${plural(clusters, "cluster")}`),
      ...sorted.map(([key, of], at) => {
        const name = data.subject === "fleet" ? `Render ${at + 1}` : data.statuses[key][0];
        return section(`${name} · ${plural(of.length, "application")}`, items(of, sliceButton));
      }),
    ];
  },

  cluster({ site }) {
    const of = shown.filter((slice) => S.site[slice] === site);
    const { name, server, version, labels } = sites[site];
    return [
      heading(name, "cluster"),
      about([["Server", clean(server)], ["Kubernetes", clean(version)]]),
      labels.size > 0 && section("Labels", h("ul", { class: "labels" }, [...labels].map(([key, value]) => h("li", {}, clean(`${key}=${value}`))))),
      section(plural(of.length, "application"), items(of, sliceButton)),
    ].filter(Boolean);
  },

  slice({ slice }) {
    const [word] = statusOf(slice);
    const here = data.changes.filter((change) => change.places.includes(slice));
    const [before, after] = [objectsOf(S.before[slice]), objectsOf(S.after[slice])];
    const gone = data.subject === "diff" ? before.filter((object) => !after.some((other) => sameObject(object, other))) : [];
    const state = (object) => {
      if (data.subject !== "diff" || S.before[slice] === S.after[slice]) return null;
      const old = before.find((other) => sameObject(object, other));
      if (!old) return badge(["added", "plus"]);
      return old.document === object.document ? null : badge(["changed", "change"]);
    };
    const sources = lists[S.sources[slice]].map((source) => lists[source].map((text) => texts[text]));
    const made = lists[S.made[slice]].map((text) => texts[text]);
    const chain = [];
    for (let at = 0; at < made.length; at += 2) chain.push([made[at], made[at + 1]]);
    return [
      heading(nameOf(slice), h("span", {}, "on ", h("button", { type: "button", class: "link", onclick: () => open({ type: "cluster", site: S.site[slice] }) }, clean(siteOf(slice).name)))),
      ...lists[S.notes[slice]].map((note) => h("p", { class: "note" }, clean(texts[note]))),
      about([
        ["Status", badge(statusOf(slice))], ["Project", clean(texts[S.project[slice]])], ["Namespace", clean(texts[S.namespace[slice]])],
        ...sources.flatMap(([url, path, revision, resolved]) => [["Source", clean(url)], ["Path", clean(path)], ["Revision", clean(resolved && resolved !== revision ? `${revision} (${resolved})` : revision)]]),
      ]),
      here.length > 0 && section(`${plural(here.length, "change")}`, h("div", { class: "items" }, here.slice(0, 50).map(changeNode))),
      (after.length > 0 || gone.length > 0) && section(plural(after.length, "object"),
        h("ul", { class: "items" },
          after.map((object, at) => h("li", {}, objectButton(object, { type: "object", slice, content: S.after[slice], at }, state(object)))),
          gone.map((object) => h("li", {}, objectButton(object, { type: "object", slice, content: S.before[slice], at: before.indexOf(object), tab: "diff" }, badge(["removed", "minus"])))))),
      chain.length > 0 && section("Declared by", h("ol", { class: "chain" }, chain.map(([what, place]) => h("li", {}, h("span", {}, clean(what)), h("span", { class: "place" }, clean(place)))))),
      word === "failed" && after.length === 0 && h("p", { class: "soft" }, "Its objects are not known."),
    ].filter(Boolean);
  },

  /** One object whose texts differ between applications. */
  versions({ row }) {
    const documents = [...row.documents.values()].sort((a, b) => b.places - a.places);
    return [
      heading(row.object.name, `${fullKind(row.object)}${row.object.namespace ? ` in ${clean(row.object.namespace)}` : ""}: ${plural(documents.length, "version")} in ${plural(row.places, "application")}`),
      section("Versions, the most frequent first", items(documents, (document) => {
        const slice = sliceWith(document.contents);
        return objectButton(contents[document.content][document.at], { type: "object", content: document.content, at: document.at, slice, base: documents[0] !== document ? documents[0] : undefined },
          h("span", { class: "kind" }, `${plural(document.places, "application")}, such as ${clean(nameOf(slice))}`));
      })),
    ];
  },

  object: objectPanel,
};

/** What an object was: the same name, else the same name but for a hash, else another version that it is compared with. */
function earlier(panel) {
  const object = contents[panel.content][panel.at];
  if (panel.base) return { object: contents[panel.base.content][panel.base.at], words: "the most frequent version" };
  if (data.subject !== "diff" || panel.slice === undefined) return null;
  const [before, after] = [S.before[panel.slice], S.after[panel.slice]];
  if (panel.content === before && panel.content !== after) return { object: null, words: "" };
  const old = objectsOf(before);
  const stem = (name) => name.replace(/-[2456789bcdfghkmt]{10}$/, "");
  const found = old.find((other) => sameObject(object, other))
    ?? old.find((other) => other.kind === object.kind && other.namespace === object.namespace && stem(other.name) === stem(object.name) && stem(object.name) !== object.name);
  return { object: found ?? null, words: "before" };
}

async function objectPanel(panel) {
  const object = contents[panel.content][panel.at];
  const own = await textOf(object);
  const old = earlier(panel);
  const removed = data.subject === "diff" && panel.slice !== undefined && S.after[panel.slice] !== panel.content;
  const tabs = [["yaml", "YAML"]];
  if (old) tabs.push(["diff", old.words === "the most frequent version" ? "Compared with the most frequent" : "Diff"]);
  if (own.s) tabs.push(["steps", "Where it came from"]);
  const wanted = tabs.some(([id]) => id === panel.tab) ? panel.tab : "yaml";
  const body = h("div", { role: "tabpanel", id: "object-body", "aria-label": "Object" });
  const bar = h("div", { class: "object-tabs", role: "tablist", "aria-label": "Object" });
  async function show(id, focus) {
    panel.tab = id;
    bar.replaceChildren(...tabs.map(([tab, title]) => h("button", {
      type: "button", role: "tab", id: `tab-${tab}`, "aria-selected": String(tab === id), "aria-controls": "object-body", tabindex: tab === id ? "0" : "-1",
      onclick: () => show(tab, true),
    }, title)), h("button", { type: "button", class: "right link", onclick: (event) => copy(own.y, event.target) }, "Copy"));
    if (focus) $(`tab-${id}`).focus();
    if (id === "yaml") body.replaceChildren(...yamlNodes(own));
    else if (id === "steps") body.replaceChildren(stepsNode(own));
    else if (removed) body.replaceChildren(diffNode(own.y, ""));
    else body.replaceChildren(diffNode(old.object ? await documentOf(old.object.document) : "", own.y));
    remember();
  }
  bar.addEventListener("keydown", (event) => arrows(event, tabs.map(([id]) => id), panel.tab, (id) => show(id, true)));
  const places = shown.filter((slice) => objectsOf(contentOf(slice)).some((other) => other.document === object.document));
  const others = places.length > 1 && h("button", {
    type: "button", class: "link", onclick: () => open({ type: "slices", title: fullName(object), slices: places }),
  }, `the same in ${plural(places.length, "application")}`);
  const where = panel.slice !== undefined && h("span", {}, `${clean(fullKind(object))} of ${clean(nameOf(panel.slice))} on ${clean(siteOf(panel.slice).name)}`, others ? " · " : "", others);
  const result = [
    heading(fullName(object), where || clean(fullKind(object))),
    object.images.length > 0 && about([["Images", clean(object.images.join(", "))]]),
    removed && h("p", { class: "note" }, "It is no longer there afterwards."),
    bar, body,
  ].filter(Boolean);
  await show(wanted, false);
  return result;
}

async function copy(text, button) {
  try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { button.textContent = "Not allowed"; }
}

/** By line: the number of its step, its file and its line there. */
function origins(own) {
  const found = [];
  let line = 0;
  for (let at = 0; own.l && at < own.l.length; at += 3) {
    const [step, file, difference] = [own.l[at], own.l[at + 1], own.l[at + 2]];
    if (file) line += difference;
    found.push({ step, file: file ? own.f[file - 1] : "", line });
  }
  return found;
}

const shortFile = (file) => {
  const parts = file.split("/");
  return parts.length > 2 ? `…/${parts.slice(-2).join("/")}` : file;
};
/** A place without its column. */
const shortPlace = (place) => shortFile(place.replace(/^(.*:\d+):\d+$/, "$1"));

const CHUNK = 200;
/** The text line by line, each with where it came from. */
function yamlNodes(own) {
  const lines = linesOf(own.y);
  const places = origins(own);
  const code = h("div", { class: places.length ? "code" : "code bare" });
  const detail = h("div", { class: "where-from", hidden: true, role: "status" });
  let chosen = null;
  let chunk;
  lines.forEach((text, at) => {
    if (at % CHUNK === 0) {
      chunk = h("div", { class: "chunk" });
      chunk.style.containIntrinsicSize = `auto ${Math.min(CHUNK, lines.length - at) * 18}px`;
      code.append(chunk);
    }
    const number = h("span", { class: "n", "aria-hidden": "true" }, String(at + 1));
    const content = h("span", {}, yamlLine(text));
    const place = places[at];
    if (!place?.step) {
      chunk.append(h("div", { class: "l" }, number, content));
      return;
    }
    const last = places[at - 1];
    const step = own.s[place.step - 1];
    const made = place.step > 1;
    const same = last && last.step === place.step && last.file === place.file;
    const label = made ? step[0] : "";
    const where = place.file ? `${same ? "" : shortFile(place.file)}:${place.line}` : same ? "" : shortPlace(step[1]);
    const from = [same ? "" : label, where].filter(Boolean).join(" · ");
    const tone = made ? (/^(tracking mark|destination namespace|bundling)$/.test(step[0]) ? "bundle" : "step") : "";
    const row = h("button", {
      type: "button", class: "l", "aria-pressed": "false", tabindex: at === 0 ? "0" : "-1",
      onclick: () => {
        chosen?.setAttribute("aria-pressed", "false");
        const again = chosen === row;
        chosen = again ? null : row;
        if (!again) row.setAttribute("aria-pressed", "true");
        detail.hidden = again;
        detail.replaceChildren(h("strong", { class: "mono" }, clean(text.trim())),
          h("span", {}, place.file ? `written in ${clean(place.file)}:${place.line}` : "made, not written"),
          h("span", { class: "soft" }, `${made ? "by" : "from"} ${clean(step[0])}${step[1] ? `, ${clean(step[1])}` : ""}`));
      },
    }, number, content, h("span", { class: `from ${tone}`, title: clean([label, place.file ? `${place.file}:${place.line}` : step[1]].filter(Boolean).join(" · ")) }, clean(from)));
    chunk.append(row);
  });
  code.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const rows = step && [...code.querySelectorAll("button.l")];
    const next = rows?.[rows.indexOf(event.target) + step];
    if (!next) return;
    event.preventDefault();
    event.target.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
  return [code, detail];
}

/** What made the object, in order. */
function stepsNode(own) {
  return h("ol", { class: "steps" }, own.s.map(([what, place, changes]) => h("li", {},
    h("div", { class: "line" }, h("span", {}, clean(what)), h("span", { class: "place" }, clean(place))),
    changes.length > 0 && h("div", { class: "fields" }, changes.map(fieldNode)))));
}
