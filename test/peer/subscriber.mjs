// The subscriber is the test's: an authorization address goes out as a line on standard output, the
// redirect comes back as a line on standard input.
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

export async function subscriber(address) {
  console.log(`AUTHORIZE ${address}`)
  const { value } = await lines.next()
  return new URL(value)
}

export function check(what, ok) {
  if (!ok) throw new Error(what)
  console.log(`OK ${what}`)
}

export const { ISSUER: issuer, REDIRECT: redirect } = process.env

// fails reports whether a promise is rejected with an OAuth error.
export async function fails(promise, error) {
  try {
    await promise
  } catch (e) {
    return [e.error, e.cause?.error, e.data?.payload?.error].includes(error)
  }
  return false
}

export function done() {
  console.log('DONE')
  process.exit(0)
}
