// A receiver of security events (Shared Signals Framework 1.0), for the tests of the server's
// transmitter. It makes streams, and believes what it gets by the rules of the receiver's
// side. It prints one JSON object a line.
//
//   node receiver.mjs push ISSUER TOKEN   takes events until its standard input ends
//   node receiver.mjs poll ISSUER TOKEN   fetches them, and acknowledges, until then
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [method, issuer, token] = process.argv.slice(2);
const print = (value) => process.stdout.write(JSON.stringify(value) + "\n");

async function call(verb, url, body) {
  const answer = await fetch(url, {
    method: verb,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${verb} ${url}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

const metadata = await (await fetch(`${issuer}/.well-known/ssf-configuration`)).json();
if (metadata.issuer !== issuer) throw new Error(`the metadata is of ${metadata.issuer}`);
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
const seen = new Set();
let stream;
let state;

// take verifies an event, and prints what it says when it comes first.
async function take(set) {
  const { payload } = await jwtVerify(set, keys, { issuer, audience: stream.aud, typ: "secevent+jwt", algorithms: ["RS256"] });
  for (const name of ["exp", "sub"]) if (name in payload) throw new Error(`it has ${name}`);
  for (const name of ["jti", "iat", "sub_id", "events"]) if (!(name in payload)) throw new Error(`it has no ${name}`);
  const [[type, event], ...more] = Object.entries(payload.events);
  if (more.length > 0) throw new Error("it has several events");
  const kind = type.slice(type.lastIndexOf("/") + 1);
  if (kind === "verification") {
    if (event.state !== state || payload.sub_id.format !== "opaque" || payload.sub_id.id !== stream.stream_id) throw new Error("the verification is another");
  } else if (!event.reason_admin?.en || !Number.isInteger(event.event_timestamp)) {
    throw new Error("the event lacks what the profile of CAEP asks for");
  }
  if (!seen.has(payload.jti)) print({ kind, subject: payload.sub_id });
  seen.add(payload.jti);
  return payload.jti;
}

async function create(delivery) {
  stream = await call("POST", metadata.configuration_endpoint, { delivery, events_requested: ["https://schemas.openid.net/secevent/caep/event-type/session-revoked", "urn:unknown"] });
  if (stream.iss !== issuer) throw new Error(`the stream is of ${stream.iss}`);
  state = randomBytes(8).toString("hex");
  await call("POST", metadata.verification_endpoint, { stream_id: stream.stream_id, state });
}

process.stdin.resume().on("end", () => process.exit());

if (method === "push") {
  const authorization = `Bearer ${randomBytes(16).toString("hex")}`;
  const server = createServer(async (request, response) => {
    const answer = (status, body) => response.writeHead(status, { "content-type": "application/json" }).end(body && JSON.stringify(body));
    let set = "";
    for await (const part of request.setEncoding("utf8")) set += part;
    if (request.headers.authorization !== authorization) return answer(400, { err: "authentication_failed" });
    if (request.headers["content-type"] !== "application/secevent+jwt") return answer(400, { err: "invalid_request" });
    try {
      while (stream === undefined) await new Promise((resolve) => setTimeout(resolve, 10)); // it is being created
      await take(set);
      answer(202);
    } catch (error) {
      print({ error: String(error) });
      answer(400, { err: "invalid_request", description: String(error) });
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  await create({ method: "urn:ietf:rfc:8935", endpoint_url: `http://127.0.0.1:${server.address().port}/events`, authorization_header: authorization });
} else {
  await create(undefined);
  let ack = [];
  for (;;) {
    const { sets } = await call("POST", stream.delivery.endpoint_url, { ack, maxEvents: 5 });
    ack = await Promise.all(Object.values(sets).map(take));
  }
}
