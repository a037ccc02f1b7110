// One page, two backends: `hipflask play` answers on this machine, and WebAssembly in the book.
const form = document.querySelector("#play");
const part = (name) => document.querySelector(`#play-${name}`);

async function askServer(request) {
  const response = await fetch("/answer", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: request,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

async function loadWasm(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error("this book was built without WebAssembly; run `hipflask play` instead");
  const { instance } = await WebAssembly.instantiate(await response.arrayBuffer(), {});
  const { memory, alloc, free, answer } = instance.exports;
  return async (request) => {
    const bytes = new TextEncoder().encode(request);
    const input = alloc(bytes.length);
    new Uint8Array(memory.buffer, input, bytes.length).set(bytes);
    const output = answer(input, bytes.length);
    free(input, bytes.length);
    const length = new DataView(memory.buffer).getUint32(output, true);
    const text = new TextDecoder().decode(new Uint8Array(memory.buffer, output + 4, length));
    free(output, 4 + length);
    return text;
  };
}

const wasm = form.dataset.wasm ?? form.parentElement.dataset.wasm;
let backend;
const ask = async (request) => {
  backend ??= wasm ? await loadWasm(new URL(wasm, document.baseURI)) : askServer;
  return backend(request);
};

function requestOf(action) {
  const field = (name) => form.elements[name].value;
  const keys = [field("key"), ...field("fallbacks").split("\n")];
  const settings = Object.fromEntries(["salt", "digest", "derivation", "lifetime"].map((name) => [name, field(name)]));
  const now = Math.floor(Date.now() / 1000);
  return JSON.stringify({ action, now, cookie: field("cookie"), session: field("session"), keys, ...settings });
}

function show(answer) {
  part("answer").dataset.ok = answer.ok;
  part("title").textContent = answer.title;
  part("rows").replaceChildren(...answer.rows.flatMap(([label, text]) => [element("dt", label), element("dd", text)]));
  part("heading").textContent = answer.heading;
  part("points").replaceChildren(...answer.points.map((point) => element("li", point)));
  if (answer.session !== undefined) part("session").value = answer.session;
  if (answer.session !== undefined) part("tags").textContent = answer.tags.length ? `Flask's tags: ${answer.tags.join(", ")}` : "";
  part("signed").textContent = answer.cookie ?? "";
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

const failed = (error) => ({ ok: false, title: "No answer", rows: [["why", error.message]], heading: "", points: [] });

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  // Enter in a field has the first button as its submitter; with a key, people want to verify.
  const typed = event.submitter?.value ?? "decode";
  const action = document.activeElement === part("key") ? "verify" : typed;
  try {
    show(JSON.parse(await ask(requestOf(action))));
  } catch (error) {
    show(failed(error));
  }
});
