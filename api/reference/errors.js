// Filters the list of errors while one types. Without this file the form is
// sent and the server filters by the same rules (list.go).
"use strict";

const form = document.getElementById("filters");
if (form) {
  const field = form.elements.q;
  const cases = [...document.querySelectorAll(".cases > li")];
  const cards = [...document.querySelectorAll(".code-card")];
  const families = [...document.querySelectorAll(".family")];
  const shown = document.getElementById("shown");
  const empty = document.getElementById("empty");
  document.documentElement.classList.add("live");

  const hideEmpty = (boxes, items) => {
    for (const box of boxes) box.hidden = !box.querySelector(items + ":not([hidden])");
  };

  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const api = form.elements.api.value, blame = form.elements.blame.value;
    let count = 0;
    for (const c of cases) {
      const fits = words.every((w) => c.dataset.words.includes(w)) &&
        (!api || c.dataset.apis.split(" ").includes(api)) &&
        (!blame || c.dataset.blame === blame);
      c.hidden = !fits;
      if (fits) count++;
    }
    hideEmpty(cards, ".cases > li");
    hideEmpty(families, ".code-card");
    shown.textContent = count;
    empty.hidden = count > 0;

    const query = new URLSearchParams();
    for (const [name, value] of [["q", field.value.trim()], ["api", api], ["blame", blame]]) {
      if (value) query.set(name, value);
    }
    const q = query.toString();
    history.replaceState(null, "", q ? "?" + q : location.pathname);
  };

  form.addEventListener("input", filter);
  form.addEventListener("submit", (e) => { e.preventDefault(); filter(); });
  document.addEventListener("keydown", (e) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName) && document.activeElement.type !== "radio";
    if (e.key === "/" && !typing && !e.ctrlKey && !e.metaKey && !e.altKey) {
      e.preventDefault();
      field.focus();
      field.select();
    } else if (e.key === "Escape" && document.activeElement === field && field.value) {
      field.value = "";
      filter();
    }
  });
  window.addEventListener("pageshow", filter);
}
