// passport-oauth2: what web frameworks sign people in with. A strategy is authenticated as its
// middleware would do it: once to be sent away, once coming back.
import OAuth2Strategy from 'passport-oauth2'
import { check, done, issuer, redirect, subscriber } from './subscriber.mjs'

const strategy = new OAuth2Strategy({
  authorizationURL: `${issuer}/oauth/v4/authorize`, tokenURL: `${issuer}/oauth/v4/token`,
  clientID: 'pizza-key', clientSecret: 'pizza-secret', callbackURL: redirect, scope: ['IMMN', 'MIM'], scopeSeparator: ',',
}, (access, refresh, params, profile, verified) => verified(null, { access, refresh, params }))

const authenticate = (query, options = {}) => new Promise((resolve, reject) => {
  const attempt = Object.create(strategy)
  attempt.redirect = (address) => resolve({ address })
  attempt.success = (user) => resolve({ user })
  attempt.fail = (why) => resolve({ why })
  attempt.error = reject
  attempt.authenticate({ query, headers: {}, url: '/' }, options)
})

let { address } = await authenticate({}, { state: 'here' })
let back = await subscriber(address)
const { user } = await authenticate(Object.fromEntries(back.searchParams))
check('signed in', user.access && user.refresh && user.params.scope === 'IMMN,MIM')

address = (await authenticate({}, { state: 'deny' })).address
back = await subscriber(address)
const { why } = await authenticate(Object.fromEntries(back.searchParams))
check('denial', why && why.message)
done()
