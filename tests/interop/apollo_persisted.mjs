// Apollo Client with its persisted-query link, as it comes, asks each of `asks` (`{query, variables, get}`) on
// standard input, `{url, token, asks}`. Prints for each what the program gets, and the exchanges that it took.

import { createHash } from 'node:crypto';
import { json } from 'node:stream/consumers';

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';

const { url, token, asks } = await json(process.stdin);
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

const told = [];
for (const { query, variables, get } of asks) {
  const exchanges = [];
  const watched = async (address, options) => {
    const response = await fetch(address, options);
    const asked = options.method === 'GET' ? new URL(address).searchParams.has('query') : 'query' in JSON.parse(options.body);
    exchanges.push({
      method: options.method,
      sendsText: asked,
      status: response.status,
      cacheControl: response.headers.get('cache-control'),
      etag: response.headers.get('etag'),
    });
    return response;
  };
  const http = new HttpLink({ uri: url, headers: { authorization: `Bearer ${token}` }, fetch: watched });
  const persisted = new PersistedQueryLink({ sha256, useGETForHashedQueries: get === true });
  const client = new ApolloClient({ link: ApolloLink.from([persisted, http]), cache: new InMemoryCache() });
  try {
    const { data } = await client.query({ query: gql(query), variables });
    told.push({ data, errors: [], exchanges });
  } catch (error) {
    told.push({ data: null, errors: (error.errors ?? []).map((one) => one.extensions?.code), exchanges });
  } finally {
    client.stop();
  }
}
console.log(JSON.stringify(told));
