// An OpenID provider on a port of its own, which signs in the user that login_hint names,
// without asking. It writes its issuer to the standard output and ends with the standard
// input. LOGOUT_URI is the backchannel_logout_uri of its client web; with
// SESSIONS_IN_TOKENS=1 its access tokens have the sid of the session.
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'web',
      client_secret: 'not a secret',
      redirect_uris: ['http://127.0.0.1/callback'],
      backchannel_logout_uri: process.env.LOGOUT_URI,
      backchannel_logout_session_required: true,
    }, {
      client_id: 'job',
      client_secret: 'not a secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    }],
    ttl: { ClientCredentials: 60 },
    cookies: { keys: ['not a secret'] },
    features: {
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://api.example.com',
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: 'read', accessTokenFormat: 'jwt', audience: 'https://api.example.com' }),
      },
    },
    extraTokenClaims: (_, token) => process.env.SESSIONS_IN_TOKENS ? { sid: token.sid } : undefined,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: async (ctx) => {
      const grant = new provider.Grant({ accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId })
      grant.addOIDCScope('openid')
      grant.addResourceScope('https://api.example.com', 'read')
      await grant.save()
      return grant
    },
    // The address of the tests is of this machine, which the provider refuses by default.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  })
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next()
    const { params } = await provider.interactionDetails(ctx.req, ctx.res)
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: params.login_hint } })
    ctx.respond = false
  })
  provider.on('server_error', (_, error) => console.error(error))
  provider.on('backchannel.error', (_, error) => console.error(error.message))
  server.on('request', provider.callback())
  console.log(issuer)
})
process.stdin.resume().on('end', () => process.exit())
