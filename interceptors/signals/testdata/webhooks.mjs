// Sends webhooks as Svix and Standard Webhooks sign them, and prints the status of each answer.
//
//   node webhooks.mjs URL SECRET
import { createPrivateKey, randomUUID, sign } from "node:crypto";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";

const [url, secret] = process.argv.slice(2);
const stranger = "whsec_" + Buffer.alloc(32, 7).toString("base64");

const event = (type, data) => {
  const now = Date.now();
  return JSON.stringify({ data, instance_id: "ins_123", object: "event", timestamp: now, type }, null, 1) + "\n";
};

const send = async (name, Webhook, prefix, body, { key = secret, id = "msg_" + randomUUID(), at = new Date() } = {}) => {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      [prefix + "-id"]: id,
      [prefix + "-timestamp"]: String(Math.floor(at.getTime() / 1000)),
      [prefix + "-signature"]: new Webhook(key).sign(id, at, body),
    },
    body,
  });
  await response.arrayBuffer();
  console.log(`${name}: ${response.status}`);
};

// The packages do not sign with Ed25519, so OpenSSL does.
class AsymmetricWebhook {
  sign(id, at, body) {
    const seed = Buffer.alloc(32, 9);
    const key = createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]), format: "der", type: "pkcs8" });
    const content = `${id}.${Math.floor(at.getTime() / 1000)}.${body}`;
    return "v1a," + sign(null, Buffer.from(content), key).toString("base64");
  }
}

for (const [signer, Webhook, prefix] of [
  ["svix", SvixWebhook, "svix"],
  ["standardwebhooks", StandardWebhook, "webhook"],
]) {
  const ended = event("session.ended", { id: `sess_${signer}`, user_id: "user_ada", note: "Grüße 🗝 \u2028 \ud800" });
  const id = "msg_" + randomUUID();
  await send(`${signer}, a session`, Webhook, prefix, ended, { id });
  await send(`${signer}, the same again`, Webhook, prefix, ended, { id });
  await send(`${signer}, a user`, Webhook, prefix, event("user.deleted", { id: `user_${signer}`, deleted: true }));
  await send(`${signer}, an email`, Webhook, prefix, event("email.created", { id: "ema_1" }));
  await send(`${signer}, by a stranger`, Webhook, prefix, event("user.deleted", { id: "user_ada" }), { key: stranger });
  await send(`${signer}, ten minutes old`, Webhook, prefix, event("user.deleted", { id: "user_ada" }), { at: new Date(Date.now() - 600_000) });
}
await send("ed25519, a session", AsymmetricWebhook, "webhook", event("session.ended", { id: "sess_ed25519" }));
