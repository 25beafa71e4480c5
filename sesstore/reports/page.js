"use strict";
(() => {
  const held = document.getElementById("charts");
  if (held) {
    const { looks, charts } = JSON.parse(held.textContent);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const draw = () => {
      const look = dark.matches ? "dark" : "light";
      for (const place of document.querySelectorAll("[data-chart]")) {
        // On a narrow screen labels leave room for what they label.
        const labelLimit = Math.min(220, Math.round(place.clientWidth * 0.36));
        const config = { ...looks[look], axis: { ...looks[look].axis, labelLimit } };
        vegaEmbed(place, charts[place.dataset.chart], {
          actions: false, renderer: "svg", config, tooltip: { theme: look },
        });
      }
    };
    dark.addEventListener("change", draw);
    draw();
  }
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = !navigator.clipboard;  // over plain http from another machine there is none
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
})();
