// A form with data-upload sends its files one by one, three at a time, with a bar for each; files may be dropped on it.
// Without this the same form sends them all at once. Where it ends: the page of the batch.

const AT_ONCE = 3
const form = document.querySelector("form[data-upload]")
const input = document.querySelector("[data-drop] input[type=file]")
const zone = document.querySelector("[data-drop]")
const list = document.querySelector("[data-files]")

for (const name of ["dragover", "dragleave", "drop"]) {
  zone.addEventListener(name, (event) => {
    event.preventDefault()
    zone.classList.toggle("over", name === "dragover")
    if (name === "drop" && event.dataTransfer.files.length > 0) {
      input.files = event.dataTransfer.files
      input.dispatchEvent(new Event("change", { bubbles: true }))
    }
  })
}

function row(file) {
  const item = document.createElement("li")
  const name = document.createElement("span")
  const state = document.createElement("span")
  const bar = document.createElement("progress")
  name.textContent = file.name
  name.className = "break"
  state.textContent = `${(file.size / 1048576).toFixed(1)} MB`
  bar.max = file.size || 1
  bar.value = 0
  bar.setAttribute("aria-label", file.name)
  item.append(name, bar, state)
  list.append(item)
  return { bar, state }
}

input.addEventListener("change", () => {
  list.replaceChildren()
  for (const file of input.files) row(file)
})

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

function send(file, fields, shown) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest()
    const body = new FormData()
    for (const [name, value] of fields) body.append(name, value)
    body.append("files", file, file.name)
    request.open("POST", form.dataset.upload)
    request.responseType = "json"
    request.setRequestHeader("X-CSRFToken", form.elements.csrf_token.value)
    request.upload.addEventListener("progress", (event) => { shown.bar.value = Math.min(event.loaded, shown.bar.max) })
    request.addEventListener("loadend", () => resolve(request))
    request.send(body)
  })
}

async function bring(file, fields, shown) {
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    shown.state.textContent = "Sending"
    const answer = await send(file, fields, shown)
    if (answer.status === 202) {
      shown.state.textContent = "Accepted"
      return true
    }
    if (answer.status === 422) {
      shown.state.textContent = answer.response?.refused?.[0]?.reason ?? answer.response?.detail ?? "Not accepted"
      return Boolean(answer.response?.batch_id)
    }
    if (answer.status !== 0 && answer.status !== 503 && answer.status !== 429) {
      shown.state.textContent = answer.response?.detail ?? `The portal answered ${answer.status}`
      return false
    }
    shown.state.textContent = "The portal is busy; trying again"
    await pause(Number(answer.getResponseHeader("Retry-After")) || attempt * 2)
  }
  shown.state.textContent = "Not sent. Check the connection and choose the file again."
  return false
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault()
  const button = form.querySelector("button[type=submit]")
  button.disabled = true
  list.replaceChildren()
  const fields = [...new FormData(form)].filter(([name, value]) => !["files", "csrf_token"].includes(name) && value !== "")
  const waiting = [...input.files].map((file) => [file, row(file)])
  let arrived = 0
  let lost = 0
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      if (await bring(next[0], fields, next[1])) arrived += 1
      else lost += 1
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  if (arrived > 0 && lost === 0) location.assign(`/documents/batches/${form.elements.batch_id.value}`)
  else button.disabled = false
})
