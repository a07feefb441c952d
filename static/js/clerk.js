// Signing in through Clerk. A session of Clerk's is handed in once for one of the portal; without one Clerk's form shows.

const page = document.querySelector("[data-clerk]")
const part = (name) => page.querySelector(`[data-clerk-${name}]`)
// Without what stands behind a #: going there loads the page anew.
const here = location.pathname === "/login" ? location.pathname + location.search : "/login"
const TRIES = 3
const WITHIN = 60000   // milliseconds: after so many tries in this time something sends the browser round in circles
let busy = false

function inTrouble() {
  part("busy").hidden = true
  part("trouble").hidden = false
}

function goesRound() {
  const before = JSON.parse(sessionStorage.getItem("portal-sign-in") || "[]").filter((at) => Date.now() - at < WITHIN)
  sessionStorage.setItem("portal-sign-in", JSON.stringify([...before, Date.now()]))
  return before.length >= TRIES
}

async function handIn(clerk) {
  if (busy) return
  busy = true
  const form = part("hand-in")
  // A fresh one: the browser's copy may have run out while the tab slept, and each is good once.
  form.elements.token.value = (await clerk.session.getToken({ skipCache: true })) || ""
  form.submit()
}

async function offer(clerk) {
  if (clerk.session?.status === "active") {
    if (goesRound()) return inTrouble()
    return handIn(clerk)
  }
  part("busy").hidden = true
  clerk.mountSignIn(part("form"), { routing: "hash", forceRedirectUrl: here, signUpForceRedirectUrl: here })
  clerk.addListener(({ session }) => {
    if (session?.status === "active") handIn(clerk).catch(inTrouble)
  })
}

async function begin() {
  const clerk = window.Clerk
  await clerk.load({ ui: { ClerkUI: window.__internal_ClerkUICtor } })
  const mode = page.dataset.clerk
  if (mode === "over" && clerk.session) return clerk.signOut({ redirectUrl: here })
  if (mode === "wait") return setTimeout(() => clerk.session ? handIn(clerk).catch(inTrouble) : location.assign(here), 2000)
  if (mode !== "refused") return offer(clerk)
  part("account").hidden = part("other").hidden = !clerk.session
  part("account").addEventListener("click", () => clerk.openUserProfile())
  part("other").addEventListener("click", () => clerk.signOut({ redirectUrl: here }))
}

begin().catch(inTrouble)
