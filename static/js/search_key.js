// The key "/" leads to the search field of the page, except while somebody is typing (WCAG 2.1.4).

const search = document.querySelector("[data-search-key]")

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !search) return
  if (event.target.closest("input, select, textarea, [contenteditable]")) return
  event.preventDefault()
  search.focus()
  search.select()
})
