// What is typed into a form survives a closed browser: docs/security.md, "Drafts".

const WEEK = 7 * 24 * 3600 * 1000
const mine = `draft:${document.body.dataset.user}:`
const LIKE_AADHAAR = /(?<!\d)[2-9]\d{3}[ \u00a0-]?\d{4}[ \u00a0-]?\d{4}(?!\d)/
const NEVER = "[type=hidden], [type=password], [type=file], [autocomplete=one-time-code], [data-sealed], button"

const read = (key) => JSON.parse(localStorage[key] ?? null)
const isBox = (field) => field.matches("[type=checkbox], [type=radio]")
const kept = (form) => [...form.elements].filter((field) => field.name && !field.matches(NEVER))

// The same form of the same record in the same state: a draft never undoes what a colleague has saved meanwhile.
function keyOf(form) {
  const about = form.querySelectorAll("[type=hidden]:is([name=client_id], [name=line], [name=kind], [name=version])")
  return [mine, form.getAttribute("action"), ...[...about].map((field) => field.name + field.value)].join(" ")
}

const typedInto = (form) => kept(form)
  .filter((field) => (!isBox(field) || field.checked) && !LIKE_AADHAAR.test(field.value))
  .map((field) => [field.name, field.value])

function keep(form) {
  const fields = typedInto(form)
  if (!fields.length || form.querySelector("[data-draft]")) return   // not before that is decided
  localStorage[keyOf(form)] = JSON.stringify({ at: Date.now(), fields })
}

function restore(form, fields) {
  for (const field of kept(form)) {
    const values = fields.filter(([name]) => name === field.name).map(([, value]) => value)
    if (isBox(field)) field.checked = values.includes(field.value)
    else field.value = values[0] ?? field.value
  }
  for (const name of ["input", "change"]) form.dispatchEvent(new Event(name, { bubbles: true }))
  // Rows that the fresh form has no place for: the server makes it.
  const more = form.querySelector("[value=add-person]")
  const further = more ? fields.filter(([name, value]) => value && !form.elements[name]) : []
  for (const [name, value] of further) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }))
  }
  if (further.length) form.requestSubmit(more)
}

function offer(form, { at, fields }) {
  const notice = document.querySelector("#draft").content.firstElementChild.cloneNode(true)
  notice.querySelector("b").textContent = new Date(at).toLocaleString("en-GB").slice(0, -3)
  notice.addEventListener("click", ({ target }) => {
    if (!target.value) return
    notice.remove()
    if (target.value === "keep") restore(form, fields)
    else delete localStorage[keyOf(form)]
  })
  form.prepend(notice)
}

function forget(isOver) {
  for (const key of Object.keys(localStorage)) if (key.startsWith("draft:") && isOver(key)) delete localStorage[key]
}

// A form is saved when its answer led on to another address; neither a refusal nor a lost connection does.
const sent = JSON.parse(sessionStorage.sent ?? null)
delete sessionStorage.sent
const ledOn = performance.getEntriesByType("navigation")[0]?.redirectCount && document.referrer === sent?.from
forget((key) => !key.startsWith(mine) || Date.now() - read(key).at > WEEK || (ledOn && key === sent.key))

let pause = 0
for (const form of document.querySelectorAll("form[data-ask-before-leaving]")) {
  const draft = read(keyOf(form))
  if (form.dataset.askBeforeLeaving) keep(form)
  else if (draft && String(draft.fields) !== String(typedInto(form))) offer(form, draft)
  form.addEventListener("input", () => {
    clearTimeout(pause)
    pause = setTimeout(keep, 400, form)
  })
  form.addEventListener("submit", () => {
    clearTimeout(pause)
    keep(form)
    sessionStorage.sent = JSON.stringify({ key: keyOf(form), from: location.href.split("#")[0] })
  })
}

document.addEventListener("submit", ({ target }) => {
  if (target.matches("[action='/logout']")) forget(() => true)
})
