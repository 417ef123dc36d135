// A SMART app on fhirclient, its web server and its user: a standalone launch with PKCE, the patient picker, then
// GraphQL. Standard input: {iss, app: {clientId, redirectUri, scope}, patient, declined, query, endpoint}; prints
// what the app knows.

import { json } from 'node:stream/consumers';

import smart from 'fhirclient';

const { iss, app, patient, declined, query, endpoint } = await json(process.stdin);
const session = new Map();
const storage = {
  get: async (key) => session.get(key),
  set: async (key, value) => session.set(key, value),
  unset: async (key) => session.delete(key),
};

// What the app's web server sees and answers when a browser comes to this address.
function visit(address) {
  const { host, pathname, search } = new URL(address);
  const request = { url: pathname + search, headers: { host }, socket: {} };
  const response = {
    writeHead: (status, headers) => Object.assign(response, { status, location: headers.location }),
    end() {},
  };
  return { api: smart(request, response, storage), response };
}

// The page's form as a browser sends it, with a patient picked and some scopes unticked.
function filled(page) {
  const form = new URLSearchParams();
  for (const [tag] of page.matchAll(/<input [^>]*>/g)) {
    const { type, name, value } = Object.fromEntries([...tag.matchAll(/(\w+)="([^"]*)"/g)].map(([, ...pair]) => pair));
    const text = value.replaceAll('&quot;', '"').replaceAll('&#x27;', "'").replaceAll('&amp;', '&');
    if (type === 'hidden' || (tag.endsWith(' checked>') && !declined.includes(text))) {
      form.append(name, text);
    }
  }
  form.set('patient', patient);
  form.set('decision', 'allow');
  return form;
}

async function ask(client) {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { authorization: client.getAuthorizationHeader(), 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  return { status: response.status, ...(await response.json()) };
}

function known(client) {
  const { patient: picked, user, state } = client;
  return {
    patient: picked.id,
    user: user.fhirUser,
    scope: state.tokenResponse.scope,
    token: state.tokenResponse.access_token,
  };
}

const launch = visit(new URL('/launch', app.redirectUri));
await launch.api.authorize({ iss, ...app, pkceMode: 'required' });
const authorization = launch.response.location;
const page = await fetch(authorization);
const people = await page.text();
const decided = await fetch(new URL('authorize', authorization), {
  method: 'POST',
  body: filled(people),
  redirect: 'manual',
});
const callback = decided.headers.get('location');
const client = await visit(callback).api.ready();
const told = { authorization, callback, people, ...known(client), answer: await ask(client) };
await client.refresh();
console.log(JSON.stringify({ ...told, refreshed: { ...known(client), answer: await ask(client) } }));
