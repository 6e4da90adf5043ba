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

  // A page with work in progress asks again, until the work has ended.
  const follow = async () => {
    const progress = document.querySelector("[data-progress]");
    if (!progress) return;
    try {
      const answer = await fetch(location.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("[data-progress]");
      if (answer.ok && !next) return location.reload();
      if (next) progress.replaceChildren(...next.childNodes);
    } catch {
      // The console does not answer now. The next round asks again.
    }
    setTimeout(follow, 2000);
  };
  setTimeout(follow, 2000);

  // An upload shows how much has been sent. Without script the browser shows it in its own way.
  const upload = (event) => {
    event.preventDefault();
    const bar = event.target.querySelector("progress");
    // A second click while the files are being sent sends nothing.
    if (!bar.hidden) return;
    const request = new XMLHttpRequest();
    bar.hidden = false;
    request.upload.onprogress = (progress) => { bar.value = progress.loaded / progress.total; };
    request.onload = () => {
      bar.hidden = true;
      if (request.status < 400) return location.assign(request.responseURL);
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      // A proxy before the console answers with a page of its own.
      const answer = page.querySelector("main") ?? page.body;
      document.querySelector("main").replaceChildren(...answer.childNodes);
    };
    request.onerror = () => event.target.submit();
    request.open("POST", event.target.action);
    request.send(new FormData(event.target));
  };
  document.querySelector("form[data-upload]")?.addEventListener("submit", upload);

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
