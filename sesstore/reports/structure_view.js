"use strict";
/* A protein's structure and its sequence, coloured alike and linked both ways.

   sesstoreView(element, data) fills an element; data is that of structure_view.view_data. Views that
   stand in the page (data-view, with their data inside) are filled at once. Without 3Dmol.js, or
   without WebGL, the sequence says the same. */
window.sesstoreView = (() => {
  const NOTHING = "#8b949e", OTHER = "#b6bec7", MARK = "#111111";
  const NAMES = {
    A: "Ala", R: "Arg", N: "Asn", D: "Asp", C: "Cys", Q: "Gln", E: "Glu", G: "Gly", H: "His", I: "Ile",
    L: "Leu", K: "Lys", M: "Met", F: "Phe", P: "Pro", S: "Ser", T: "Thr", W: "Trp", Y: "Tyr", V: "Val",
    U: "Sec", O: "Pyl", B: "Asx", Z: "Glx", J: "Xle", X: "unknown",
  };
  const BLOCK = 10;
  let views = 0;

  const make = (parent, tag, properties = {}, attributes = {}) => {
    const element = Object.assign(document.createElement(tag), properties);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    parent.append(element);
    return element;
  };
  const bytes = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const hex = (rgb) => "#" + rgb.map((v) => Math.round(v).toString(16).padStart(2, "0")).join("");
  const short = (value) => String(Number(value.toPrecision(4)));

  const between = (stops, value) => {
    const last = stops.length - 1;
    if (!(value > stops[0][0])) return stops[0][1];
    if (value >= stops[last][0]) return stops[last][1];
    const k = stops.findIndex((stop) => value < stop[0]);
    const [[low, from], [high, to]] = [stops[k - 1], stops[k]];
    const share = (value - low) / (high - low);
    const [a, b] = [bytes(from), bytes(to)];
    return hex(a.map((v, i) => v + share * (b[i] - v)));
  };
  const bandOf = (colouring, value) =>
    colouring.bands.find((band) => value >= band[0]) ?? colouring.bands.at(-1);
  const colourOf = (colouring, value) => {
    if (value === null || value === undefined) return null;
    if (colouring.classes.length) return colouring.classes[value]?.[1] ?? NOTHING;
    if (colouring.bands.length) return bandOf(colouring, value)[1];
    return between(colouring.stops, value);
  };
  const wordOf = (colouring, value) => {
    if (value === null || value === undefined) return "no value";
    return colouring.classes.length ? colouring.classes[value][0] : short(value);
  };
  const inkOn = (colour) => {
    const [r, g, b] = bytes(colour).map((v) => (v / 255) ** 2.2);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.25 ? "#111" : "#fff";
  };

  /* The sequence in blocks of ten: one stop of the tab key, arrow keys within. */
  function sequenceTrack(root, data, number) {
    const track = make(root, "div", { className: "sv-track", tabIndex: 0 }, {
      role: "listbox",
      "aria-label": `Sequence of ${data.id}, ${data.sequence.length} residues. Arrow keys move, `
        + "Enter brings the residue near, Escape ends.",
    });
    const cells = [];
    for (let start = 0; start < data.sequence.length; start += BLOCK) {
      const block = make(track, "div", { className: "sv-block" }, { role: "presentation" });
      make(block, "i", { textContent: start + 1 }, { "aria-hidden": "true" });
      const row = make(block, "p", {}, { role: "presentation" });
      for (let i = start; i < Math.min(start + BLOCK, data.sequence.length); i++) {
        const cell = make(row, "span", { textContent: data.sequence[i], id: `sv${number}-${i}` }, {
          role: "option", "aria-selected": "false",
        });
        cell.dataset.place = i;
        cells.push(cell);
      }
      for (const [, letters] of data.lines) {
        make(block, "p", { textContent: letters.slice(start, start + BLOCK) }, { "aria-hidden": "true" });
      }
    }
    return { track, cells };
  }

  /* Where residues of the sequence are in the structure. */
  function residueIndex(data) {
    const places = data.sequence.split("").map(() => []);
    (data.structure?.chains ?? []).forEach((chain, c) => {
      (chain.places ?? []).forEach((place, row) => { if (place >= 0) places[place].push([c, row]); });
    });
    return places;
  }

  function legend(element, colouring, structure) {
    element.replaceChildren();
    const present = colouring.values.filter((value) => value !== null);
    const swatch = (colour, text) => {
      const item = make(element, "li");
      make(item, "b").style.background = colour;
      make(item, "span", { textContent: text });
    };
    if (colouring.stops.length) {
      const [first, last] = [colouring.stops[0], colouring.stops.at(-1)];
      const item = make(element, "li");
      make(item, "span", { textContent: short(first[0]) });
      make(item, "b", { className: "sv-ramp" }).style.background =
        `linear-gradient(to right, ${colouring.stops.map((stop) => stop[1]).join(", ")})`;
      make(item, "span", { textContent: short(last[0]) });
    }
    colouring.classes.forEach(([name, colour], k) => {
      const count = present.filter((value) => value === k).length;
      if (count) swatch(colour, `${name} (${count})`);
    });
    for (const band of colouring.bands) {
      const count = present.filter((value) => bandOf(colouring, value) === band).length;
      swatch(band[1], `${band[2]} (${count})`);
    }
    const lacking = colouring.values.length - present.length;
    if (lacking) swatch(NOTHING, `no value (${lacking})`);
    if (structure?.chains.some((chain) => !chain.places)) swatch(OTHER, "other chains");
  }

  const drawable = () => {
    if (!window.$3Dmol) return false;
    try {
      return Boolean(document.createElement("canvas").getContext("webgl2"));
    } catch { return false; }
  };

  /* Atoms of all chains as 3Dmol has them; resi is the place in the sequence where there is one. */
  function atomsOf(structure) {
    const atoms = [];
    structure.chains.forEach((chain, c) => {
      const places = chain.places ?? chain.residues.map((_, row) => row);
      const rising = places.every((place, row) => place >= 0 && (!row || place > places[row - 1]));
      let at = 0, stretch = 0, before = null;
      chain.counts.forEach((count, row) => {
        const own = [];
        for (const end = at + count; at < end; at++) {
          const [atom, element] = structure.atoms[chain.kinds[at]];
          const [x, y, z] = [0, 1, 2].map((k) => chain.xyz[3 * at + k] / 100);
          own.push({
            atom, x, y, z, elem: element.charAt(0) + element.slice(1).toLowerCase(),
            resn: chain.residues[row], chain: String(c), resi: rising ? places[row] : row,
            rescode: String(row), ss: chain.shapes[row], hetflag: false, bonds: [], bondOrder: [],
            properties: { chain: c, row, place: chain.places ? places[row] : -1, ss: chain.shapes[row] },
          });
        }
        if (before && !joined(before, own)) stretch++;
        for (const atom of own) atom.reschain = stretch;
        bind(own, atoms.length);
        atoms.push(...own);
        before = own;
      });
    });
    return atoms;
  }
  const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z);
  const named = (atoms, name) => atoms.find((atom) => atom.atom === name);
  function joined(first, second) {
    const [c, n] = [named(first, "C"), named(second, "N")];
    if (c && n) return distance(c, n) < 2.5;
    const [a, b] = [named(first, "CA"), named(second, "CA")];
    return Boolean(a && b) && distance(a, b) < 4.3;
  }
  function bind(own, offset) {
    own.forEach((a, i) => own.forEach((b, j) => {
      if (j > i && distance(a, b) < 2) {
        a.bonds.push(offset + j); a.bondOrder.push(1);
        b.bonds.push(offset + i); b.bondOrder.push(1);
      }
    }));
    own.forEach((atom, i) => { atom.index = offset + i; atom.serial = offset + i + 1; });
  }

  /* The structure in its box. Calls point(place) and pick(place) as residues are met. */
  function molecule(box, data, { point, pick }) {
    const viewer = window.$3Dmol.createViewer(box, { backgroundAlpha: 0, hoverDuration: 60 });
    const model = viewer.addModel();
    model.addAtoms(atomsOf(data.structure));
    const traced = data.structure.chains.map((chain) => {
      const oxygens = chain.kinds.filter((kind) => data.structure.atoms[kind][0] === "O").length;
      return oxygens * 2 < chain.residues.length;
    });
    let colours = [], halo = null, labels = [];
    const colour = (atom) => {
      const { chain, place } = atom.properties;
      if (!data.structure.chains[chain].places) return OTHER;
      return (place >= 0 && colours[place]) || NOTHING;
    };
    const ribbon = (c) => ({
      cartoon: {
        colorfunc: colour, arrows: true, gapcutoff: 1000, ...(traced[c] ? { style: "trace", thickness: 0.4 } : {}),
        ...(data.structure.chains[c].places ? {} : { opacity: 0.75 }),
      },
    });
    const residue = (place, visit) => {
      for (const atom of model.selectedAtoms({})) if (atom.properties.place === place) visit(atom);
    };
    const dress = (selected) => {
      // Drawing marks the ends of strands in the atoms themselves: each drawing begins afresh.
      for (const atom of model.selectedAtoms({})) atom.ss = atom.properties.ss;
      data.structure.chains.forEach((_, c) => model.setStyle({ chain: String(c) }, ribbon(c)));
      labels.forEach((label) => viewer.removeLabel(label));
      labels = [];
      if (selected !== null) {
        const sticks = (atom) => atom.properties.place === selected;
        model.setStyle({ predicate: sticks }, { stick: { radius: 0.22, colorfunc: colour } }, true);
        residue(selected, (atom) => {
          if (atom.atom !== "CA") return;
          const chain = data.structure.chains[atom.properties.chain];
          labels.push(viewer.addLabel(`${chain.residues[atom.properties.row]} ${chain.numbers[atom.properties.row]}`
            + (data.structure.chains.length > 1 ? ` ${chain.id}` : ""), {
            position: { x: atom.x, y: atom.y, z: atom.z }, fontSize: 13, fontColor: "#ffffff",
            backgroundColor: MARK, backgroundOpacity: 0.75, inFront: true,
          }));
        });
      }
      viewer.render();
    };
    model.setHoverable({}, true, (atom) => point(atom.properties.place), () => point(-1));
    model.setClickable({}, true, (atom) => pick(atom.properties.place));
    viewer.zoomTo({ predicate: (atom) => data.structure.chains[atom.properties.chain].places });
    return {
      paint(next, selected) { colours = next; dress(selected); },
      select: dress,
      point(place) {
        if (halo) halo.forEach((shape) => viewer.removeShape(shape));
        halo = [];
        residue(place, (atom) => {
          if (atom.atom !== "CA") return;
          halo.push(viewer.addSphere({
            center: { x: atom.x, y: atom.y, z: atom.z }, radius: 1.6, color: MARK, alpha: 0.35,
          }));
        });
        viewer.render();
      },
      near(place) {
        // At once: a second motion would begin before the first has ended.
        viewer.zoomTo({ predicate: (atom) => atom.properties.place === place });
        viewer.zoom(0.35);
      },
      whole() {
        viewer.zoomTo({ predicate: (atom) => data.structure.chains[atom.properties.chain].places });
      },
      turn(angle, axis) { viewer.rotate(angle, axis); },
      zoom(factor) { viewer.zoom(factor); },
    };
  }

  function moleculeBox(root, data) {
    const box = make(root, "div", { className: "sv-molecule", tabIndex: 0 }, { role: "img" });
    // The wheel belongs to the page until the structure was asked for.
    box.addEventListener("wheel", (event) => {
      if (document.activeElement !== box) event.stopPropagation();
    }, { capture: true, passive: true });
    box.addEventListener("pointerdown", () => box.focus({ preventScroll: true }), { capture: true });
    return box;
  }

  // What there is nothing to colour by stays as it is: a linear model looks at no residue.
  const plain = (data) => (
    { name: "nothing", note: "", stops: [], classes: [], bands: [], values: [...data.sequence].map(() => null) }
  );

  function view(root, data) {
    const number = views++;
    root.classList.add("structure-view");
    root.replaceChildren();
    const tools = make(root, "div", { className: "sv-tools" });
    const choice = make(make(tools, "label", { textContent: "Colour " }), "select");
    data.colourings.forEach((colouring, k) => make(choice, "option", { value: k, textContent: colouring.name }));
    choice.parentElement.hidden = !data.colourings.length;
    const places = residueIndex(data);
    const resolved = places.filter((copies) => copies.length).length;
    const box = data.structure && drawable() ? moleculeBox(root, data) : null;
    if (data.structure && !box) {
      make(root, "p", {
        className: "note sv-undrawn",
        textContent: "The structure is not drawn: this browser has no WebGL 2. The sequence shows the same values.",
      });
    }
    const key = make(root, "ul", { className: "sv-legend" });
    const meaning = make(root, "p", { className: "note" });
    const state = make(root, "p", { className: "sv-state" }, { "aria-live": "polite" });
    const { track, cells } = sequenceTrack(root, data, number);
    const notes = make(root, "ul", { className: "sv-notes note" });
    if (data.lines.length) {
      make(notes, "li", { textContent: `Under the sequence: ${data.lines.map((line) => line[0]).join(", ")} (# is masked).` });
    }
    for (const note of data.notes) make(notes, "li", { textContent: note });

    let colouring = data.colourings[0] ?? plain(data);
    let selected = null, pointed = null;
    const shape = box && molecule(box, data, {
      point: (place) => point(place >= 0 ? place : null, true),
      pick: (place) => { if (place >= 0) select(place); },
    });
    const describe = (place) => {
      const letter = data.sequence[place];
      const copies = places[place].map(([c, row]) => {
        const chain = data.structure.chains[c];
        return `${chain.residues[row]} ${chain.numbers[row]}${chain.id ? ` of chain ${chain.id}` : ""}`;
      });
      const where = !data.structure ? "" : copies.length ? ` (${copies.join(", ")})` : " (unresolved)";
      const values = data.colourings.map((c) => `${c.name} ${wordOf(c, c.values[place])}`);
      const letters = data.lines.map(([name, text]) => `${name} ${text[place]}`);
      return `${NAMES[letter] ?? letter} ${place + 1}${where}: ${[...values, ...letters].join("; ")}`;
    };
    const say = () => {
      const place = pointed ?? selected;
      state.textContent = place === null
        ? (shape ? "Point at a residue, in the structure or in the sequence; a click keeps it." : "Point at a residue.")
        : describe(place);
    };
    const point = (place, fromStructure = false) => {
      if (place === pointed) return;
      if (pointed !== null) cells[pointed].classList.remove("sv-pointed");
      pointed = place;
      if (place !== null) cells[place].classList.add("sv-pointed");
      if (shape && !fromStructure) shape.point(place ?? -1);
      say();
    };
    const select = (place) => {
      if (selected !== null) cells[selected].setAttribute("aria-selected", "false");
      selected = place;
      if (place === null) track.removeAttribute("aria-activedescendant");
      else {
        const cell = cells[place];
        cell.setAttribute("aria-selected", "true");
        cell.setAttribute("aria-label", describe(place));
        track.setAttribute("aria-activedescendant", cell.id);
        // Within the track alone: the page stays where it is.
        const [top, height] = [cell.offsetTop - track.offsetTop, track.clientHeight];
        if (top < track.scrollTop || top + 20 > track.scrollTop + height) track.scrollTop = top - height / 2;
      }
      if (shape) shape.select(place);
      say();
    };
    const paint = () => {
      const colours = colouring.values.map((value) => colourOf(colouring, value));
      cells.forEach((cell, i) => {
        const colour = colours[i];
        cell.style.background = colour ?? "";
        cell.style.color = colour ? inkOn(colour) : "";
        cell.classList.toggle("sv-unresolved", Boolean(data.structure) && !places[i].length);
      });
      if (data.colourings.length) legend(key, colouring, box && data.structure);
      meaning.textContent = colouring.note;
      if (shape) {
        shape.paint(colours, selected);
        box.setAttribute("aria-label", `Structure ${data.structure.name} of ${data.id}: ${resolved} of `
          + `${data.sequence.length} residues, coloured by ${colouring.name}. Arrow keys turn it, plus and minus `
          + "zoom. The sequence below has the same values.");
      }
    };

    choice.addEventListener("change", () => { colouring = data.colourings[choice.value]; paint(); });
    const placeAt = (event) => {
      const place = event.target.closest("[data-place]")?.dataset.place;
      return place === undefined ? null : Number(place);
    };
    track.addEventListener("pointerover", (event) => point(placeAt(event)));
    track.addEventListener("pointerleave", () => point(null));
    track.addEventListener("click", (event) => { const place = placeAt(event); if (place !== null) select(place); });
    track.addEventListener("dblclick", (event) => { const place = placeAt(event); if (shape && place !== null) shape.near(place); });
    const down = (place, by) => {
      // The next residue below or above, as the blocks have flowed.
      const { offsetLeft: x, offsetTop: y } = cells[place];
      for (let i = place + by; i >= 0 && i < cells.length; i += by) {
        if ((cells[i].offsetTop - y) * by > 4 && Math.abs(cells[i].offsetLeft - x) < 6) return i;
      }
      return place;
    };
    track.addEventListener("keydown", (event) => {
      const at = selected ?? -1, last = cells.length - 1;
      const moves = {
        ArrowRight: () => Math.min(at + 1, last), ArrowLeft: () => Math.max(at - 1, 0),
        ArrowDown: () => down(Math.max(at, 0), 1), ArrowUp: () => down(Math.max(at, 0), -1),
        Home: () => 0, End: () => last,
      };
      if (event.key in moves && cells.length) select(moves[event.key]());
      else if (event.key === "Enter" && shape && selected !== null) shape.near(selected);
      else if (event.key === "Escape") { select(null); if (shape) shape.whole(); } else return;
      event.preventDefault();
    });
    if (box) {
      const whole = make(tools, "button", { type: "button", textContent: "Whole structure" });
      whole.addEventListener("click", () => { select(null); shape.whole(); });
      box.addEventListener("keydown", (event) => {
        const turns = { ArrowLeft: [-15, "y"], ArrowRight: [15, "y"], ArrowUp: [-15, "x"], ArrowDown: [15, "x"] };
        if (event.key in turns) shape.turn(...turns[event.key]);
        else if (event.key === "+" || event.key === "=") shape.zoom(1.2);
        else if (event.key === "-") shape.zoom(1 / 1.2);
        else if (event.key === "Escape") { select(null); shape.whole(); } else return;
        event.preventDefault();
      });
    }
    paint();
    say();
    return { select, data };
  }

  return view;
})();
for (const element of document.querySelectorAll("[data-view]")) {
  window.sesstoreView(element, JSON.parse(element.querySelector("script").textContent));
}
