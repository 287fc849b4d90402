"use strict";
// cell.html#ID: finds the pack that holds the cell, unpacks it and shows the cell's page.
// What a pack holds was escaped when the report was written, as on every other page; markup set by
// innerHTML runs no script, and the page's policy would allow none.
(() => {
  const main = document.getElementById("main");
  const nonce = document.currentScript.nonce;
  const packs = Number(main.dataset.packs);
  const loaded = new Map();
  let arrive = null;

  // FNV-1a, 32 bits, as orchestrator/report/packing.py has it.
  const packOf = (id) => {
    let value = 0x811c9dc5;
    for (const byte of new TextEncoder().encode(id)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
    return value % packs;
  };

  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Map(Object.entries(await new Response(stream).json()));
  };

  window.crashmatrixPack = (text) => arrive(unpack(text));

  const load = (number) => {
    if (!loaded.has(number)) {
      loaded.set(number, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        arrive = resolve;
        script.nonce = nonce;
        script.src = `${main.dataset.folder}/${number}.js`;
        script.onerror = () => reject(new Error(`${script.src} is not beside this page`));
        document.head.append(script);
      }));
    }
    return loaded.get(number);
  };

  const say = (text) => {
    const line = document.createElement("p");
    line.className = "caution";
    line.textContent = text;
    main.replaceChildren(line);
  };

  const show = async () => {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id) return;
    try {
      const body = (await load(packOf(id))).get(id);
      if (body === undefined) throw new Error(`this run has no cell ${id} on this page`);
      main.innerHTML = body;
      document.getElementById("crumb").textContent = id;
      document.title = `${main.querySelector(".verdict .status").textContent.trim()}: ${id}`;
      window.scrollTo(0, 0);
    } catch (error) {
      say(`Could not show the cell: ${error.message}.`);
    }
  };

  let shown = null;
  const follow = () => {
    // A link to a place on the page is the browser's own business.
    const target = location.hash.slice(1);
    if (document.getElementById(target) && target !== "main") return;
    if (target === "main" || target === shown) return;
    shown = target;
    show();
  };
  window.addEventListener("hashchange", follow);
  follow();
})();
