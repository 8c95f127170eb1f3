"use strict";

const MAX_PICTURE = 4 * 2 ** 20; // bytes, as the service bounds them
const MAX_SIDE = 1600; // pixels of a picture that is redrawn: more than any release looks at
const TOP = 8;
const $ = (id) => document.getElementById(id);

/** An element with attributes and children; text is never read as HTML. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Asking ------------------------------------------------------------------------------------------------------------

/** The service's answer and its latency; throws an error whose message a person can read. */
async function ask(path, body) {
  const picture = body instanceof Blob;
  const headers = { "content-type": picture ? body.type : "application/json" };
  if ($("key").value) headers.authorization = `Bearer ${$("key").value}`;
  const started = performance.now();
  let response;
  try {
    response = await fetch(path, { method: "POST", headers, body: picture ? body : JSON.stringify(body) });
  } catch {
    throw new Error("The service cannot be reached. Is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(inPlainWords(response, answer));
  return { answer, ms: performance.now() - started };
}

function inPlainWords(response, { error = "", remedy = "", detail = [] }) {
  const wait = response.headers.get("retry-after");
  if (response.status === 401) return "This service asks for a key. Open “API key” above and enter yours.";
  if (response.status === 413) return "That is too large for the service.";
  if (wait) return `The service is busy or limits you. Try again in ${wait} s.`;
  if (detail.length) return detail.map(({ loc, msg }) => `${loc.join(" ") || "The request"}: ${msg}.`).join(" ");
  if (error) return `${sentence(error)} ${sentence(remedy)}`;
  return `The service failed (${response.status}). Try again; its log says more.`;
}

const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "");

// Showing -----------------------------------------------------------------------------------------------------------

const percent = (score) => `${(100 * score).toFixed(score < 0.1 ? 2 : 1)} %`;
const words = (task) => task.replaceAll("_", " ");

/** A list of things with scores; a bar is as long as its score is of the best one's. */
function ranked(items) {
  const best = Math.max(...items.map(({ score }) => score), 1e-9);
  return make("ol", {}, ...items.map(({ name, more, score }) => {
    const fill = make("i");
    fill.style.width = `${(100 * Math.max(score, 0)) / best}%`;
    return make("li", { class: "score" }, make("span", {}, String(name)), make("b", {}, percent(score)),
      more ? make("span", { class: "dim" }, more) : null, make("div", { class: "bar", "aria-hidden": "true" }, fill));
  }));
}

const product = ({ text, category, department, bought, score }) =>
  ({ name: text, more: [category, department, bought ? "bought before" : ""].filter(Boolean).join(" · "), score });

/** What one head said, whatever its kind. */
function head(task, { label, labels, score, scores, items }) {
  const found = scores ? Object.entries(scores).map(([name, value]) => ({ name, score: value }))
    : (items ?? []).map((item) => ({ name: item.label ?? item.text ?? item.item_id, score: item.score }));
  const verdict = labels ? labels.join(", ") || "none of them" : label ?? (found.length ? "" : score?.toFixed(2) ?? "");
  return [make("h3", {}, words(task), verdict ? `: ${verdict}` : ""), found.length ? ranked(found.slice(0, TOP)) : null];
}

const heads = ({ tasks }) => Object.entries(tasks).flatMap(([task, answer]) => head(task, answer));

function stamp({ answer: { checkpoint, variant }, ms }) {
  const release = `release ${checkpoint.replace("sha256:", "").slice(0, 8)}`;
  return make("p", { class: "dim stamp" }, [`${ms.toFixed(0)} ms`, release, variant].filter(Boolean).join(" · "));
}

/** Show what `answering` gives in `region`, or why it failed; only the newest question of a region counts. */
async function show(region, answering) {
  const turn = (region.turn = (region.turn ?? 0) + 1);
  region.setAttribute("aria-busy", "true");
  let children;
  try {
    children = await answering();
  } catch (error) {
    children = [make("p", { class: "error" }, error.message)];
  }
  if (turn !== region.turn) return;
  region.replaceChildren(...children.filter(Boolean));
  region.setAttribute("aria-busy", "false");
}

// The four questions ------------------------------------------------------------------------------------------------

async function recommend() {
  const household_id = $("household").valueAsNumber;
  const bought = $("fresh").checked ? "drop" : "keep";
  // Not every release has the heads behind /household: its refusal must not hide the recommendations.
  const foreseen = ask("household", { household_id }).catch(() => null);
  const found = await ask("recommend", { household_id, top: TOP, bought, diversity: $("diversity").valueAsNumber });
  const { items = [], products = [], degraded } = found.answer;
  return [
    degraded ? make("p", { class: "notice" }, "The feature store is out of reach: these are defaults.") : null,
    facts((await foreseen)?.answer),
    ...(products.length ? [make("h3", {}, "Products"), ranked(products.map(product))] : []),
    ...(items.length ? [make("h3", {}, "Categories"), ranked(items.map(({ label, score }) => ({ name: label, score })))] : []),
    stamp(found),
  ];
}

function facts(answer) {
  const known = [["back within three days", answer?.next_action], ["no visit for a month", answer?.churn]];
  const told = known.filter(([, score]) => typeof score === "number");
  return told.length ? make("p", { class: "facts" }, ...told.map(([name, score]) =>
    make("span", {}, make("b", {}, percent(score)), ` ${name}`))) : null;
}

async function search() {
  const found = await ask("search", { query: $("query").value, top: TOP });
  const { products } = found.answer;
  return [products.length ? ranked(products.map(product)) : make("p", {}, "No product was found."), stamp(found)];
}

async function understand() {
  const found = await ask("understand", { text: $("text").value, top: TOP });
  return [...heads(found.answer), stamp(found)];
}

async function see(file) {
  const shown = make("img", { alt: "The picture that was sent" });
  const found = await ask("picture", await fitting(file));
  shown.addEventListener("load", () => URL.revokeObjectURL(shown.src));
  shown.src = URL.createObjectURL(file);
  return [shown, ...heads(found.answer), stamp(found)];
}

/** The picture as the service takes it: other formats and larger files are redrawn. */
async function fitting(file) {
  if (["image/png", "image/jpeg"].includes(file.type) && file.size <= MAX_PICTURE) return file;
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("This file is no picture that your browser can read.");
  }
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = make("canvas", { width: Math.ceil(bitmap.width * scale), height: Math.ceil(bitmap.height * scale) });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white"; // what shows through, to the service as well
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
}

// What a person does ------------------------------------------------------------------------------------------------

for (const [name, answering] of [["household", recommend], ["query", search], ["text", understand]]) {
  $(`${name}-form`).addEventListener("submit", (event) => {
    event.preventDefault();
    show($(`${name}-answer`), answering);
  });
}

for (const button of document.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => {
    $("household").value = Math.max(0, ($("household").valueAsNumber || 0) + Number(button.dataset.step));
    $("household-form").requestSubmit();
  });
}

$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("text-form").requestSubmit();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, textarea")) return;
  event.preventDefault();
  $("query").focus();
});

const seeFirst = (files) => files?.length && show($("picture-answer"), () => see(files[0]));
const drop = document.querySelector(".drop");
$("picture").addEventListener("change", () => seeFirst($("picture").files));
document.addEventListener("paste", (event) => seeFirst(event.clipboardData.files));
// A picture that misses the field must not replace the page.
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => event.preventDefault());
for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, () => drop.classList.add("over"));
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => seeFirst(event.dataTransfer.files));
