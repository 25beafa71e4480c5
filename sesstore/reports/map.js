"use strict";
(() => {
  const data = JSON.parse(document.getElementById("proteins").textContent);
  const count = data.ids.length;
  const get = (id) => document.getElementById(id);
  const canvas = get("canvas"), pen = canvas.getContext("2d"), tip = get("tip");
  // Colours people with any colour vision tell apart (Okabe and Ito); grey is for all others.
  const CLASSES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a600"];
  const OTHERS = "#888888", NOTHING = "#bbbbbb";
  // Five points of viridis: light is high.
  const SCALE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const LISTED = 200;
  let view = { x: 0, y: 0, zoom: 1 }, selected = new Set(), marked = -1, colours = [], path = null;

  const create = (name, text) => {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const shown = (value) => (Number.isInteger(value) ? value.toLocaleString("en") : Number(value.toPrecision(4)).toString());
  const valueOf = (column, i) => {
    if (column.words) return column.codes[i] < 0 ? null : column.words[column.codes[i]];
    return column.numbers[i];
  };

  function colourOf(share) {
    const place = Math.min(Math.max(share, 0), 1) * (SCALE.length - 1), low = Math.min(Math.floor(place), SCALE.length - 2);
    const mix = SCALE[low].map((part, k) => Math.round(part + (SCALE[low + 1][k] - part) * (place - low)));
    return `rgb(${mix.join(",")})`;
  }

  function paint() {
    const column = data.columns[get("colour").value], legend = get("legend");
    legend.replaceChildren();
    const item = (colour, text) => {
      const entry = create("li"), dot = create("i");
      dot.style.background = colour;
      entry.append(dot, text);
      legend.append(entry);
    };
    if (column.words) {
      const sizes = column.words.map(() => 0);
      for (const code of column.codes) if (code >= 0) sizes[code] += 1;
      const order = [...sizes.keys()].sort((a, b) => sizes[b] - sizes[a]);
      const frequent = order.slice(0, CLASSES.length);
      const of = column.words.map(() => OTHERS);
      frequent.forEach((code, k) => { of[code] = CLASSES[k]; item(CLASSES[k], `${column.words[code]} (${shown(sizes[code])})`); });
      const rest = order.slice(CLASSES.length);
      if (rest.length) item(OTHERS, `${shown(rest.length)} others (${shown(rest.reduce((sum, code) => sum + sizes[code], 0))})`);
      const none = column.codes.filter((code) => code < 0).length;
      if (none) item(NOTHING, `nothing known (${shown(none)})`);
      colours = column.codes.map((code) => (code < 0 ? NOTHING : of[code]));
    } else {
      const numbers = column.numbers.filter((value) => value !== null).sort((a, b) => a - b);
      // Ends beyond the 2nd and 98th percentile would leave little colour to the rest.
      const at = (share) => numbers[Math.round(share * (numbers.length - 1))];
      const low = at(0.02), high = at(0.98), width = high - low || 1;
      colours = column.numbers.map((value) => (value === null ? NOTHING : colourOf((value - low) / width)));
      const entry = create("li"), bar = create("i");
      bar.className = "scale";
      bar.style.background = `linear-gradient(90deg, ${[0, 1, 2, 3, 4].map((k) => colourOf(k / 4)).join(",")})`;
      entry.append(`${shown(low)} `, bar, ` ${shown(high)}`);
      legend.append(entry);
      const none = count - numbers.length;
      if (none) item(NOTHING, `nothing known (${shown(none)})`);
    }
    draw();
  }

  const span = (values) => {
    let low = Infinity, high = -Infinity;
    for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
    return [low, high > low ? high : low + 1];
  };
  const [left, right] = span(data.x), [bottom, top] = span(data.y);
  const MARGIN = 24;
  function place(i) {
    const width = canvas.clientWidth - 2 * MARGIN, height = canvas.clientHeight - 2 * MARGIN;
    const x = MARGIN + width * (data.x[i] - left) / (right - left);
    const y = MARGIN + height * (top - data.y[i]) / (top - bottom);
    return [(x - view.x) * view.zoom, (y - view.y) * view.zoom];
  }

  function draw() {
    const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const size = Math.max(2, Math.min(8, 90 / Math.sqrt(count) + 2)) * Math.min(view.zoom, 3) ** 0.3;
    const some = selected.size > 0;
    for (let i = 0; i < count; i += 1) {
      const [x, y] = place(i);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      pen.globalAlpha = some && !selected.has(i) ? 0.15 : 0.85;
      pen.fillStyle = colours[i];
      pen.fillRect(x - size / 2, y - size / 2, size, size);
    }
    pen.globalAlpha = 1;
    const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
    if (marked >= 0) {
      const [x, y] = place(marked);
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, size + 4, 0, 2 * Math.PI);
      pen.stroke();
    }
    if (path && path.length > 1) {
      pen.strokeStyle = ink;
      pen.lineWidth = 1;
      pen.beginPath();
      path.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.closePath();
      pen.stroke();
    }
  }

  function near(x, y) {
    let best = -1, least = 100;
    for (let i = 0; i < count; i += 1) {
      const [px, py] = place(i), distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) { least = distance; best = i; }
    }
    return best;
  }

  function describe(i) {
    const lines = [create("strong", data.ids[i])];
    for (const column of data.columns) {
      const value = valueOf(column, i);
      if (value !== null) lines.push(create("div", `${column.name}: ${typeof value === "number" ? shown(value) : value}`));
    }
    if (data.nearest.length) lines.push(create("div", `nearest: ${data.nearest[i].map((k) => data.ids[k]).join(", ")}`));
    return lines;
  }

  function point(i, x, y) {
    marked = i;
    tip.hidden = i < 0;
    if (i >= 0) {
      tip.replaceChildren(...describe(i));
      const box = canvas.getBoundingClientRect();
      tip.style.left = `${canvas.offsetLeft + Math.max(0, Math.min(x + 14, box.width - tip.offsetWidth - 4))}px`;
      tip.style.top = `${canvas.offsetTop + Math.max(0, Math.min(y + 14, box.height - tip.offsetHeight - 4))}px`;
    }
    draw();
  }

  function zoom(factor, x, y) {
    const next = Math.min(Math.max(view.zoom * factor, 1), 500);
    view.x += x / view.zoom - x / next;
    view.y += y / view.zoom - y / next;
    view.zoom = next;
    point(-1);
  }
  const middle = () => [canvas.clientWidth / 2, canvas.clientHeight / 2];

  function inside(polygon, x, y) {
    let odd = false;
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
      const [xi, yi] = polygon[i], [xj, yj] = polygon[j];
      if (yi > y !== yj > y && x < (xj - xi) * (y - yi) / (yj - yi) + xi) odd = !odd;
    }
    return odd;
  }

  function choose(numbers) {
    selected = new Set(numbers);
    get("selection").hidden = !selected.size;
    get("count").textContent = `${shown(selected.size)} selected`;
    get("state").textContent = selected.size ? `${shown(selected.size)} proteins selected` : "";
    const head = create("tr");
    for (const name of ["id", ...data.columns.map((column) => column.name)]) head.append(create("th", name));
    const rows = [...selected].slice(0, LISTED).map((i) => {
      const row = create("tr");
      row.append(create("td", data.ids[i]));
      for (const column of data.columns) {
        const value = valueOf(column, i);
        row.append(create("td", value === null ? "-" : typeof value === "number" ? shown(value) : value));
      }
      return row;
    });
    if (selected.size > LISTED) {
      const row = create("tr");
      row.append(create("td", `and ${shown(selected.size - LISTED)} more: the files have all`));
      rows.push(row);
    }
    get("listing").replaceChildren(head, ...rows);
    draw();
  }

  function save(name, text, type) {
    const link = create("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  // What a spreadsheet program would run as a formula gets an apostrophe, as in sesstore's own tables.
  const quoted = (value) => {
    const text = typeof value === "string" && /^\s*[=+\-@\t\r\n]/.test(value) && !/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(value)
      ? `'${value}` : String(value === null ? "" : value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const base = data.name.replace(/[^\w.-]+/g, "_");
  get("fasta").hidden = !data.sequences.length;
  get("fasta").addEventListener("click", () => {
    const entries = [...selected].map((i) => `>${data.ids[i]}\n${data.sequences[i]}\n`);
    save(`${base}-selection.fasta`, entries.join(""), "text/plain");
  });
  get("csv").addEventListener("click", () => {
    const rows = [["id", ...data.columns.map((column) => column.name)]];
    for (const i of selected) rows.push([data.ids[i], ...data.columns.map((column) => valueOf(column, i))]);
    save(`${base}-selection.csv`, rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n", "text/csv");
  });
  get("clear").addEventListener("click", () => choose([]));
  get("whole").addEventListener("click", () => { view = { x: 0, y: 0, zoom: 1 }; point(-1); });

  const lasso = get("lasso");
  const setLasso = (on) => {
    lasso.setAttribute("aria-pressed", String(on));
    canvas.classList.toggle("drawing", on);
  };
  lasso.addEventListener("click", () => setLasso(lasso.getAttribute("aria-pressed") === "false"));

  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = [event.offsetX, event.offsetY];
    if (lasso.getAttribute("aria-pressed") === "true") path = [from];
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = [event.offsetX, event.offsetY];
    if (path) { path.push([x, y]); draw(); }
    else if (from) {
      view.x -= (x - from[0]) / view.zoom;
      view.y -= (y - from[1]) / view.zoom;
      from = [x, y];
      point(-1);
    } else point(near(x, y), x, y);
  });
  canvas.addEventListener("pointerup", () => {
    if (path) {
      const polygon = path;
      path = null;
      setLasso(false);
      choose([...data.ids.keys()].filter((i) => inside(polygon, ...place(i))));
    }
    from = null;
  });
  canvas.addEventListener("pointerleave", () => { if (!from) point(-1); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(1.0015 ** -event.deltaY, event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = 60 / view.zoom;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) { view.x += moves[event.key][0]; view.y += moves[event.key][1]; point(-1); }
    else if (event.key === "+" || event.key === "=") zoom(1.3, ...middle());
    else if (event.key === "-") zoom(1 / 1.3, ...middle());
    else return;
    event.preventDefault();
  });

  get("find").addEventListener("input", () => {
    const text = get("find").value.trim().toLowerCase(), list = get("hits");
    list.replaceChildren();
    if (!text) { point(-1); return; }
    const hits = [...data.ids.keys()].filter((i) => data.ids[i].toLowerCase().includes(text));
    for (const i of hits.slice(0, 20)) {
      const option = create("option");
      option.value = data.ids[i];
      list.append(option);
    }
    get("state").textContent = `${shown(hits.length)} ids hold "${text}"`;
    const exact = hits.find((i) => data.ids[i].toLowerCase() === text);
    const hit = exact === undefined && hits.length === 1 ? hits[0] : exact;
    if (hit === undefined) { point(-1); return; }
    view = { x: 0, y: 0, zoom: 1 };
    point(hit, ...place(hit));
  });

  data.columns.forEach((column, k) => {
    const option = create("option", column.name);
    option.value = k;
    get("colour").append(option);
  });
  // The first column of words beside the split tells more than lengths do.
  const first = data.columns.findIndex((column) => column.words && column.name !== "split");
  get("colour").value = first < 0 ? 0 : first;
  get("colour").addEventListener("change", paint);
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  paint();
})();
