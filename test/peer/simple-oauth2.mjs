// simple-oauth2: the client of many older apps. It insists on JSON in every answer.
import oauth from 'simple-oauth2'
import { check, done, fails, issuer, redirect, subscriber } from './subscriber.mjs'

for (const authorizationMethod of ['body', 'header']) {
  const config = {
    client: { id: 'pizza-key', secret: 'pizza-secret' },
    auth: { tokenHost: issuer, tokenPath: '/oauth/v4/token', revokePath: '/oauth/v4/revoke' },
    options: { authorizationMethod },
  }
  const code = new oauth.AuthorizationCode({ ...config, auth: { ...config.auth, authorizePath: '/oauth/v4/authorize' } })
  const back = await subscriber(code.authorizeURL({ redirect_uri: redirect, scope: ['IMMN', 'MIM'], state: 'x y&z' }))
  check(`state, ${authorizationMethod}`, back.searchParams.get('state') === 'x y&z')
  let token = await code.getToken({ code: back.searchParams.get('code'), redirect_uri: redirect })
  check(`authorization code, ${authorizationMethod}`, token.token.access_token && !token.expired())
  token = await token.refresh()
  check(`refresh, ${authorizationMethod}`, token.token.access_token)
  await token.revokeAll()
  check(`revoked, ${authorizationMethod}`, await fails(token.refresh(), 'invalid_grant'))
  const app = await new oauth.ClientCredentials(config).getToken({ scope: 'SMS' })
  check(`client credentials, ${authorizationMethod}`, app.token.access_token)
}
done()
