"use strict";
// Every text reaches the page through textContent or a property, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 12;
const tokenEnds = {};
const SHADES = 7;
const state = { text: "", outcome: "", file: "", order: "place", page: 0 };

const form = document.querySelector(".tools");
const list = document.querySelector(".cards");
const pager = document.querySelector(".pager");

function node(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const number = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−"));
const signed = (value, digits = 2) => (value >= 0 ? "+" : "−") + Math.abs(value).toFixed(digits);
const steps = ([first, last]) => (first === last ? `${first + 1}` : `${first + 1}–${last + 1}`);

// ---- which records, in which order -------------------------------------------------------------------

function haystack(card) {
  const texts = card.rows.flatMap((row) => [row.same, row.native, row.refined]).filter(Boolean);
  const words = texts.map((pieces) => pieces.map((piece) => piece[0]).join(""));
  const said = card.findings.map((finding) => `${finding.source} ${finding.evidence}`);
  return [card.id, card.generator, card.problem, card.gold, card.reason, ...words, ...said].filter(Boolean).join("\n").toLowerCase();
}

const ORDERS = {
  drift: (card) => -(card.style?.edit_drift ?? -Infinity),
  preserved: (card) => card.preserved ?? Infinity,
  utility: (card) => card.utility?.total ?? Infinity,
};

function matching() {
  const wanted = state.text.trim().toLowerCase();
  const found = data.cards.filter((card) => (!state.outcome || card.outcome === state.outcome)
    && (state.file === "" || card.file === Number(state.file))
    && (!wanted || (card.haystack ??= haystack(card)).includes(wanted)));
  const order = ORDERS[state.order];
  return order ? found.sort((a, b) => (order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : 0)) : found;
}

// ---- one record ----------------------------------------------------------------------------------------

function cardOf(card) {
  const article = node("article", `card ${card.outcome}`, heading(card), node("p", "problem", card.problem), verdict(card), reference(card));
  article.append(rowsOf(card));
  if (card.cut) article.append(node("p", "blank", "This text is too long to be shown whole; both texts are cut here."));
  if (card.style?.steps.length) article.append(...strips(card));
  article.append(numbers(card));
  if (card.tried.length) article.append(tried(card));
  return node("li", "", article);
}

function heading(card) {
  const from = [data.files.length > 1 ? data.files[card.file] : "", `line ${card.line}`, card.generator].filter(Boolean).join(" · ");
  return node("header", "", node("span", "badge", card.outcome), node("h3", "", card.id), node("span", "from", from));
}

function answer(verdict) {
  const sign = { correct: "✓", incorrect: "✗", undecided: "?" }[verdict.value];
  const tone = { correct: "good", incorrect: "bad" }[verdict.value] || "said";
  const why = verdict.value === "undecided" && verdict.reason ? ` (${verdict.reason})` : "";
  return node("span", tone, `${sign} ${verdict.answer ?? "no answer"}${why}`);
}

function verdict(card) {
  const gold = card.gold === undefined ? "no gold answer" : `gold ${card.gold}`;
  const source = card.goldSource === "consensus" ? " (a consensus of models, not given)" : "";
  const changed = card.edits > 0;
  const line = node("p", "verdict", node("b", "", "Answer "), answer(card.before), changed ? " → " : "", changed ? answer(card.after) : "",
    node("span", "said", ` · ${gold}${source} · ${located(card)}`));
  if (card.reason) line.append(node("br"), node("b", "", `${card.outcome}: `), card.reason);
  return line;
}

function located(card) {
  if (card.first === undefined) return "nobody could tell where it goes wrong";
  if (card.first < 0) return "no step found wrong";
  return `first wrong step ${card.first + 1}, confidence ${number(card.confidence)}`;
}

function reference(card) {
  if (!card.reference) return null;
  return node("details", "reference", node("summary", "", "Reference solution"), node("p", "", card.reference));
}

// ---- steps, side by side -------------------------------------------------------------------------------

function rowsOf(card) {
  const shown = node("ol", "rows", ...card.rows.map((row) => rowOf(row, card)));
  shown.setAttribute("aria-label", "Steps of the solution");
  return shown;
}

function rowOf(row, card) {
  const about = card.findings.filter((finding) => finding.index >= row.steps[0] && finding.index <= row.steps[1]);
  const body = node("div", "", row.same ? node("div", "text", ...own(row.same)) : sides(row), evidence(about));
  return node("li", "row", gutter(row, about), body);
}

function gutter(row, about) {
  const wrong = about.some((finding) => finding.verdict === "wrong");
  const right = !wrong && about.some((finding) => finding.verdict === "right");
  const sign = wrong ? node("span", "bad", " ✗") : right ? node("span", "good", " ✓") : "";
  if (sign) sign.setAttribute("aria-label", wrong ? "wrong" : "right");
  return node("div", "gutter", steps(row.steps), sign);
}

function own(pieces) {
  const shown = pieces.map(([text, marks]) => (marks.includes("w") ? node("u", "", text) : text));
  return pieces.some(([text]) => text) ? shown : [node("span", "blank", "(empty)")];
}

function sides(row) {
  const after = row.by.length ? `refined by ${row.by.join(", ")}` : "refined";
  return node("div", "sides", side("native", "as the student wrote it", row.native, "del"), side("refined", after, row.refined, "ins"));
}

function side(kind, title, pieces, name) {
  const shown = pieces.map(([text, marks]) => {
    const inner = marks.includes("w") ? node("u", "", text) : text;
    return marks.includes("c") ? node(name, "", inner) : node("span", marks.includes("e") ? "" : "own", inner);
  });
  const empty = pieces.every(([text]) => !text);
  return node("div", `side ${kind}`, node("h4", "", title), node("div", "text", ...(empty ? [node("span", "blank", "(nothing)")] : shown)));
}

function evidence(about) {
  const wrong = about.filter((finding) => finding.verdict === "wrong" && (finding.evidence || finding.source));
  if (!wrong.length) return null;
  return node("ul", "evidence", ...wrong.map((finding) => node("li", "", node("span", "bad", "✗ wrong: "), finding.evidence || "no evidence given",
    node("span", "said", ` (${finding.source}, confidence ${number(finding.confidence)})`))));
}

// ---- surprisal -----------------------------------------------------------------------------------------

function shade(value, end) {
  return Math.max(0, Math.min(SHADES - 1, Math.floor((value / (end || 1)) * SHADES)));
}

function strips(card) {
  const scorer = `${card.style.scorer} (${card.style.label})`;
  if (!card.tokens) {
    const end = data.scales[`${card.file}\n${card.student}`] || 1;
    return [strip(`Surprisal of the refined text by step · ${scorer}`, stepCells(card, end), end)];
  }
  const end = tokenEnd(card.file);
  const sides = ["native", "refined"].filter((side) => card.tokens[side]);
  return [
    ...sides.map((side) => strip(`Surprisal of the ${side} text by token · ${scorer}`, tokenCells(card.tokens[side], end, side), end)),
    heated(card.tokens[sides.at(-1)], end),
  ];
}

// The text itself, every token on the colour of its surprisal.
function heated(tokens, end) {
  const shown = tokens.map(([text, value, edited]) => {
    const place = shade(value, end);
    return node(edited ? "ins" : "span", `hot q${place}${place >= 4 ? " deep" : ""}`, text);
  });
  return node("details", "heated", node("summary", "", "Read the text by surprisal"), node("div", "text", ...shown));
}

// The 95th percentile of the shown tokens of a file.
function tokenEnd(file) {
  if (!(file in tokenEnds)) {
    const cards = data.cards.filter((card) => card.file === file && card.tokens);
    const values = cards.flatMap((card) => Object.values(card.tokens).flat().map((token) => token[1])).sort((a, b) => a - b);
    tokenEnds[file] = values[Math.floor(0.95 * (values.length - 1))] || 1;
  }
  return tokenEnds[file];
}

function strip(title, cells, end) {
  const readout = node("div", "readout", "Point at a cell to read it.");
  const told = [...cells.children].slice(0, 60).map((cell) => cell.title).join("; ");
  cells.setAttribute("role", "img");
  cells.setAttribute("aria-label", `${title}. ${told}`);
  for (const kind of ["pointerover", "focusin", "click"]) {
    cells.addEventListener(kind, (event) => { if (event.target.title) readout.textContent = event.target.title; });
  }
  const caption = node("div", "caption", node("span", "", title), scale(end));
  return node("div", "strip", caption, cells, readout);
}

function scale(end) {
  const shades = Array.from({ length: SHADES }, (_, index) => node("i", `q${index}`));
  return node("span", "scale", "0", ...shades, `≥ ${number(end)} nats per token`);
}

function stepCells(card, end) {
  const cells = card.style.steps.map(([index, mean, tokens, edited]) => {
    const cell = cellOf(`step ${index + 1}: ${number(mean)} nats per token over ${tokens} tokens${edited ? ", edited" : ""}`, mean, end, edited);
    cell.style.flexGrow = String(tokens);
    cell.textContent = String(index + 1);
    return cell;
  });
  return node("div", "cells", ...cells);
}

function tokenCells(tokens, end, side) {
  const cells = tokens.map(([text, value, edited]) => cellOf(`“${text}” ${number(value)} nats${edited ? ", edited" : ""}`, value, end, edited));
  return node("div", `cells fine ${side === "native" ? "gone" : ""}`, ...cells);
}

function cellOf(title, value, end, edited) {
  const place = shade(value, end);
  const cell = node("span", `cell q${place}${place >= 4 ? " deep" : ""}${edited ? " edited" : ""}`);
  cell.title = title;
  return cell;
}

// ---- figures -------------------------------------------------------------------------------------------

function numbers(card) {
  const shown = [];
  const say = (name, value) => shown.push(node("div", "", node("dt", "", name), node("dd", "", value)));
  if (card.preserved !== undefined && card.edits) say("preserved", `${(100 * card.preserved).toFixed(0)} %`);
  if (card.style) styleNumbers(card.style, say);
  if (card.gate) say("style gate", gate(card.gate));
  if (card.utility) say("utility", utility(card.utility));
  return node("dl", "numbers", ...shown);
}

function styleNumbers(style, say) {
  if (style.ppl !== null) say("perplexity", number(style.ppl));
  if (style.drift) say("drift", `${signed(style.drift, 3)} nats per token`);
  if (style.edit_drift !== null) say("on the edited spans", signed(style.edit_drift));
  if (style.rsr !== null) say("rank-surprisal ratio", number(style.rsr));
  if (style.reason) say("no figure because", style.reason);
}

function gate(found) {
  const sign = found.passed ? "passed" : "not passed";
  if (found.reason) return `${sign} (${found.reason})`;
  return `${sign}: ${number(found.statistic)} ${found.statistic <= found.threshold ? "≤" : ">"} ${number(found.threshold)} over ${found.tokens} tokens`;
}

function utility(worth) {
  if (worth.total === null) return `not computed; benefit ${number(worth.benefit, 1)}`;
  return `${number(worth.total)} = ${number(worth.benefit, 1)} − ${worth.lambda} × ${number(worth.cost, 3)}`;
}

function tried(card) {
  const items = card.tried.map(([rewriter, reason]) => node("li", "", node("b", "", rewriter), `: ${reason}`));
  const title = `${card.tried.length} candidate${card.tried.length > 1 ? "s" : ""} not taken`;
  return node("details", "tried", node("summary", "", title), node("ul", "", ...items));
}

// ---- the list ------------------------------------------------------------------------------------------

function show() {
  const found = matching();
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  state.page = Math.max(0, Math.min(pages - 1, state.page));
  list.replaceChildren(...found.slice(state.page * PAGE, (state.page + 1) * PAGE).map(cardOf));
  document.querySelector(".found").textContent = found.length === 1 ? "1 trajectory" : `${found.length} trajectories`;
  pager.hidden = pages === 1;
  pager.querySelector(".at").textContent = `page ${state.page + 1} of ${pages}`;
  for (const button of pager.querySelectorAll("button")) {
    button.disabled = !(state.page + Number(button.dataset.turn) in Array.from({ length: pages }));
  }
  for (const tile of document.querySelectorAll(".tile")) {
    tile.setAttribute("aria-pressed", String(tile.dataset.outcome === state.outcome));
  }
}

function choose(name, value) {
  if (state[name] === value) return;
  state[name] = value;
  state.page = 0;
  show();
}

function toTheList(focus) {
  const title = document.getElementById("trajectories");
  if (focus) title.focus({ preventScroll: true });
  title.scrollIntoView();
}

function choices(select, pairs) {
  for (const [value, name] of pairs) {
    const option = node("option", "", name);
    option.value = value;
    select.append(option);
  }
}

function start() {
  const outcomes = [...document.querySelectorAll(".tile")].map((tile) => tile.dataset.outcome);
  choices(form.elements.outcome, outcomes.map((name) => [name, name]));
  choices(form.elements.file, data.files.map((name, index) => [String(index), name]));
  if (data.files.length < 2) form.elements.file.parentElement.hidden = true;
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const kind of ["input", "change"]) form.addEventListener(kind, (event) => choose(event.target.name, event.target.value));
  for (const tile of document.querySelectorAll(".tile")) {
    tile.addEventListener("click", () => {
      choose("outcome", state.outcome === tile.dataset.outcome ? "" : tile.dataset.outcome);
      form.elements.outcome.value = state.outcome;
      toTheList(false);
    });
  }
  pager.addEventListener("click", (event) => {
    const turn = event.target.dataset.turn;
    if (turn) { state.page += Number(turn); show(); toTheList(true); }
  });
  show();
}

start();
