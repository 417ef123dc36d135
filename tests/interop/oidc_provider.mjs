// An OpenID provider of somebody else: oidc-provider, twice, behind plain HTTP listeners of one process.
//
//   node oidc_provider.mjs SETTINGS     prints {"jwt": origin, "opaque": origin} when both listen; SIGTERM ends it
//
// `jwt` signs its access tokens by RFC 9068, `opaque` gives out words that only it can explain. SETTINGS is a JSON
// file: {"audiences": [...], "scopes": [...], "key": the clients' public JWK, "secret": the gateway's}.
//
// PUT /_peer/keys {"keys": ["b", "a"], "max_age_s": 600} makes `jwt` publish these keys, made when first named, and
// sign with the first. A certificate comes in X-Client-Cert as URL-encoded PEM, as from a proxy that ends TLS.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';

import { Provider } from 'oidc-provider';

const { audiences, scopes, key, secret } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const REDIRECT_URI = 'https://app.example/callback';
const made = new Map();

function signingKey(kid) {
  if (!made.has(kid)) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    made.set(kid, { ...privateKey.export({ format: 'jwk' }), kid, alg: 'ES384', use: 'sig' });
  }
  return made.get(kid);
}

const byKey = {
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'ES384',
  jwks: { keys: [key] },
};
const backend = { ...byKey, grant_types: ['client_credentials'], response_types: [], redirect_uris: [] };
const clients = [
  { client_id: 'backend', ...backend },
  { client_id: 'bound-backend', ...backend, tls_client_certificate_bound_access_tokens: true },
  { client_id: 'gateway', client_secret: secret, grant_types: [], response_types: [], redirect_uris: [] },
  { client_id: 'app', token_endpoint_auth_method: 'none', redirect_uris: [REDIRECT_URI] },
];

function configuration(accessTokenFormat, keys) {
  return {
    clients,
    clientDefaults: { id_token_signed_response_alg: 'ES384' },
    scopes: ['openid', ...scopes],
    jwks: { keys: keys.map(signingKey) },
    enabledJWA: { clientAuthSigningAlgValues: ['ES384'], idTokenSigningAlgValues: ['ES384'] },
    cookies: { keys: ['a key of this test alone'] },
    // Whoever logs in is the patient of the launch.
    extraTokenClaims: (_, token) => token.accountId && { patient: token.accountId, need_patient_banner: true },
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo(_, audience) {
          if (!audiences.includes(audience)) {
            throw new Error(`no such resource: ${audience}`);
          }
          const jwt = { sign: { alg: 'ES384' } };
          return { audience, accessTokenFormat, scope: scopes.join(' '), ...(accessTokenFormat === 'jwt' && { jwt }) };
        },
      },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (context) => decodeURIComponent(context.get('x-client-cert')) || undefined,
      },
    },
  };
}

async function listen(handle) {
  const server = createServer(handle);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

const handlers = {};
const maxAges = { jwt: 600, opaque: 600 };
const origins = {};

function publish(format, keys) {
  const provider = new Provider(origins[format], configuration(format, keys));
  provider.use(async (context, next) => {
    await next();
    if (context.path === '/jwks') {
      context.set('Cache-Control', `max-age=${maxAges[format]}`);
    }
  });
  handlers[format] = provider.callback();
}

async function answer(format, request, response) {
  if (request.url !== '/_peer/keys') {
    return handlers[format](request, response);
  }
  const { keys, max_age_s } = await json(request);
  maxAges[format] = max_age_s;
  publish(format, keys);
  return response.writeHead(204).end();
}

for (const format of ['jwt', 'opaque']) {
  origins[format] = await listen((request, response) => answer(format, request, response));
  publish(format, ['a']);
}
process.on('SIGTERM', () => process.exit(0));
console.log(JSON.stringify(origins));
