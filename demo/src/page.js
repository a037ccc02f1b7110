// Tells the inspector beside an answer that there is something new, and brings the answer into view on a small screen.
// Without this script the inspector finds out by itself, a little later.
for (const answer of document.querySelectorAll("iframe[name^=answer]")) {
  const section = answer.closest("section");
  let asked = false;
  section.addEventListener("submit", () => (asked = true));
  answer.addEventListener("load", () => {
    const inspector = section.querySelector("iframe[name^=inspector]");
    inspector.contentWindow?.postMessage("update", location.origin);
    if (asked && matchMedia("(max-width: 52rem)").matches) answer.parentElement.scrollIntoView({ block: "nearest", behavior: "smooth" });
    asked = false;
  });
}
