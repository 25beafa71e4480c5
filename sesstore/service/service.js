"use strict";
(() => {
  const POLL = 700;

  async function answered(response) {
    const body = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(body.error || `the server answered ${response.status}`);
    return body;
  }

  const form = document.getElementById("submit");
  if (form) {
    const problem = document.getElementById("problem"), button = form.querySelector("button");
    const text = document.getElementById("text"), file = document.getElementById("file");
    const most = Number(form.dataset.bytes);
    text.addEventListener("input", () => { if (text.value) file.value = ""; });
    file.addEventListener("change", () => { if (file.files.length) text.value = ""; });
    // What went wrong is said anew even if it is the same: a screen reader reads changes only.
    const say = (words) => { problem.textContent = ""; setTimeout(() => { problem.textContent = words; }, 50); };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const chosen = file.files[0];
      const body = chosen || text.value;
      if (!chosen && !body.trim()) { say("Give a sequence, FASTA, or a file."); text.focus(); return; }
      if ((chosen ? chosen.size : body.length) > most) { say(form.dataset.limits); return; }
      button.disabled = true;
      say("");
      try {
        const query = chosen ? `?${new URLSearchParams({ name: chosen.name })}` : "";
        const headers = { "content-type": "application/octet-stream" };
        const job = await answered(await fetch(`/jobs${query}`, { method: "POST", headers, body }));
        location.assign(job.page);
      } catch (refusal) {
        say(refusal.message);
        button.disabled = false;
        (chosen ? file : text).focus();
      }
    });
    // Whoever comes back by the browser's button may send again.
    window.addEventListener("pageshow", () => { button.disabled = false; });
  }

  const waiting = document.getElementById("waiting");
  if (waiting) {
    const state = document.getElementById("state"), bar = document.getElementById("progress");
    const poll = async () => {
      try {
        const response = await fetch(waiting.dataset.job);
        if (response.status === 404) { location.reload(); return; }
        const job = await answered(response);
        if (!["queued", "running"].includes(job.state)) { location.reload(); return; }
        if (state.textContent !== job.sentence) state.textContent = job.sentence;
        if (job.total) { bar.max = job.total; bar.value = job.done; } else bar.removeAttribute("value");
      } catch (problem) {
        state.textContent = `${problem.message}. Trying again …`;
      }
      setTimeout(poll, POLL);
    };
    setTimeout(poll, POLL);
  }

  const drop = document.getElementById("drop");
  if (drop) {
    drop.addEventListener("click", async () => {
      drop.disabled = true;
      await fetch(drop.dataset.job, { method: "DELETE" });
      if (drop.dataset.then) location.assign(drop.dataset.then);
    });
  }
})();
