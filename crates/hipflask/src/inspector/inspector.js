// Keeps the page up to date: asks for the fragment and shows it if there is a newer response. Works without a script, too:
// then the page loads itself anew.
(() => {
  const place = document.getElementById("hipflask-inspector");
  const number = (node) => Number(node.querySelector("[data-exchange]")?.dataset.exchange ?? 0);
  let busy = false;
  async function update() {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const response = await fetch("session/fragment", { cache: "no-store" });
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").body;
      if (number(fresh) !== number(place)) place.replaceChildren(...fresh.childNodes);
    } catch {
      // The server is gone or starting anew; the next turn tells.
    } finally {
      busy = false;
    }
  }
  setInterval(update, 500);
  addEventListener("message", (event) => {
    if (event.origin === location.origin) update();
  });
})();
