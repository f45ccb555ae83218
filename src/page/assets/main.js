// Starting, the views, the keyboard, themes and paper.

let view = null;
let running = null;

function showTabs() {
  $("tabs").replaceChildren(...views.map((one, at) => h("button", {
    type: "button", role: "tab", id: `view-${one.id}`, "aria-selected": String(one === view), "aria-controls": "panel",
    tabindex: one === view ? "0" : "-1", "aria-keyshortcuts": String(at + 1), onclick: () => go(one, true),
  }, one.title, h("span", { class: "number" }, count(one.number())))));
  $("panel").setAttribute("aria-labelledby", `view-${view.id}`);
}

function go(one, focus) {
  if (view !== one) {
    running?.end?.();
    view = one;
    running = one.show($("panel"));
  }
  showTabs();
  remember();
  if (focus) $(`view-${one.id}`).focus();
}

/** Arrow keys in a list of tabs. */
function arrows(event, ids, now, choose) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  choose(ids[(ids.indexOf(now) + step + ids.length) % ids.length]);
}

/** The address says what is shown, so that it can be kept and sent. */
function remember() {
  const parts = new URLSearchParams();
  if (view && view !== views[0]) parts.set("view", view.id);
  if ($("search").value) parts.set("q", $("search").value);
  for (const facet of facets) {
    if (facet.chosen.size) parts.set(facet.id, [...facet.chosen].map((value) => facet.names[value]).join("|"));
  }
  const top = stack.findLast((panel) => panel.type === "slice" || panel.type === "object");
  if (top?.slice !== undefined) {
    parts.set("cluster", siteOf(top.slice).name);
    parts.set("app", nameOf(top.slice));
    if (top.type === "object") {
      const object = contents[top.content][top.at];
      parts.set("object", `${fullKind(object)}/${fullName(object)}`);
      if (top.tab) parts.set("tab", top.tab);
    }
  }
  const text = parts.toString();
  try { history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search); } catch { /* where addresses may not change */ }
}

function recall() {
  const parts = new URLSearchParams(location.hash.slice(1));
  $("search").value = parts.get("q") ?? "";
  for (const facet of facets) {
    const names = parts.get(facet.id)?.split("|") ?? [];
    facet.chosen = new Set(names.map((name) => facet.names.indexOf(name)).filter((at) => at >= 0));
  }
  const [cluster, app, wanted] = [parts.get("cluster"), parts.get("app"), parts.get("object")];
  const slice = app === null ? -1 : S.name.findIndex((name, at) => texts[name] === app && siteOf(at).name === cluster);
  if (slice >= 0) {
    stack = [{ type: "slice", slice }];
    for (const content of [S.after[slice], S.before[slice]]) {
      const at = objectsOf(content).findIndex((object) => `${fullKind(object)}/${fullName(object)}` === wanted);
      if (at >= 0 && stack.length === 1) stack.push({ type: "object", slice, content, at, tab: parts.get("tab") ?? "yaml" });
    }
  }
  return views.find((one) => one.id === parts.get("view")) ?? views[0];
}

function switchTheme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
}

function keyboard(event) {
  const typing = event.target.matches?.("input[type=search], select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  if (event.key === "Escape") {
    if (stack.length) { event.preventDefault(); closeInspector(); }
    else if ($("search").value) { $("search").value = ""; filter(); $("search").focus(); }
    else if (typing) event.target.blur();
    return;
  }
  if (typing) {
    if (event.key === "ArrowDown" && event.target.id === "search") {
      event.preventDefault();
      ($("panel").querySelector('[data-cell][tabindex="0"]') ?? $("panel").querySelector("button"))?.focus();
    }
    return;
  }
  if (event.key === "/") { event.preventDefault(); $("search").focus(); $("search").select(); }
  else if (event.key === "?") $("keys").showModal();
  else if (event.key === "t") switchTheme();
  else if (event.key === "Backspace" && stack.length) { event.preventDefault(); if (stack.length > 1) back(); else closeInspector(); }
  else if (/^[1-9]$/.test(event.key) && views[event.key - 1]) go(views[event.key - 1], true);
}

/** What the columns of the map were before they had to fit on paper. */
let ungrouped = null;
const ACROSS_PAPER = 22;

function paper(on) {
  if (printing === on) return;
  printing = on;
  const [label] = groupingLabels();
  if (on && view.id === "map" && !grouping && label && new Set(shown.map((slice) => S.site[slice])).size > ACROSS_PAPER) {
    ungrouped = grouping;
    grouping = label;
  } else if (!on && ungrouped !== null) {
    grouping = ungrouped;
    ungrouped = null;
  }
  running?.render?.();
}

async function start() {
  await load();
  $("summary").title = data.summary;
  $("facts").replaceChildren(...[...data.facts, ["made by", data.tool]].map(([name, value]) => h("div", {}, h("dt", {}, clean(name)), h("dd", {}, clean(value)))));
  $("remarks").replaceChildren(...data.remarks.map(([tone, text]) => h("li", { class: `remark ${tone}` }, clean(text))));
  $("remarks").hidden = data.remarks.length === 0;
  if (data.subject !== "fleet") views.unshift(changeView);
  views.push(applicationView, objectView);
  makeFacets();
  const first = recall();
  filter();
  go(first, false);
  listeners.push(() => { running?.render?.(); showTabs(); remember(); });
  if (stack.length) showInspector(false);

  let timer;
  $("search").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, slices() > 2000 ? 120 : 30); });
  $("find").addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); filter(); });
  $("tabs").addEventListener("keydown", (event) => arrows(event, views.map((one) => one.id), view.id, (id) => go(views.find((one) => one.id === id), true)));
  $("theme").addEventListener("click", switchTheme);
  $("keys-button").addEventListener("click", () => $("keys").showModal());
  $("facts-button").addEventListener("click", (event) => {
    $("facts").hidden = !$("facts").hidden;
    event.target.setAttribute("aria-expanded", String(!$("facts").hidden));
  });
  document.addEventListener("keydown", keyboard);
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
  document.documentElement.dataset.ready = "true";
  performance.mark("ready");
}

start().catch((error) => {
  document.documentElement.dataset.ready = "failed";
  $("panel").replaceChildren(h("p", { class: "empty" }, `The data of this report cannot be read: ${error.message}`));
  throw error;
});
