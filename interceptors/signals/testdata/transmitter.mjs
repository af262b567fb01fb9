// A transmitter of Shared Signals (SSF 1.0), for the tests of the receivers. It has one stream
// at a time, pushes (RFC 8935) or is polled (RFC 8936), and sends what it is told to.
//
//   node transmitter.mjs
//
// It prints its URL, which is its issuer, and ends with its standard input. What a test tells
// it goes to /control/emit, /control/rotate and /control/state.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { SignJWT, exportJWK, generateKeyPair } from "jose";

const client = "Basic " + Buffer.from("receiver:s3cret-0123456789").toString("base64");
const bearer = "Bearer " + randomUUID();
const audience = "https://api.example.com/" + randomUUID();
const PUSH = "urn:ietf:rfc:8935";
const POLL = "urn:ietf:rfc:8936";

let base;
let keys = [];
let stream = null;
let status = "enabled";
let lastVerification = 0;
const queue = new Map(); // what is not acknowledged, by jti
const outcomes = {}; // what was answered last, by jti
const attempts = {}; // how often each was sent
let awake = () => {};

async function rotate() {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { modulusLength: 2048 });
  const kid = randomUUID();
  keys = [{ kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" } }, ...keys].slice(0, 2);
}

async function emit({ type, sub_id, event = {}, typ = "secevent+jwt", change = {}, jti = randomUUID() }) {
  const claims = { iss: base, jti, iat: Math.floor(Date.now() / 1000), aud: [audience], txn: randomUUID(), sub_id, events: { [type]: event }, ...change };
  const set = await new SignJWT(claims).setProtectedHeader({ alg: "RS256", typ, kid: keys[0].kid }).sign(keys[0].privateKey);
  queue.set(jti, set);
  awake();
  if (stream?.delivery.method === PUSH) push(jti);
  return { jti };
}

async function push(jti) {
  while (queue.has(jti)) {
    try {
      const headers = { "content-type": "application/secevent+jwt", accept: "application/json" };
      if (stream.delivery.authorization_header) headers.authorization = stream.delivery.authorization_header;
      attempts[jti] = (attempts[jti] ?? 0) + 1;
      const response = await fetch(stream.delivery.endpoint_url, { method: "POST", headers, body: queue.get(jti) });
      const text = await response.text();
      outcomes[jti] = { status: response.status, err: response.status === 400 ? JSON.parse(text).err : undefined };
      if (response.status === 202 || response.status === 400) queue.delete(jti);
    } catch (error) {
      outcomes[jti] = { status: 0, err: String(error) };
    }
    if (queue.has(jti)) await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function poll({ maxEvents = 100, returnImmediately = false, ack = [], setErrs = {} }) {
  for (const jti of ack) if (queue.delete(jti)) outcomes[jti] = { status: 202 };
  for (const [jti, { err, description }] of Object.entries(setErrs)) if (description && queue.delete(jti)) outcomes[jti] = { status: 400, err };
  if (queue.size === 0 && maxEvents > 0 && !returnImmediately) {
    await new Promise((resolve) => {
      awake = resolve;
      setTimeout(resolve, 2000);
    });
  }
  const sets = [...queue].slice(0, maxEvents);
  for (const [jti] of sets) attempts[jti] = (attempts[jti] ?? 0) + 1;
  return { sets: Object.fromEntries(sets), moreAvailable: queue.size > sets.length };
}

const described = () => ({
  ...stream,
  iss: base,
  aud: [audience],
  events_supported: stream.events_requested,
  events_delivered: stream.events_requested,
  min_verification_interval: 1,
});

function configure({ delivery = { method: POLL }, events_requested, description }) {
  const stream_id = stream?.stream_id ?? randomUUID();
  if (delivery.method === POLL) delivery = { method: POLL, endpoint_url: `${base}/poll/${stream_id}` };
  stream = { stream_id, delivery, events_requested, description };
}

const routes = {
  "GET /.well-known/ssf-configuration": () => [200, {
    spec_version: "1_0",
    issuer: base,
    jwks_uri: base + "/jwks.json",
    delivery_methods_supported: [PUSH, POLL],
    configuration_endpoint: base + "/streams",
    status_endpoint: base + "/status",
    verification_endpoint: base + "/verify",
    authorization_schemes: [{ spec_urn: "urn:ietf:rfc:6749" }],
    default_subjects: "ALL",
  }],
  "GET /jwks.json": () => [200, { keys: keys.map(({ jwk }) => jwk) }],
  "POST /token": (form, headers) =>
    headers.authorization === client && form.get("grant_type") === "client_credentials" && form.get("scope") === "ssf.manage"
      ? [200, { access_token: bearer.slice("Bearer ".length), token_type: "Bearer", expires_in: 3600 }]
      : [401, { error: "invalid_client" }],
  "GET /streams": () => [200, stream ? [described()] : []],
  "POST /streams": (body) => {
    if (stream) return [409, {}];
    configure(body);
    return [201, described()];
  },
  "PATCH /streams": (body) => {
    if (body.stream_id !== stream?.stream_id) return [404, {}];
    configure({ ...stream, ...body });
    return [200, described()];
  },
  "GET /status": (_, __, query) => (query.get("stream_id") === stream?.stream_id ? [200, { stream_id: stream.stream_id, status }] : [404, {}]),
  "POST /status": (body) => {
    status = body.status;
    return [200, { stream_id: stream.stream_id, status }];
  },
  "POST /verify": async ({ stream_id, state }) => {
    if (stream_id !== stream?.stream_id) return [404, {}];
    if (Date.now() - lastVerification < 1000) return [429, {}];
    lastVerification = Date.now();
    await emit({ type: "https://schemas.openid.net/secevent/ssf/event-type/verification", sub_id: { format: "opaque", id: stream_id }, event: { state } });
    return [204];
  },
  "POST /control/emit": async (body) => [200, await emit(body)],
  "POST /control/rotate": async () => (await rotate(), [200, {}]),
  "POST /control/pause": () => ((status = "paused"), [200, {}]),
  "GET /control/state": () => [200, { outcomes, attempts, pending: queue.size, stream, status }],
};

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const url = new URL(request.url, base);
  const form = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded");
  const body = form ? new URLSearchParams(text) : text ? JSON.parse(text) : undefined;
  const open = ["/.well-known/ssf-configuration", "/jwks.json", "/token"].includes(url.pathname) || url.pathname.startsWith("/control/");
  let answer;
  if (!open && request.headers.authorization !== bearer) answer = [401, {}];
  else if (request.method === "POST" && url.pathname === `/poll/${stream?.stream_id}`) answer = [200, await poll(body)];
  else answer = (await routes[`${request.method} ${url.pathname}`]?.(body, request.headers, url.searchParams)) ?? [404, {}];
  response.writeHead(answer[0], { "content-type": "application/json", "cache-control": "no-store" });
  response.end(answer[1] && JSON.stringify(answer[1]));
});

await rotate();
server.listen(0, "127.0.0.1", () => {
  base = `http://127.0.0.1:${server.address().port}`;
  console.log(base);
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
