// The data of the page: unpacks the index, and blocks of objects when they are asked for. Makes nodes from texts, never markup.

const $ = (id) => document.getElementById(id);

/** A node: h("p", { class: "soft", onclick }, "text", child). Properties with a dash and role are attributes. */
function h(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

const count = (number) => number.toLocaleString("en-US");
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

/** A text whose order nobody can turn around, and in which nothing is hidden. */
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const clean = (text) => text.replace(hidden, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

/** What a block of the page holds: JSON, deflated, in base64. */
async function unpacked(id) {
  const text = $(id).textContent;
  let bytes;
  if (Uint8Array.fromBase64) bytes = Uint8Array.fromBase64(text);
  else {
    const binary = atob(text);
    bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  }
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

let data, texts, lists, S, sites;
/** By content: its objects. */
let contents = [];

async function load() {
  data = await unpacked("index");
  ({ texts, lists } = data);
  S = data.slices;
  sites = data.sites.map(([name, server, version, labels]) => {
    const pairs = [];
    for (let at = 0; at < labels.length; at += 2) pairs.push([texts[labels[at]], texts[labels[at + 1]]]);
    return { name: texts[name], server: texts[server], version: texts[version], labels: new Map(pairs) };
  });
  contents = data.contents.map((flat) => {
    const objects = [];
    for (let at = 0; at < flat.length; at += 7) {
      objects.push({
        kind: texts[flat[at]], group: texts[flat[at + 1]], namespace: texts[flat[at + 2]], name: texts[flat[at + 3]],
        document: flat[at + 4], images: lists[flat[at + 5]].map((text) => texts[text]), origin: flat[at + 6],
      });
    }
    return objects;
  });
  for (const change of data.changes) {
    const places = [];
    for (let at = 0; at < change.places.length; at += 2) {
      for (let next = 0; next < change.places[at + 1]; next++) places.push(change.places[at] + next);
    }
    change.places = places;
  }
}

const slices = () => S.site.length;
const siteOf = (slice) => sites[S.site[slice]];
const nameOf = (slice) => texts[S.name[slice]];
const statusOf = (slice) => data.statuses[S.status[slice]];
/** What an application consists of; what it was, where it leaves. */
const contentOf = (slice) => (S.after[slice] >= 0 ? S.after[slice] : S.before[slice]);
const objectsOf = (content) => (content >= 0 ? contents[content] : []);
const fullKind = (object) => (object.group ? `${object.kind}.${object.group}` : object.kind);
const fullName = (object) => (object.namespace ? `${object.namespace}/${object.name}` : object.name);
const sameObject = (a, b) => a.kind === b.kind && a.group === b.group && a.namespace === b.namespace && a.name === b.name;

/** The text of an object, and where it came from where that is known. */
async function textOf(object) {
  const [text, origin] = await Promise.all([documentOf(object.document), object.origin >= 0 ? documentOf(object.origin) : null]);
  return { y: text, ...origin };
}

/** Blocks that were unpacked, the last few of them. */
const opened = new Map();
async function documentOf(number) {
  let block = data.blocks.length - 1;
  while (block > 0 && data.blocks[block] > number) block--;
  if (!opened.has(block)) {
    opened.set(block, unpacked(`block-${block}`));
    if (opened.size > 12) opened.delete(opened.keys().next().value);
  }
  return (await opened.get(block))[number - data.blocks[block]];
}
