// A tick box with data-shows="id id" shows what is typed into these password fields. Without scripts it stays hidden.

for (const box of document.querySelectorAll("input[data-shows]")) {
  const fields = box.dataset.shows.split(" ").map((id) => document.getElementById(id))
  box.closest("[hidden]").hidden = false
  box.addEventListener("change", () => {
    for (const field of fields) field.type = box.checked ? "text" : "password"
  })
  // Sent as text, a browser would offer it again under every form.
  box.form.addEventListener("submit", () => {
    for (const field of fields) field.type = "password"
  })
}
