// Ask, compare, vote and forget: the page of `gmt serve`. It calls nothing but the gateway that sent it.
"use strict";

const byId = (id) => document.getElementById(id);
let asked = null; // what is on the screen and can be voted on

function headers() {
  const found = { "content-type": "application/json" };
  if (byId("key").value) found.authorization = `Bearer ${byId("key").value}`;
  return found;
}

async function call(method, path, body) {
  const got = await fetch(path, { method, headers: headers(), body: body && JSON.stringify(body) });
  if (got.ok) return got;
  if (got.status === 401) byId("key-row").hidden = false;
  let said = `The gateway answered ${got.status}.`;
  try { said = (await got.json()).error.message; } catch { /* no JSON: the status has to do */ }
  throw new Error(said);
}

const tell = (text) => { byId("status").textContent = text; };

// Show an answer while it comes; the text is set as text, so whatever a model writes stays text.
async function stream(model, paragraph) {
  const body = { model, user: byId("user").value, stream: true, messages: [{ role: "user", content: byId("question").value }] };
  const got = await call("POST", "v1/chat/completions", body);
  const reader = got.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    held += value;
    const lines = held.split("\n");
    held = lines.pop();
    for (const line of lines) {
      const data = line.trim();
      if (!data.startsWith("data:") || data.endsWith("[DONE]")) continue;
      const event = JSON.parse(data.slice(5));
      if (event.error) throw new Error(event.error.message);
      paragraph.textContent += event.choices?.[0]?.delta?.content ?? "";
    }
  }
  return got.headers;
}

function card(title) {
  const article = document.createElement("article");
  const heading = article.appendChild(document.createElement("h2"));
  heading.textContent = title;
  byId("answers").append(article);
  return { heading, text: article.appendChild(document.createElement("p")) };
}

function offer(votes) {
  byId("votes").replaceChildren(...votes.map(([label, body]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", () => vote(button, body));
    return button;
  }));
  byId("votes").hidden = false;
}

async function ask(event) {
  event.preventDefault();
  byId("go").disabled = true;
  byId("answers").replaceChildren();
  for (const id of ["votes", "why", "about"]) byId(id).hidden = true;
  byId("answers").hidden = false;
  tell("Asking …");
  try {
    await (document.querySelector("input[name=show]:checked").value === "two" ? askTwo() : askOne());
    tell("");
  } catch (error) {
    tell(error.message);
  }
  byId("go").disabled = false;
}

async function askOne() {
  const only = card("…");
  const got = await stream("gmt/auto", only.text);
  only.heading.textContent = got.get("x-gmt-model");
  asked = { decision: got.get("x-gmt-decision"), cards: [], reason: got.get("x-gmt-reason"), event: null };
  why();
  if (asked.decision) offer([["Good answer", { thumb: "up" }], ["Bad answer", { thumb: "down" }]]);
}

async function askTwo() {
  const body = { user: byId("user").value, query: byId("question").value };
  const found = await (await call("POST", "v1/route", body)).json();
  // The two best, in an order that tells nothing; names are shown after the vote.
  const models = found.ranking.slice(0, 2).map((row) => row.model);
  if (Math.random() < 0.5) models.reverse();
  const cards = models.map((model, at) => ({ model, ...card(`Answer ${at + 1}`) }));
  await Promise.all(cards.map((one) => stream(one.model, one.text)));
  asked = { decision: found.decision, cards, reason: found.reason, event: null };
  if (cards.length < 2) { reveal(); return; }
  const [left, right] = models;
  offer([
    ["Answer 1 is better", { winner: left, loser: right }],
    ["They are equal", { winner: left, loser: right, tie: true }],
    ["Answer 2 is better", { winner: right, loser: left }],
  ]);
}

function why() {
  byId("reason").textContent = asked.reason ?? "";
  byId("why").hidden = !asked.reason;
}

function reveal() {
  for (const one of asked.cards) one.heading.textContent = one.model;
  why();
}

async function vote(button, body) {
  const now = asked;
  try {
    // A change of mind takes the earlier vote back first.
    if (now.event) await call("DELETE", `v1/feedback/${now.event}`);
    const found = await (await call("POST", "v1/feedback", { decision: now.decision, ...body })).json();
    now.event = found.id;
    for (const other of byId("votes").children) other.setAttribute("aria-pressed", String(other === button));
    tell(`Thank you. gmt knows ${found.votes} of your votes.`);
    reveal();
  } catch (error) {
    tell(error.message);
  }
}

async function showLikes() {
  if (!byId("user").reportValidity()) return;
  try {
    const found = await (await call("GET", `v1/users/${encodeURIComponent(byId("user").value)}`)).json();
    const likes = Object.entries(found.likes);
    const low = Math.min(...likes.map((one) => one[1])), high = Math.max(...likes.map((one) => one[1]));
    byId("known").textContent = `From ${found.votes} votes and ${found.decisions.length} questions; the fuller, the better you like it.`;
    byId("likes").replaceChildren(...likes.map(([model, score]) => {
      const item = document.createElement("li");
      const bar = document.createElement("meter");
      bar.value = high > low ? 0.05 + 0.95 * (score - low) / (high - low) : 1;
      bar.setAttribute("aria-label", `how much you like ${model}`);
      const name = document.createElement("span");
      name.textContent = model;
      item.append(name, bar);
      return item;
    }));
    byId("about").hidden = false;
    tell("");
  } catch (error) {
    byId("about").hidden = true;
    tell(error.message);
  }
}

async function forget() {
  if (byId("sure").returnValue !== "yes") return;
  try {
    const found = await (await call("DELETE", `v1/users/${encodeURIComponent(byId("user").value)}`)).json();
    for (const id of ["answers", "votes", "why", "about"]) byId(id).hidden = true;
    asked = null;
    tell(`Forgotten: ${found.rounds} rounds. ${found.remains.join(" ")}`);
  } catch (error) {
    tell(error.message);
  }
}

byId("ask").addEventListener("submit", ask);
byId("likes-button").addEventListener("click", showLikes);
byId("forget").addEventListener("click", () => { if (byId("user").reportValidity()) { byId("sure").returnValue = "no"; byId("sure").showModal(); } });
byId("sure").addEventListener("close", forget);
byId("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
});
