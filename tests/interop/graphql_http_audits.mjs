// Runs the audits of graphql-http (GraphQL over HTTP) against the endpoint on standard input, `{url, token}`,
// and prints what each of them found.

import { json } from 'node:stream/consumers';

import { auditServer } from 'graphql-http';

const { url, token } = await json(process.stdin);

function fetchFn(address, options = {}) {
  return fetch(address, { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } });
}

const results = await auditServer({ url, fetchFn });
const told = results.map(async ({ id, name, status, reason, response }) => ({
  id,
  name,
  status,
  reason,
  // Where the audit has read the body itself, there is nothing left to read.
  answer: response && `${response.status} ${response.bodyUsed ? '' : await response.text()}`,
}));
console.log(JSON.stringify(await Promise.all(told)));
