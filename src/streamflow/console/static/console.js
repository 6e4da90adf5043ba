// Keys for lists: j and k move, Enter opens, / searches, ? shows the keys. Every page works without.
"use strict";
(() => {
  const rows = () => [...document.querySelectorAll("[data-list] tbody tr")];
  const isTyping = (target) => target.closest("input, select, textarea, [contenteditable]");

  const move = (step) => {
    const list = rows();
    if (!list.length) return;
    const current = list.findIndex((row) => row.contains(document.activeElement));
    const next = Math.min(list.length - 1, Math.max(0, current + step));
    const link = list[next].querySelector("a");
    if (link) link.focus();
    list[next].scrollIntoView({ block: "nearest" });
  };

  const toggleHelp = (isOpen) => {
    const help = document.getElementById("help");
    help.open = isOpen ?? !help.open;
    if (help.open) help.querySelector("summary").focus();
  };

  const actions = {
    j: () => move(1),
    k: () => move(-1),
    "/": () => document.querySelector("[data-search]")?.focus(),
    "?": () => toggleHelp(),
    Escape: () => toggleHelp(false),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key !== "Escape" && isTyping(event.target)) return;
    if (event.key === "Escape" && isTyping(event.target)) event.target.blur();
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
})();
