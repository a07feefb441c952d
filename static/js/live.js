// A part of a page that the server renews: [data-live] names the stream. Without it the page's own link reloads.
const part = document.querySelector("[data-live]")

if (part) {
  const source = new EventSource(part.dataset.live)
  const told = () => part.querySelector("[data-live-state]")

  source.addEventListener("live", (event) => {
    // Whoever reads a table, selects a text or works by keyboard inside is not interrupted.
    const open = [...part.querySelectorAll("details[open] > summary")].length > 0
    if (open || part.contains(document.activeElement) || String(getSelection())) return
    const fresh = new DOMParser().parseFromString(JSON.parse(event.data).html, "text/html")
    part.replaceChildren(...fresh.body.childNodes)
    told().textContent = ", live"
  })

  source.addEventListener("error", () => { told().textContent = ", the connection is lost; trying again" })

  window.addEventListener("pagehide", () => source.close())
}
