// Texts of objects: YAML with its words told apart, and the lines in which two texts differ.

/** A line of YAML as nodes. */
function yamlLine(line) {
  const clear = clean(line);
  const match = /^(\s*(?:- )*)([^\s:#"'{[&*!|>-][^:#"']*|"(?:[^"\\]|\\.)*"|'[^']*')(:)(\s.*|)$/.exec(clear);
  if (!match) {
    const item = /^(\s*(?:- )+)(.*)$/.exec(clear);
    return item ? [item[1], valueNode(item[2])] : [clear || "\u200b"];
  }
  return [match[1], h("span", { class: "key" }, match[2]), match[3], valueNode(match[4])];
}

function valueNode(text) {
  const value = text.trim();
  if (!value) return text;
  if (/^(-?\d+(\.\d+)?|true|false|null|~)$/.test(value)) return h("span", { class: "number-value" }, text);
  if (/^#/.test(value)) return h("span", { class: "comment" }, text);
  return h("span", { class: "string" }, text);
}

const linesOf = (text) => {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
};

/** The edits from one list of lines to another (Myers), as [sign, line] with sign " ", "-" or "+". */
function edits(a, b) {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const x = a.slice(start, a.length - end);
  const y = b.slice(start, b.length - end);
  const same = (lines) => lines.map((line) => [" ", line]);
  return [...same(a.slice(0, start)), ...middle(x, y), ...same(end ? a.slice(a.length - end) : [])];
}

const FARTHEST = 1200;
function middle(x, y) {
  const whole = () => [...x.map((line) => ["-", line]), ...y.map((line) => ["+", line])];
  if (!x.length || !y.length) return whole();
  const most = Math.min(x.length + y.length, FARTHEST);
  let ends = new Map([[1, 0]]);
  const trace = [];
  for (let d = 0; d <= most; d++) {
    trace.push(new Map(ends));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (ends.get(k - 1) ?? -1) < (ends.get(k + 1) ?? -1));
      let at = down ? ends.get(k + 1) ?? 0 : (ends.get(k - 1) ?? 0) + 1;
      while (at < x.length && at - k < y.length && x[at] === y[at - k]) at++;
      ends.set(k, at);
      if (at >= x.length && at - k >= y.length) return walked(trace, x, y);
    }
  }
  return whole();
}

function walked(trace, x, y) {
  const found = [];
  let [i, j] = [x.length, y.length];
  for (let d = trace.length - 1; d >= 0; d--) {
    const ends = trace[d];
    const k = i - j;
    const down = k === -d || (k !== d && (ends.get(k - 1) ?? -1) < (ends.get(k + 1) ?? -1));
    const from = down ? k + 1 : k - 1;
    const at = d === 0 ? 0 : ends.get(from) ?? 0;
    const to = d === 0 ? 0 : at - from;
    while (i > at && j > to && i > 0 && j > 0 && x[i - 1] === y[j - 1]) { found.push([" ", x[--i]]); j--; }
    if (d > 0) found.push(down ? ["+", y[--j]] : ["-", x[--i]]);
  }
  // Of lines that replace others, those that go come first.
  const forward = found.reverse();
  return forward;
}

/** Two texts as one, with `around` lines before and after what differs; the others open when they are asked for. */
function diffNode(before, after, around = 3) {
  const all = edits(linesOf(before), linesOf(after));
  const near = new Uint8Array(all.length);
  all.forEach(([sign], at) => {
    if (sign !== " ") near.fill(1, Math.max(0, at - around), Math.min(all.length, at + around + 1));
  });
  const line = ([sign, text], marks) => {
    const tone = sign === "+" ? "plus-line" : sign === "-" ? "minus-line" : "";
    const said = sign === "+" ? "added: " : sign === "-" ? "removed: " : "";
    return h("div", { class: `l ${tone}` }, h("span", { class: "n" }), h("span", {}, said && h("span", { class: "unseen" }, said), marks ?? yamlLine(text)));
  };
  const node = h("div", { class: "code bare diff" });
  for (let at = 0; at < all.length;) {
    if (!near[at]) {
      const begin = at;
      while (at < all.length && !near[at]) at++;
      const hiddenLines = all.slice(begin, at);
      const gap = h("button", { type: "button", class: "gap", onclick: () => gap.replaceWith(...hiddenLines.map((one) => line(one))) }, `⋯ ${plural(hiddenLines.length, "equal line")}`);
      node.append(gap);
      continue;
    }
    // One line that became another: the words that differ are marked.
    const [now, next, behind] = [all[at], all[at + 1], all[at + 2]];
    if (now[0] === "-" && next?.[0] === "+" && behind?.[0] !== "+" && all[at - 1]?.[0] !== "-") {
      const [gone, come] = wordMarks(now[1], next[1]);
      node.append(line(now, [...gone.childNodes]), line(next, [...come.childNodes]));
      at += 2;
      continue;
    }
    node.append(line(now));
    at++;
  }
  if (!all.some(([sign]) => sign !== " ")) node.append(h("p", { class: "empty" }, "The texts are the same."));
  return node;
}
