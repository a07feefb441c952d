// Leaving a page with a form that was changed and not sent asks first. Forms say so with data-ask-before-leaving.

const changed = new Set()

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-ask-before-leaving]")
  if (form) changed.add(form)
})

document.addEventListener("submit", (event) => changed.delete(event.target))

window.addEventListener("beforeunload", (event) => {
  if (changed.size > 0) event.preventDefault()
})
