// oauth4webapi: the low-level client, strict about every answer.
import * as oauth from 'oauth4webapi'
import { check, done, issuer, redirect, subscriber } from './subscriber.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }
const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { ...insecure, algorithm: 'oauth2' }))
check('discovery', as.code_challenge_methods_supported.includes('S256'))

const client = { client_id: 'pizza-key' }
for (const [name, auth] of [['post', oauth.ClientSecretPost('pizza-secret')], ['basic', oauth.ClientSecretBasic('pizza-secret')]]) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const address = new URL(as.authorization_endpoint)
  address.search = new URLSearchParams({
    client_id: 'pizza-key', redirect_uri: redirect, response_type: 'code', scope: 'IMMN', state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  })
  const back = oauth.validateAuthResponse(as, client, await subscriber(address), state)
  let response = await oauth.authorizationCodeGrantRequest(as, client, auth, back, redirect, verifier, insecure)
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response)
  check(`authorization code, ${name}`, tokens.access_token && tokens.token_type === 'bearer')
  response = await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, insecure)
  check(`refresh, ${name}`, (await oauth.processRefreshTokenResponse(as, client, response)).access_token)
  response = await oauth.introspectionRequest(as, client, auth, tokens.access_token, insecure)
  check(`introspection, ${name}`, (await oauth.processIntrospectionResponse(as, client, response)).active)
  response = await oauth.revocationRequest(as, client, auth, tokens.refresh_token, insecure)
  await oauth.processRevocationResponse(response)
  response = await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'SMS' }, insecure)
  check(`client credentials, ${name}`, (await oauth.processClientCredentialsResponse(as, client, response)).scope === 'SMS')
}
done()
