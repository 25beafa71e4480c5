"use strict";
// Colours people with any colour vision tell apart (Okabe and Ito); the last is for "others".
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a600", "#888888"];
const SVG = "http://www.w3.org/2000/svg";

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function drawn(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

async function fetched(path) {
  const response = await fetch(path);
  const body = await response.json();
  if (!response.ok) throw new Error(body.error || response.statusText);
  return body;
}

function copied(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = element("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  return Promise.resolve();
}

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    await copied(button.previousElementSibling.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

function hit(row) {
  const made = element("div", undefined, "hit");
  made.append(element("strong", row.id));
  const has = row.encoders.length ? `embedded by ${row.encoders.join(", ")}` : "not embedded";
  const tokens = row.sources.length ? `; tokens of ${row.sources.join(", ")}` : "";
  made.append(element("p", `${row.length.toLocaleString("en")} residues; ${has}${tokens}`));
  made.append(element("code", row.sequence));
  return made;
}

// A search or an open map can be linked to: #store/q/TEXT, #store/task/NAME.
function remember(...words) {
  history.replaceState(null, "", "#" + words.map(encodeURIComponent).join("/"));
}

for (const form of document.querySelectorAll(".search")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const results = form.querySelector(".results");
    const store = form.closest(".store").dataset.store;
    const query = form.elements.q.value.trim();
    if (!query) { results.replaceChildren(); return; }
    if (query.length < 200) remember(store, "q", query);
    results.replaceChildren(element("p", "Searching …", "hint"));
    try {
      const { found } = await fetched(`/${encodeURIComponent(store)}/search?q=${encodeURIComponent(query)}`);
      const none = element("p", "Nothing here goes by that id, digest or sequence. Ids are matched whole.", "hint");
      results.replaceChildren(...(found.length ? found.map(hit) : [none]));
    } catch (problem) {
      results.replaceChildren(element("p", problem.message, "hint"));
    }
  });
}

function points(map) {
  const width = 560, height = 420, margin = 16;
  const svg = drawn("svg", { class: "points", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Map of ${map.points.length} proteins` });
  const xs = map.points.map((p) => p.x), ys = map.points.map((p) => p.y);
  const scale = (values, size) => {
    const low = Math.min(...values), high = Math.max(...values);
    return (v) => margin + (size - 2 * margin) * (high > low ? (v - low) / (high - low) : 0.5);
  };
  const x = scale(xs, width), y = scale(ys, height);
  const last = map.groups.indexOf("others");  // under everything else
  for (const point of [...map.points].sort((p, q) => (q.group === last) - (p.group === last))) {
    const circle = drawn("circle", { cx: x(point.x).toFixed(1), cy: (height - y(point.y)).toFixed(1),
      r: 3, fill: COLOURS[Math.min(point.group, COLOURS.length - 1)] });
    circle.append(drawn("title", {}, `${point.id} (${point.split}): ${map.groups[point.group]}`));
    svg.append(circle);
  }
  return svg;
}

function legend(map) {
  const list = element("ul", undefined, "legend");
  map.groups.forEach((name, i) => {
    const item = element("li");
    const dot = element("i");
    dot.style.background = COLOURS[Math.min(i, COLOURS.length - 1)];
    item.append(dot, name);
    list.append(item);
  });
  return list;
}

function bars(histogram) {
  const width = 560, height = 120, count = histogram.counts.length, each = width / count;
  const svg = drawn("svg", { class: "bars", viewBox: `0 -4 ${width} ${height + 26}`, role: "img",
    "aria-label": "Histogram of lengths" });
  const tallest = Math.max(...histogram.counts);
  histogram.counts.forEach((number, i) => {
    const tall = height * number / tallest;
    const bar = drawn("rect", { x: (i * each).toFixed(1), y: (height - tall).toFixed(1),
      width: Math.max(1, each - 1).toFixed(1), height: tall.toFixed(1) });
    const end = i + 1 < count ? histogram.edges[i + 1] : histogram.longest;
    bar.append(drawn("title", {}, `${histogram.edges[i]} to ${end} residues: ${number}`));
    svg.append(bar);
    if (i % Math.max(1, Math.floor(count / 6)) === 0)
      svg.append(drawn("text", { x: (i * each).toFixed(1), y: height + 16 }, histogram.edges[i]));
  });
  return svg;
}

function figure(drawing, caption) {
  const made = element("figure");
  made.append(drawing, element("figcaption", caption));
  return made;
}

async function draw(details) {
  const store = details.closest(".store").dataset.store;
  const task = details.closest(".task").dataset.task;
  const plm = details.querySelector("select").value;
  const drawing = details.querySelector(".drawing");
  remember(store, "task", task);
  drawing.replaceChildren(element("p", "Pooling embeddings …", "hint"));
  try {
    const query = new URLSearchParams({ task, plm });
    const map = await fetched(`/${encodeURIComponent(store)}/map?${query}`);
    const share = map.variance.map((v) => `${Math.round(100 * v)} %`).join(" and ");
    const drawnOf = map.points.length < map.of ? `${map.points.length} drawn of ${map.of}` : `all ${map.of}`;
    drawing.replaceChildren(
      figure(points(map), `Mean-pooled embeddings, first two principal components (${share} of the variance); ${drawnOf} proteins`),
      legend(map),
      figure(bars(map.histogram), `residues; median ${map.histogram.median}, longest ${map.histogram.longest} (in the last bar)`),
    );
  } catch (problem) {
    drawing.replaceChildren(element("p", problem.message, "hint"));
  }
}

for (const details of document.querySelectorAll(".map")) {
  let done = false;
  details.addEventListener("toggle", () => { if (details.open && !done) { done = true; draw(details); } });
  details.querySelector("select").addEventListener("change", () => draw(details));
}

function follow() {
  const [store, kind, what] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const section = [...document.querySelectorAll(".store")].find((s) => s.dataset.store === store);
  if (!section || !what) return;
  if (kind === "q") {
    const form = section.querySelector(".search");
    form.elements.q.value = what;
    form.requestSubmit();
  } else if (kind === "task") {
    const task = [...section.querySelectorAll(".task")].find((t) => t.dataset.task === what);
    const map = task && task.querySelector(".map");
    if (map) { map.open = true; task.scrollIntoView(); }
  }
}
window.addEventListener("hashchange", follow);
follow();
