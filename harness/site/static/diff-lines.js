"use strict";
// Compares two sources as `harness diff` does: jsdiff finds the equal lines; in the blocks between them, a line is paired
// with the one most similar to it, in order, so that a call with `await` stands beside the same call without it.
window.diffLines = (() => {
  const MIN_SIMILARITY = 0.5; // below this, two lines are not the same line in a changed form
  const BLANK_SCORE = 0.1; // for a pair of blank lines: too little to separate lines that are similar
  const MAX_PAIRS = 250000; // in a block; larger blocks are left unpaired, because scoring all pairs would take too long
  const TOKEN = /[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu;

  function tokens(text) {
    return text.match(TOKEN) ?? [];
  }

  function wordsOf(text) {
    const words = tokens(text).filter((token) => token.trim()), counts = new Map();
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    return { text, words, counts, length: words.reduce((sum, word) => sum + word.length, 0) };
  }

  // The share of characters, without white space, in words that two lines have in common: from 0 to 1.
  function similarity(left, right) {
    const total = left.length + right.length;
    if (!total) return 1;
    let common = 0;
    for (const [word, count] of left.counts) common += word.length * Math.min(count, right.counts.get(word) ?? 0);
    if (2 * common / total < MIN_SIMILARITY) return 2 * common / total; // true of most pairs, and cheaper than matching
    const equal = Diff.diffArrays(left.words, right.words).filter((part) => !part.added && !part.removed);
    return 2 * equal.reduce((sum, part) => sum + part.value.join("").length, 0) / total;
  }

  function score(left, right) {
    if (!left.length) return right.length ? 0 : BLANK_SCORE;
    const share = similarity(left, right);
    return share >= MIN_SIMILARITY ? share : 0;
  }

  // Returns the pairs of lines, in order, with the greatest sum of scores (Needleman-Wunsch).
  function pairs(left, right) {
    const [height, width] = [left.length, right.length];
    if (!height || !width || height * width > MAX_PAIRS) return [];
    const lefts = left.map(wordsOf), rights = right.map(wordsOf);
    const scores = lefts.map((one) => rights.map((other) => score(one, other)));
    const best = Array.from({ length: height + 1 }, () => new Float64Array(width + 1));
    for (let i = height - 1; i >= 0; i--) {
      for (let j = width - 1; j >= 0; j--) {
        const paired = scores[i][j] ? best[i + 1][j + 1] + scores[i][j] : 0;
        best[i][j] = Math.max(paired, best[i + 1][j], best[i][j + 1]);
      }
    }
    const found = [];
    let i = 0, j = 0;
    while (i < height && j < width) {
      if (scores[i][j] && best[i][j] === best[i + 1][j + 1] + scores[i][j]) found.push([i++, j++]);
      else if (best[i][j] === best[i + 1][j]) i++;
      else j++;
    }
    return found;
  }

  function* blockRows(left, right) {
    let [leftDone, rightDone] = [0, 0];
    for (const [i, j] of pairs(left.map((line) => line.text), right.map((line) => line.text))) {
      for (const line of left.slice(leftDone, i)) yield [line, null];
      for (const line of right.slice(rightDone, j)) yield [null, line];
      yield [left[i], right[j]];
      [leftDone, rightDone] = [i + 1, j + 1];
    }
    for (const line of left.slice(leftDone)) yield [line, null];
    for (const line of right.slice(rightDone)) yield [null, line];
  }

  // Returns rows of two lines that correspond to each other, or of one and null. A line is {number, text, ...}.
  function rows(left, right) {
    const found = [];
    let [i, j, removed, added] = [0, 0, [], []];
    const flush = () => { found.push(...blockRows(removed, added)); [removed, added] = [[], []]; };
    // A blank line is equal to none here: it would tear blocks apart whose lines belong together.
    const comparator = (one, other) => one === other && one.trim() !== "";
    for (const part of Diff.diffArrays(left.map((line) => line.text), right.map((line) => line.text), { comparator })) {
      const count = part.value.length;
      if (part.removed) removed.push(...left.slice(i, i += count));
      else if (part.added) added.push(...right.slice(j, j += count));
      else {
        flush();
        for (let k = 0; k < count; k++) found.push([left[i++], right[j++]]);
      }
    }
    flush();
    return found;
  }

  // Returns for either of two lines its pieces: [text, whether it differs]. White space alone does not count as a
  // difference beside words that differ: another indentation would be the largest mark of the line.
  function pieces(left, right) {
    const sides = [[], []], isOnlySpace = left.replace(/\s/g, "") === right.replace(/\s/g, "");
    const counts = (text) => isOnlySpace || text.trim() !== "";
    for (const part of Diff.diffArrays(tokens(left), tokens(right))) {
      const text = part.value.join("");
      if (!part.added) sides[0].push([text, Boolean(part.removed) && counts(text)]);
      if (!part.removed) sides[1].push([text, Boolean(part.added) && counts(text)]);
    }
    return sides;
  }

  return { rows, pieces };
})();
