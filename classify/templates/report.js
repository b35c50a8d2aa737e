"use strict";
(() => {
  const root = document.documentElement;
  const all = (query, from = document) => [...from.querySelectorAll(query)];
  const one = (id) => document.getElementById(id);
  const data = JSON.parse(one("data").textContent);
  root.classList.remove("static");

  // Words: what classify/phrases.py does.
  const number = (text) => (root.lang === "id" ? text.replace(/(\d)\.(?=\d)/g, "$1,") : text);
  const say = (key, words = {}) =>
    data.phrases[root.lang][key].replace(/\{(\w+)\}/g, (whole, name) => {
      if (!(name in words)) return whole;
      return Array.isArray(words[name]) ? say(words[name][0]) : number(String(words[name]));
    });
  const wordsOf = (element) => JSON.parse(element.dataset.a || "{}");
  const speak = () => {
    for (const element of all("[data-t]")) element.textContent = say(element.dataset.t, wordsOf(element));
    for (const name of ["aria-label", "placeholder"])
      for (const element of all(`[data-${name}]`)) element.setAttribute(name, say(element.getAttribute(`data-${name}`), wordsOf(element)));
    const [from, to] = root.lang === "id" ? [".", ","] : [",", "."];
    for (const element of all("[data-n]")) {
      const parts = element.textContent.split(from);
      element.textContent = parts.join(to);
    }
    for (const element of all(".told")) element.remove();
    for (const chip of all(".c[aria-expanded=true]")) chip.setAttribute("aria-expanded", "false");
  };
  one("language").addEventListener("change", (event) => {
    root.lang = event.target.value;
    speak();
    count();
  });

  // Evidence: shown while a label is pointed at or has the focus, and in words once it is chosen.
  const light = (chip, on) => {
    const line = chip.closest("li");
    for (const name of [...line.classList]) if (/^on\d+$/.test(name)) line.classList.remove(name);
    const lit = on ? chip : line.querySelector(".c[aria-expanded=true]");
    if (lit) line.classList.add("on" + lit.dataset.l);
  };
  for (const [type, on] of [["mouseover", true], ["mouseout", false], ["focusin", true], ["focusout", false]])
    document.addEventListener(type, (event) => {
      const chip = event.target.closest && event.target.closest(".c");
      if (chip) light(chip, on);
    });
  const explain = (chip) => {
    const [threshold, low, high] = data.labels[chip.dataset.l];
    const score = chip.dataset.s;
    const given = !chip.classList.contains("near");
    const lines = [given ? (threshold === null ? ["e_best", { score }] : ["e_given", { score, threshold: threshold.toFixed(2) }])
      : ["e_close", { score, threshold: (threshold ?? 1).toFixed(2) }]];
    if (chip.dataset.r && low !== undefined) lines.push(["e_review", { low: low.toFixed(2), high: high.toFixed(2) }]);
    const found = JSON.parse(chip.dataset.v || "{}");
    if (found.h) lines.push([found.i ? "e_inherited" : "e_holder", { text: found.h }]);
    if (found.c) lines.push(["e_cue", { text: found.c }]);
    if (found.w) lines.push(["e_words", { text: found.w }]);
    const box = document.createElement("div");
    box.className = "told";
    for (const [key, words] of lines) {
      const line = document.createElement("p");
      line.textContent = say(key, words);
      box.append(line);
    }
    return box;
  };
  const close = (line) => {
    for (const box of all(".told", line)) box.remove();
    for (const other of all(".c", line)) other.setAttribute("aria-expanded", "false");
  };
  document.addEventListener("click", (event) => {
    const chip = event.target.closest(".c");
    if (!chip) return;
    const open = chip.getAttribute("aria-expanded") === "true";
    const line = chip.closest("li");
    close(line);
    if (!open) {
      chip.setAttribute("aria-expanded", "true");
      const box = explain(chip);
      chip.parentElement.after(box);
    }
    light(chip, true);
  });
  document.addEventListener("keydown", (event) => {
    const line = event.key === "Escape" && event.target.closest && event.target.closest("li");
    if (line && line.querySelector(".c")) close(line);
  });

  // Filters.
  const form = one("form");
  const articles = all("article").map((element) => ({
    element,
    outlet: element.dataset.o,
    lines: all("li", element).map((line) => ({
      element: line,
      labels: new Set((line.dataset.l || "").split(" ").filter(Boolean)),
      review: line.dataset.r === "1",
      text: "",
    })),
  }));
  const total = articles.reduce((sum, article) => sum + article.lines.length, 0);
  let shown = [total, articles.length];
  function count() {
    const words = { sentences: String(shown[0]), all: String(total), articles: String(shown[1]) };
    one("found").textContent = shown[0] ? say("f_found", words) : say("f_nothing");
  }
  const filter = () => {
    const groups = all("fieldset[data-g]", form).map((set) => all("input:checked", set).map((box) => box.value)).filter((list) => list.length);
    const wanted = form.elements.search.value.trim().toLowerCase();
    const outlet = form.elements.outlet ? form.elements.outlet.value : "";
    const review = form.elements.review.checked;
    const around = form.elements.around.checked;
    const any = groups.length > 0 || wanted || review;
    shown = [0, 0];
    for (const article of articles) {
      const here = outlet === "" || article.outlet === outlet;
      let found = 0;
      const fits = article.lines.map((line) => {
        if (!here) return false;
        if (wanted && !line.text) line.text = line.element.querySelector(".x").textContent.toLowerCase();
        const fit = groups.every((list) => list.some((label) => line.labels.has(label))) && (!review || line.review) &&
          (!wanted || line.text.includes(wanted));
        if (fit) found += 1;
        return fit;
      });
      article.element.hidden = !found;
      if (!found) continue;
      shown[0] += found;
      shown[1] += 1;
      article.lines.forEach((line, i) => {
        line.element.hidden = !fits[i] && !around;
        line.element.classList.toggle("dim", !fits[i] && any);
      });
    }
    count();
  };
  let waiting = 0;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 80);
  };
  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  // A link from the list of doubtful sentences reaches its sentence whatever the filters hide.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#s']");
    const target = link && one(link.getAttribute("href").slice(1));
    if (target && target.closest("article") && !target.offsetParent) {
      form.reset();
      filter();
    }
  });
  one("filters").open = matchMedia("(min-width: 62rem)").matches;
  // A browser may restore what was chosen before.
  if (one("language").value !== root.lang) {
    root.lang = one("language").value;
    speak();
  }
  filter();
})();
