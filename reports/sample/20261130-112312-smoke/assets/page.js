"use strict";
// Copy buttons, and what is folded opens for print. Without this script the buttons stay hidden.
(() => {
  document.documentElement.dataset.scripts = "";

  const fallback = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done ? Promise.resolve() : Promise.reject(new Error("not copied"));
  };

  // A page opened from a file may have no clipboard of its own.
  const copy = (text) => (navigator.clipboard ? navigator.clipboard.writeText(text).catch(() => fallback(text)) : fallback(text));

  const said = new WeakMap();
  const say = (button, text) => {
    if (!said.has(button)) said.set(button, button.textContent);
    button.textContent = text;
    setTimeout(() => { button.textContent = said.get(button); }, 1500);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    if (source) copy(source.textContent).then(() => say(button, "Copied"), () => say(button, "Select it and copy"));
  });

  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open]):not(.issue)")];
    for (const item of folded) item.open = true;
  });
  window.addEventListener("afterprint", () => { for (const item of folded) item.open = false; });
})();
