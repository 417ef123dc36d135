// Asks each of `asks` (`{query, variables}`) on standard input, `{url, token, asks}`, as two kinds of programs do:
// with Apollo Client as it comes (default error policy), and with fetch and JSON.parse. Prints what they get.

import { json } from 'node:stream/consumers';

import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';

const { url, token, asks } = await json(process.stdin);
const headers = { authorization: `Bearer ${token}` };

async function withApollo({ query, variables }) {
  const client = new ApolloClient({ link: new HttpLink({ uri: url, headers }), cache: new InMemoryCache() });
  try {
    const { data } = await client.query({ query: gql(query), variables });
    return { data, thrown: null };
  } catch (error) {
    return { data: null, thrown: { name: error.name, errors: error.errors ?? [], message: error.message } };
  } finally {
    client.stop();
  }
}

async function withFetch({ query, variables }) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const text = await response.text();
  return { status: response.status, text, reprinted: JSON.stringify(JSON.parse(text)) };
}

const told = [];
for (const ask of asks) {
  const [apollo, fetched] = await Promise.all([withApollo(ask), withFetch(ask)]);
  told.push({ apollo, fetch: fetched });
}
console.log(JSON.stringify(told));
