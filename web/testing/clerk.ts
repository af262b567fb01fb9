import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { BrowserContext, Request } from "playwright-core";

const packages = fileURLToPath(new URL("../console/test/clerk/node_modules/@clerk", import.meta.url));

/** Whether tests with Clerk's own scripts are left out, because they are not installed. CI never leaves them out. */
export const withoutClerk = !existsSync(`${packages}/clerk-js`) && process.env["CI"] === undefined;

/**
 * Clerk for one browser: its own scripts, and a frontend API that has one user, ada, whose
 * password is any. Answers have what the scripts ask for, in the form of Clerk's API.
 */
export class ClerkInstance {
  readonly url = "https://clerk.example.com";
  readonly publishableKey = `pk_live_${Buffer.from("clerk.example.com$").toString("base64")}`;
  /** The public key of the tokens, for the server. */
  readonly publicKey: string;
  /** What was asked of it: method and path. */
  readonly requests: string[] = [];
  /** Whether it can be reached to end sessions. */
  endsSessions = true;
  readonly #tokenTTL: number;
  readonly #privateKey: string;
  #session: string | undefined;
  #sessions = 0;
  #signIn: Record<string, unknown> | null = null;

  /** Its tokens live for so many seconds. Default: a minute, as those of Clerk. */
  constructor({ tokenTTL = 60 } = {}) {
    this.#tokenTTL = tokenTTL;
    const { publicKey, privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    this.publicKey = publicKey;
    this.#privateKey = privateKey;
  }

  /** Answers what the browser asks of Clerk. */
  async serve(context: BrowserContext): Promise<void> {
    await context.route(`${this.url}/**`, async (route) => {
      const request = route.request();
      const origin = (await request.headerValue("origin")) ?? "*";
      const headers = { "Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Access-Control-Expose-Headers": "Authorization" };
      const { pathname } = new URL(request.url());
      this.requests.push(`${methodOf(request)} ${pathname}`);
      const [, name, file] = /^\/npm\/@clerk\/(\w[\w-]*)@[\d.]+\/dist\/([\w.-]+\.js)$/.exec(pathname) ?? [];
      if (name !== undefined) {
        const body = readFileSync(`${packages}/${name}/dist/${file}`);
        return route.fulfill({ contentType: "text/javascript", headers, body });
      }
      if (!this.endsSessions && methodOf(request) === "DELETE") {
        return route.fulfill({ status: 500, headers, json: { errors: [{ code: "internal_clerk_error", message: "Clerk has failed." }] } });
      }
      const answer = this.#answer(methodOf(request), pathname, request, origin);
      return answer === undefined
        ? route.fulfill({ status: 404, headers, json: { errors: [{ code: "resource_not_found", message: "not found", long_message: pathname }] } })
        : route.fulfill({ headers, json: answer });
    });
  }

  /** Forgets who is signed in, and what was asked, for another browser. */
  reset(): void {
    this.#session = undefined;
    this.#signIn = null;
    this.requests.length = 0;
    this.endsSessions = true;
  }

  /** A token of the session, as a page of an origin gets it. */
  token(origin: string): string {
    return this.#token(this.#session ?? "", origin);
  }

  /** How often a session was to be ended. */
  get ends(): number {
    return this.requests.filter((request) => request === "DELETE /v1/client/sessions").length;
  }

  #answer(method: string, path: string, request: Request, origin: string): unknown {
    const session = this.#session;
    switch (`${method} ${path}`) {
      case "GET /v1/environment":
        return environment();
      case "GET /v1/client":
      case "PUT /v1/client":
        return { response: this.#client(origin), client: null };
      case "POST /v1/client/sign_ins": {
        const identifier = new URLSearchParams(request.postData() ?? "").get("identifier") ?? "";
        this.#signIn = signIn({ status: "needs_first_factor", identifier });
        return { response: this.#signIn, client: this.#client(origin) };
      }
      case `POST /v1/client/sign_ins/sia_1/attempt_first_factor`: {
        this.#sessions++;
        this.#session = `sess_${this.#sessions}`;
        const response = signIn({ status: "complete", created_session_id: this.#session });
        this.#signIn = null;
        return { response, client: this.#client(origin) };
      }
      case `POST /v1/client/sessions/${session}/touch`:
        return { response: this.#sessionOf(session ?? "", origin), client: this.#client(origin) };
      case `POST /v1/client/sessions/${session}/tokens`:
        return { object: "token", jwt: this.#token(session ?? "", origin) };
      case "DELETE /v1/client/sessions": // since the browser has one alone
        this.#session = undefined;
        return { response: this.#client(origin), client: null };
      default:
        return undefined;
    }
  }

  #client(origin: string) {
    return {
      object: "client",
      id: "client_1",
      sessions: this.#session === undefined ? [] : [this.#sessionOf(this.#session, origin)],
      sign_in: this.#signIn,
      sign_up: null,
      last_active_session_id: this.#session ?? null,
      cookie_expires_at: null,
      captcha_bypass: true,
      created_at: Date.now(),
      updated_at: Date.now(),
    };
  }

  #sessionOf(id: string, origin: string) {
    return {
      object: "session",
      id,
      status: "active",
      expire_at: Date.now() + 86_400_000,
      abandon_at: Date.now() + 86_400_000,
      last_active_at: Date.now(),
      last_active_organization_id: null,
      last_active_token: { object: "token", jwt: this.#token(id, origin) },
      actor: null,
      tasks: null,
      factor_verification_age: [0, -1],
      user,
      public_user_data: { first_name: "Ada", last_name: null, image_url: "", has_image: false, identifier: "ada", user_id: user.id },
      created_at: Date.now(),
      updated_at: Date.now(),
    };
  }

  #token(session: string, azp: string): string {
    const now = Math.floor(Date.now() / 1000);
    const header = { alg: "RS256", typ: "JWT", cat: "cl_B7d4PD111AAA", kid: "ins_1" };
    const times = { iat: now, nbf: now - 10, exp: now + this.#tokenTTL };
    const claims = { iss: this.url, sub: user.id, sid: session, azp, v: 2, fva: [0, -1], jti: `${session}_${now}_${Math.random()}`, ...times };
    const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    return `${signed}.${sign("sha256", Buffer.from(signed), createPrivateKey(this.#privateKey)).toString("base64url")}`;
  }
}

/** Clerk's scripts send other methods as POST, with the method in the query. */
function methodOf(request: Request): string {
  return new URL(request.url()).searchParams.get("_method") ?? request.method();
}

const user = {
  object: "user",
  id: "user_ada",
  username: "ada",
  first_name: "Ada",
  last_name: null,
  image_url: "",
  has_image: false,
  primary_email_address_id: null,
  primary_phone_number_id: null,
  primary_web3_wallet_id: null,
  password_enabled: true,
  two_factor_enabled: false,
  email_addresses: [],
  phone_numbers: [],
  web3_wallets: [],
  external_accounts: [],
  enterprise_accounts: [],
  passkeys: [],
  organization_memberships: [],
  public_metadata: {},
  unsafe_metadata: {},
  created_at: 1,
  updated_at: 1,
};

function signIn(more: Record<string, unknown>) {
  return {
    object: "sign_in_attempt",
    id: "sia_1",
    identifier: "ada",
    supported_identifiers: ["username"],
    supported_first_factors: [{ strategy: "password" }],
    supported_second_factors: null,
    first_factor_verification: null,
    second_factor_verification: null,
    created_session_id: null,
    user_data: { first_name: "Ada", last_name: null, image_url: "", has_image: false },
    ...more,
  };
}

/** An instance in which users sign in with a name and a password. */
function environment() {
  const unused = { enabled: false, required: false, used_for_first_factor: false, first_factors: [], used_for_second_factor: false, second_factors: [], verifications: [], verify_at_sign_up: false };
  const attributes = Object.fromEntries(
    ["email_address", "phone_number", "web3_wallet", "first_name", "last_name", "backup_code", "authenticator_app", "passkey", "ticket"].map((name) => [name, { ...unused, name }]),
  );
  return {
    object: "environment",
    id: "env_1",
    auth_config: { object: "auth_config", id: "aconf_1", single_session_mode: true, claimed_at: null, reverification: false, preferred_channels: null },
    display_config: {
      object: "display_config",
      id: "display_config_1",
      application_name: "Example",
      instance_environment_type: "production",
      preferred_sign_in_strategy: "password",
      theme: {},
      branded: false,
      captcha_public_key: null,
      captcha_widget_type: null,
      captcha_provider: null,
      captcha_oauth_bypass: [],
      home_url: "https://example.com",
      sign_in_url: "https://accounts.example.com/sign-in",
      sign_up_url: "https://accounts.example.com/sign-up",
      after_sign_in_url: "https://example.com",
      after_sign_up_url: "https://example.com",
      after_sign_out_all_url: "https://example.com",
      after_sign_out_one_url: "https://example.com",
      after_switch_session_url: "https://example.com",
      logo_image_url: "",
      favicon_image_url: "",
      support_email: "",
      clerk_js_version: "6",
      show_devmode_warning: false,
    },
    user_settings: {
      attributes: {
        ...attributes,
        username: { ...unused, name: "username", enabled: true, required: true, used_for_first_factor: true, first_factors: ["password"] },
        password: { ...unused, name: "password", enabled: true, required: true },
      },
      social: {},
      enterprise_sso: { enabled: false },
      sign_in: { second_factor: { required: false, enabled: false } },
      sign_up: { captcha_enabled: false, captcha_widget_type: null, custom_action_required: false, progressive: true, mode: "restricted", legal_consent_enabled: false },
      restrictions: { allowlist: { enabled: false }, blocklist: { enabled: false } },
      actions: { delete_self: false, create_organization: false },
      password_settings: { min_length: 8, max_length: 72, disable_hibp: true, allowed_special_characters: "", require_special_char: false },
      username_settings: { min_length: 1, max_length: 64 },
      passkey_settings: { allow_autofill: false, show_sign_in_button: false },
    },
    organization_settings: { enabled: false, max_allowed_memberships: 0, actions: { admin_delete: false }, domains: { enabled: false, enrollment_modes: [] }, force_organization_selection: false },
    commerce_settings: { billing: { organization: { enabled: false, has_paid_plans: false }, user: { enabled: false, has_paid_plans: false } } },
    api_keys_settings: { enabled: false, user_api_keys_enabled: false, orgs_api_keys_enabled: false },
    maintenance_mode: false,
  };
}
