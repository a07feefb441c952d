// What makes the signed-in pages handier. Every page works without it; each part finds its elements by data-* and
// listens at the document, so that it also holds for HTML which htmx brings later.

const all = (selector, root = document) => [...root.querySelectorAll(selector)]
const one = (selector, root = document) => root.querySelector(selector)
const parsed = (html) => new DOMParser().parseFromString(html, "text/html")
const shown = (element) => element && element.getClientRects().length > 0
const reachable = (element) => shown(element.closest("details.menu") ?? element)   // in a closed menu, too

// Menus close on a click elsewhere and on Escape, which gives the focus back to their button.

document.addEventListener("click", (event) => {
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false
})

function closeMenus() {
  for (const menu of all("details.menu[open]")) {
    menu.open = false
    one("summary", menu).focus()
  }
}

// Leaving a page with a form that was changed and not sent asks first. Forms say so with data-ask-before-leaving, which
// is "typed" where the page answers a form that was sent: what stands in it is not saved yet.

const changed = new Set(all("form[data-ask-before-leaving=typed]"))

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-ask-before-leaving]")
  if (form) changed.add(form)
})

document.addEventListener("submit", (event) => changed.delete(event.target))

window.addEventListener("beforeunload", (event) => {
  if ([...changed].some((form) => form.isConnected)) event.preventDefault()
})

// What htmx asks for: the part of the page that waits is pale and says so; a lost connection is told; whoever was signed
// out meanwhile signs in on the spot, and what stands in the forms of the page is still there.

function say(sentence, kind = "ok") {
  const toast = document.createElement("div")
  toast.className = `toast ${kind}`
  toast.textContent = sentence
  one("#toasts").append(toast)
}

// Asked for with a GET, empty fields of a filter would only lengthen the address.
document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  if (ctx.request.method !== "GET") return
  for (const [name, value] of [...ctx.request.body]) if (value === "") ctx.request.body.delete(name)
})

// What renews itself is not waited for: each second it would turn pale for a moment, on a slow line for most of it.
const renewsItself = ({ sourceElement }) => sourceElement.getAttribute("hx-trigger")?.includes("every ")
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (!renewsItself(ctx)) ctx.target?.setAttribute("aria-busy", "true")
})
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => ctx.target?.removeAttribute("aria-busy"))
document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (ctx) say("The portal could not be reached. Check the connection and try again.", "bad")
})
let told = false   // what renews itself says it once, also when the dialog was closed; a button says it each time
document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail
  if (ctx.response.status !== 401) return
  event.preventDefault()
  if (!told || !renewsItself(ctx)) signInAgain()
  told = true
})

async function signInAgain() {
  const dialog = one("#sign-in-again")
  if (dialog.open) return
  const show = (html) => {
    const page = parsed(html), form = one("main form[method=post]", page)
    if (!form) return
    // Clerk's own form lives on its page alone, under a policy of its own.
    const way = "clerkHandIn" in form.dataset ? one("template", dialog).content.cloneNode(true) : form
    one(".body", dialog).replaceChildren(...all("main .errors", page), way)
    return form
  }
  const page = await fetch("/login", { headers: { Accept: "text/html" } })
  if (!show(await page.text())) return
  dialog.onsubmit = async (event) => {
    event.preventDefault()
    const answer = await fetch(event.target.action, { method: "POST", body: new FormData(event.target) })
    const html = await answer.text()
    if (new URL(answer.url).pathname.startsWith("/login")) return show(html)   // refused, or a second step
    if (!goOn(html)) location.reload()
  }
  dialog.showModal()
}

document.addEventListener("visibilitychange", async () => {
  if (document.hidden || !one("#sign-in-again a")) return
  goOn(await (await fetch("/account/keys", { redirect: "manual" })).text())
})

// Takes the form token of the new session from one of its pages; there is none before somebody signed in.
function goOn(html) {
  const fresh = parsed(html).body.getAttribute("hx-headers:inherited"), dialog = one("#sign-in-again")
  if (!fresh) return false
  document.body.setAttribute("hx-headers:inherited", fresh)
  for (const field of all("input[name=csrf_token]")) field.value = JSON.parse(fresh)["X-CSRFToken"]
  one(".body", dialog).replaceChildren()
  dialog.close()
  told = false
  say("You are signed in again. Press the button once more.")
  return true
}

// Ticking rows of a list: form[data-bulk] counts them; with the whole page ticked it offers all that match.

const boxes = (form) => all("input[name=chosen]", form)

function recount(form) {
  const rows = boxes(form), ticked = rows.filter((box) => box.checked).length
  const whole = one("[data-choose-page]", form), everything = one("input[name=everything]", form)
  if (whole) {
    whole.checked = ticked > 0 && ticked === rows.length
    whole.indeterminate = ticked > 0 && ticked < rows.length
  }
  if (everything && ticked < rows.length) everything.checked = false
  const count = everything?.checked ? Number(form.dataset.bulk) : ticked
  one("[data-count]", form).textContent = `${count.toLocaleString("en-IN")} selected`
}

// Another filter, other rows: what is still there stays ticked, "all that match" was said of the ones before.
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx.target?.id !== "main") return
  for (const box of all("form[data-bulk] input[name=everything]")) box.checked = false
  all("form[data-bulk]").forEach(recount)
})

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-bulk]")
  if (!form) return
  if (event.target.matches("[data-choose-page]")) for (const box of boxes(form)) box.checked = event.target.checked
  recount(form)
})

let lastTicked = null

function tick(range) {
  const row = document.activeElement.closest("[data-rows] tr"), box = row && one("input[name=chosen]", row)
  if (!box) return
  const rows = boxes(box.form), from = rows.indexOf(lastTicked), to = rows.indexOf(box)
  const meant = range && from >= 0 ? rows.slice(Math.min(from, to), Math.max(from, to) + 1) : [box]
  const on = range ? true : !box.checked
  for (const each of meant) each.checked = on
  lastTicked = box
  recount(box.form)
}

// The keys. Off while somebody types or a dialog is open, and for whoever switched them off (WCAG 2.1.4).

const busyWithText = (target) =>
  target.closest("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable], dialog")

function press(selector) {
  const row = document.activeElement.closest("[data-rows] > *")
  const found = (row && all(selector, row).find(shown)) || all(selector).find((it) => reachable(it) && !it.closest("[data-rows]"))
  found?.click()
  return found
}

// Rows say with data-r="/policies/{}/renewal" what a key does with the one that is marked.
function go(key) {
  const row = document.activeElement.closest("[data-rows] > *"), pattern = row?.parentElement.dataset[key]
  if (pattern) location.assign(pattern.replace("{}", one("a[href]", row).pathname.split("/").pop()))
  return pattern
}

function step(by) {
  const rows = all("[data-rows] > *").filter(shown), now = rows.indexOf(document.activeElement.closest("[data-rows] > *"))
  const row = rows[now < 0 ? (by > 0 ? 0 : rows.length - 1) : now + by]
  const link = row && one("a[href], button", row)
  link?.focus()
  link?.scrollIntoView({ block: "nearest" })
}

const KEYS = {
  "/": () => one("[data-search-key]")?.select(),
  "?": () => openHelp(),
  j: () => step(1),
  k: () => step(-1),
  x: () => tick(false),
  X: () => tick(true),
  "[": () => press("a[rel=prev]"),
  "]": () => press("a[rel=next]"),
}
let going = 0

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault()
    return openPalette()
  }
  if (event.key === "Escape") return closeMenus()
  if (event.ctrlKey || event.metaKey || event.altKey || busyWithText(event.target)) return
  if (!("keys" in document.body.dataset)) return
  if (Date.now() - going < 1500) {
    going = 0
    if (press(`nav [data-go="${CSS.escape(event.key)}"]`)) event.preventDefault()
  } else if (event.key === "g") going = Date.now()
  else if (KEYS[event.key]) {
    event.preventDefault()
    KEYS[event.key]()
  } else if (/^[a-z]$/.test(event.key) && (go(event.key) || press(`[data-key="${event.key}"]`))) event.preventDefault()
})

async function openHelp() {
  const dialog = one("#keys")
  if (!dialog.open) dialog.showModal()
  const box = one(".body", dialog)
  if (box.childElementCount) return
  const page = await fetch("/account/keys")
  box.replaceChildren(...all("#main .keymap", parsed(await page.text())))
}

// The command palette: pages, actions and records, all answered by the server. A combobox as ARIA describes it: the
// focus stays in the field, the arrows move the choice.

const palette = one("#palette")
let asked = 0

function openPalette() {
  if (!palette || palette.open) return
  palette.showModal()
  one("input", palette).select()
  fill()
}

async function fill() {
  const field = one("input", palette), list = one("[role=listbox]", palette), mine = ++asked
  const answer = await fetch(`/search/palette?q=${encodeURIComponent(field.value)}`)
  if (answer.status === 401 || answer.redirected) return location.reload()
  const html = await answer.text()
  if (mine !== asked || !answer.ok) return
  list.replaceChildren(...parsed(html).body.childNodes)
  choose(0)
}

function choose(number) {
  const options = all("[role=option]", palette), field = one("input", palette)
  for (const option of options) option.setAttribute("aria-selected", "false")
  const option = options[(number + options.length) % options.length]
  option?.setAttribute("aria-selected", "true")
  option?.scrollIntoView({ block: "nearest" })
  field.setAttribute("aria-activedescendant", option?.id ?? "")
  field.setAttribute("aria-expanded", String(options.length > 0))
}

function run(option) {
  palette.close()
  if (option.dataset.press) one(option.dataset.press)?.click()
  else location.assign(option.getAttribute("href"))
}

let pause = 0
palette?.addEventListener("input", () => {
  clearTimeout(pause)
  pause = setTimeout(fill, 120)
})
palette?.addEventListener("keydown", (event) => {
  const options = all("[role=option]", palette), now = options.findIndex((it) => it.getAttribute("aria-selected") === "true")
  if (event.key === "ArrowDown") choose(now + 1)
  else if (event.key === "ArrowUp") choose(now - 1)
  else if (event.key === "Enter" && options[now]) run(options[now])
  else return
  event.preventDefault()
})
document.addEventListener("click", (event) => {
  const option = event.target.closest("#palette [role=option]")
  if (option && !event.ctrlKey && !event.metaKey) {
    event.preventDefault()
    run(option)
  }
  if (event.target.closest("[data-open-palette]")) openPalette()
  const opener = event.target.closest("[data-open]")
  if (opener) opener.dataset.open === "#keys" ? openHelp() : one(opener.dataset.open).showModal()
  if (event.target.matches("dialog")) event.target.close()   // the backdrop
})

// A part of a page that the server renews: [data-live] names the stream. Without it the page's own link reloads.

const live = one("[data-live]")
if (live) {
  const source = new EventSource(live.dataset.live)
  const state = (words) => { one("[data-live-state]", live).textContent = words }
  source.addEventListener("live", ({ data }) => {
    // Whoever reads a table, selects a text or works by keyboard inside is not interrupted.
    if (one("details[open] > summary", live) || live.contains(document.activeElement) || String(getSelection())) return
    live.replaceChildren(...parsed(JSON.parse(data).html).body.childNodes)
    state(", live")
  })
  source.addEventListener("error", () => state(", the connection is lost; trying again"))
  window.addEventListener("pagehide", () => source.close())
}
