"use strict";
(() => {
  const held = document.getElementById("charts");
  if (held) {
    const { looks, charts } = JSON.parse(held.textContent);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const draw = () => {
      const look = dark.matches ? "dark" : "light";
      for (const place of document.querySelectorAll("[data-chart]")) {
        vegaEmbed(place, charts[place.dataset.chart], {
          actions: false, renderer: "svg", config: looks[look], tooltip: { theme: look },
        });
      }
    };
    dark.addEventListener("change", draw);
    draw();
  }
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
})();
