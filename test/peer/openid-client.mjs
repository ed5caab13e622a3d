// openid-client: discovery, PKCE, PAR, refresh, introspection, revocation; DPoP and private_key_jwt.
import * as client from 'openid-client'
import { importPKCS8 } from 'jose'
import { check, done, fails, issuer, redirect, subscriber } from './subscriber.mjs'

const options = { algorithm: 'oauth2', execute: [client.allowInsecureRequests] }
const config = await client.discovery(new URL(issuer), 'pizza-key', 'pizza-secret', client.ClientSecretPost('pizza-secret'), options)
check('discovery', config.serverMetadata().authorization_endpoint.endsWith('/oauth/v4/authorize'))

// The code flow with PKCE and state.
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const parameters = {
  redirect_uri: redirect, scope: 'IMMN MIM', state,
  code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
}
let back = await subscriber(client.buildAuthorizationUrl(config, parameters))
let tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state })
check('authorization code', tokens.access_token && tokens.refresh_token && tokens.expires_in > 0)
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
check('refresh', refreshed.access_token !== tokens.access_token)
let seen = await client.tokenIntrospection(config, refreshed.access_token)
check('introspection', seen.active && seen.client_id === 'pizza-key')
await client.tokenRevocation(config, tokens.refresh_token)
seen = await client.tokenIntrospection(config, refreshed.access_token)
check('revocation', seen.active === false)
check('a revoked refresh token is refused', await fails(client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant'))

// The same, pushed first, and bound to a key.
const keys = await client.randomDPoPKeyPair()
const DPoP = client.getDPoPHandle(config, keys)
back = await subscriber(await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP }))
tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state }, undefined, { DPoP })
check('pushed, bound', tokens.token_type === 'dpop')
const sms = await client.clientCredentialsGrant(config, { scope: 'SMS' }, { DPoP })
check('client credentials, bound', sms.token_type === 'dpop')
const resource = new URL('/sms/v3/messaging/outbox', issuer)
const body = JSON.stringify({ outboundSMSRequest: { address: 'tel:+14255550100', message: 'bound' } })
const headers = () => new Headers({ 'content-type': 'application/json' })
const sent = await client.fetchProtectedResource(config, sms.access_token, resource, 'POST', body, headers(), { DPoP })
check('a call with a bound token', sent.status === 201)
const stolen = await fetch(resource, { method: 'POST', body, headers: { 'content-type': 'application/json', authorization: `Bearer ${sms.access_token}` } })
check('a bound token without its key opens nothing', stolen.status === 401)

// The user says no.
back = await subscriber(client.buildAuthorizationUrl(config, { ...parameters, state: 'deny' }))
check('denial', await fails(client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: 'deny' }), 'access_denied'))

// An app that proves itself by a key.
const key = await importPKCS8(process.env.PRIVATE_KEY, 'ES256')
const signed = await client.discovery(new URL(issuer), 'signed-key', undefined, client.PrivateKeyJwt({ key, kid: 'one' }), options)
check('private_key_jwt', (await client.clientCredentialsGrant(signed, { scope: 'SMS' })).access_token)

// An app without a secret: its refresh token rotates.
const native = await client.discovery(new URL(issuer), 'native-key', undefined, client.None(), options)
back = await subscriber(client.buildAuthorizationUrl(native, { ...parameters, scope: 'IMMN' }))
tokens = await client.authorizationCodeGrant(native, back, { pkceCodeVerifier: verifier, expectedState: state })
const next = await client.refreshTokenGrant(native, tokens.refresh_token)
check('rotation', next.refresh_token && next.refresh_token !== tokens.refresh_token)
done()
