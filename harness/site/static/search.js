// The search: finds passages that have every word of the question, or a word that begins with it.
"use strict";
(() => {
  const MOST = 40; // results that are shown
  const AROUND = 90; // characters of a passage before and after the first word that was found
  const field = document.getElementById("search-words");
  const list = document.getElementById("results");
  const found = document.getElementById("found");
  const allPages = document.getElementById("all-pages");

  function wordsOf(text) {
    return text.toLowerCase().split(/[^\p{L}\p{N}_]+/u).filter((word) => word !== "");
  }

  function pattern(words, flags) {
    return new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join("|")})`, flags); // words have no signs that mean something here
  }

  // Returns how well a text matches the pattern of a word: 0 where it does not.
  function count(text, own) {
    return Math.min(5, text.match(own)?.length ?? 0);
  }

  // Returns what finds the words next to each other.
  function phraseOf(words) {
    return new RegExp(`(?<![\\p{L}\\p{N}])${words.join("[^\\p{L}\\p{N}]+")}`, "iu");
  }

  function search(words) {
    const results = [];
    const phrase = phraseOf(words), patterns = words.map((word) => pattern([word], "giu"));
    for (const [path, title, passages] of window.searchIndex) {
      for (const [anchor, heading, text] of passages) {
        let score = 0;
        for (const own of patterns) {
          // The title of a page speaks for its beginning most.
          const points = (anchor === "" ? 20 : 0.1) * count(title, own) + 10 * count(heading, own) + count(text, own);
          if (points === 0) { score = 0; break; }
          score += points;
        }
        if (score > 0 && words.length > 1 && phrase.test(`${heading}\n${text}`)) score += 25;
        if (score > 0) results.push({ score, path, title, anchor, heading, text });
      }
    }
    return results.sort((a, b) => b.score - a.score);
  }

  // Returns the part of a passage around the words, with all found words marked.
  function excerpt(text, words) {
    const together = text.search(phraseOf(words));
    const first = together >= 0 ? together : text.search(pattern(words, "iu"));
    const from = Math.max(0, first - AROUND);
    const part = text.slice(from, Math.max(0, first) + 2 * AROUND);
    const paragraph = document.createElement("p");
    if (from > 0) paragraph.append("… ");
    let at = 0;
    for (const match of part.matchAll(pattern(words, "giu"))) {
      paragraph.append(part.slice(at, match.index));
      const mark = document.createElement("mark");
      mark.textContent = match[0];
      paragraph.append(mark);
      at = match.index + match[0].length;
    }
    paragraph.append(part.slice(at), from + part.length < text.length ? " …" : "");
    return paragraph;
  }

  function show() {
    const words = wordsOf(field.value);
    allPages.hidden = words.length > 0;
    if (words.length === 0) {
      list.replaceChildren();
      found.textContent = "";
      return;
    }
    const results = search(words);
    found.textContent = results.length === 0 ? "Nothing was found." : `${results.length} passages`;
    list.replaceChildren(
      ...results.slice(0, MOST).map((result) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.href = result.path + (result.anchor === "" ? "" : `#${result.anchor}`);
        link.textContent = result.heading === "" || result.heading === result.title ? result.title : `${result.title}: ${result.heading}`;
        item.append(link, excerpt(result.text, words));
        return item;
      }),
    );
  }

  field.value = new URLSearchParams(location.search).get("q") ?? "";
  field.addEventListener("input", show);
  field.form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
  show();
})();
