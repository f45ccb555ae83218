// Rows of which only those in view are nodes. One of them takes part in the order of the Tab key; arrows move it.

/** On paper everything is shown, up to so many rows. */
const MOST_ON_PAPER = 1500;
let printing = false;

/**
 * `scroller` scrolls, `spacer` has the height of all rows, `make(row)` makes one; its cells that can be focused have the attribute
 * data-cell. `extra` is called with the range when it changes.
 */
function virtual({ scroller, spacer, height, offset = 0, number, make, open }) {
  const made = new Map();
  let row = 0;
  let cell = 0;
  let pending = false;

  function draw() {
    pending = false;
    const total = number();
    spacer.style.height = `${offset + total * height}px`;
    let first = Math.max(0, Math.floor((scroller.scrollTop - offset) / height) - 6);
    let last = Math.min(total, Math.ceil((scroller.scrollTop + scroller.clientHeight) / height) + 6);
    if (printing) [first, last] = [0, Math.min(total, MOST_ON_PAPER)];
    for (const [at, node] of made) {
      // The row that has the focus stays, or the keyboard would lose it.
      if ((at < first || at >= last) && !node.contains(document.activeElement)) {
        node.remove();
        made.delete(at);
      }
    }
    let before = null;
    for (let at = first; at < last; at++) {
      let node = made.get(at);
      if (!node) {
        node = make(at);
        node.setAttribute("aria-rowindex", String(at + 2));
        node.style.transform = printing ? "" : `translateY(${offset + at * height}px)`;
        node.dataset.row = String(at);
        made.set(at, node);
        // In the order of reading, for those who hear the page.
        if (before?.nextSibling) spacer.insertBefore(node, before.nextSibling);
        else spacer.append(node);
      }
      before = node;
    }
    settle();
  }

  const cells = (node) => (node.hasAttribute("data-cell") ? [node] : [...node.querySelectorAll("[data-cell]")]);

  /** Exactly one cell can be reached with Tab. */
  function settle() {
    const total = number();
    if (row >= total) row = Math.max(0, total - 1);
    let target = made.get(row);
    if (!target && made.size) { row = Math.min(...made.keys()); target = made.get(row); }
    for (const node of spacer.querySelectorAll('[data-cell][tabindex="0"]')) node.setAttribute("tabindex", "-1");
    if (!target) return;
    const of = cells(target);
    of[Math.min(cell, of.length - 1)]?.setAttribute("tabindex", "0");
  }

  function move(to, column) {
    row = Math.max(0, Math.min(number() - 1, to));
    const top = offset + row * height;
    if (top < scroller.scrollTop + offset) scroller.scrollTop = Math.max(0, top - offset);
    else if (top + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + height - scroller.clientHeight;
    draw();
    const of = cells(made.get(row));
    cell = Math.max(0, Math.min(of.length - 1, column));
    settle();
    of[cell]?.focus({ preventScroll: true });
    of[cell]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function key(event) {
    const node = event.target.closest("[data-row]");
    if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = Number(node.dataset.row);
    const of = cells(node);
    const now = Math.max(0, of.indexOf(event.target.closest("[data-cell]")));
    const page = Math.max(1, Math.floor(scroller.clientHeight / height) - 2);
    const moves = {
      ArrowDown: [at + 1, now], ArrowUp: [at - 1, now], ArrowRight: [at, now + 1], ArrowLeft: [at, now - 1],
      PageDown: [at + page, now], PageUp: [at - page, now], Home: [event.ctrlKey ? 0 : at, 0], End: [at, of.length - 1],
    };
    if (of.length === 1) { moves.Home = [0, 0]; moves.End = [number() - 1, 0]; }
    if (moves[event.key]) {
      event.preventDefault();
      move(...moves[event.key]);
    } else if ((event.key === "Enter" || event.key === " ") && open && event.target.tagName !== "BUTTON") {
      event.preventDefault();
      open(at);
    }
  }

  spacer.addEventListener("keydown", key);
  spacer.addEventListener("focusin", (event) => {
    const node = event.target.closest("[data-row]");
    if (!node) return;
    row = Number(node.dataset.row);
    cell = Math.max(0, cells(node).indexOf(event.target.closest("[data-cell]")));
    settle();
  });
  scroller.addEventListener("scroll", () => {
    if (!pending) { pending = true; requestAnimationFrame(draw); }
  }, { passive: true });
  const observer = new ResizeObserver(() => { if (!pending) { pending = true; requestAnimationFrame(draw); } });
  observer.observe(scroller);
  return {
    draw,
    /** Makes all rows anew. */
    refresh() {
      const inside = spacer.contains(document.activeElement);
      for (const node of made.values()) node.remove();
      made.clear();
      draw();
      if (inside) spacer.querySelector('[data-cell][tabindex="0"]')?.focus({ preventScroll: true });
    },
    end() { observer.disconnect(); },
  };
}
