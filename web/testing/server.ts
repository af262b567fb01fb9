import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { sign } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";

/** Whether tests that seed the database are left out, because the program sqlite3 is not installed. CI never leaves them out. */
export const withoutSqlite = spawnSync("sqlite3", ["-version"]).error !== undefined && process.env["CI"] === undefined;

/** The real server, on ports and in a directory of its own. */
export class Server {
  readonly #directory = mkdtempSync(join(tmpdir(), "ostiary-dev-"));
  readonly #command: string;
  readonly #flags: string[];
  #process: ChildProcess | undefined;
  #url = "";
  #log = "";

  private constructor(command: string, flags: string[]) {
    this.#command = command;
    this.#flags = flags;
  }

  /** Starts `ostiary dev` with further flags. */
  static start(...flags: string[]): Promise<Server> {
    return Server.of("dev", flags);
  }

  /** Starts `ostiary serve` with further flags. */
  static serve(...flags: string[]): Promise<Server> {
    return Server.of("serve", flags);
  }

  private static async of(command: string, flags: string[]): Promise<Server> {
    const server = new Server(command, flags);
    await server.run("127.0.0.1:0");
    return server;
  }

  /** The last of what it has written to its log. */
  get log(): string {
    return this.#log;
  }

  /** Where it is, such as http://localhost:40001. */
  get url(): string {
    return this.#url;
  }

  /**
   * Signs a persona's token anew with other claims, exp among them, which the
   * issuer would not have: with the key that it keeps in its directory.
   */
  async token(persona: string, claims: Record<string, unknown> = {}): Promise<string> {
    const response = await fetch(`${this.#url}/dev/token`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ as: persona }),
    });
    const { token } = (await response.json()) as { token: string };
    const [header, payload = ""] = token.split(".");
    const changed = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), ...claims };
    const signed = `${header}.${Buffer.from(JSON.stringify(changed)).toString("base64url")}`;
    const key = readFileSync(join(this.#directory, "dev-issuer.pem"));
    return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
  }

  /** Makes a call with a token of such claims, so that its session is seen. */
  async call(persona: string, claims: Record<string, unknown> = {}, method = "identity.v1.IdentityService/WhoAmI", request: unknown = {}): Promise<void> {
    const response = await fetch(`${this.#url}/ostiary.${method}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${await this.token(persona, claims)}` },
      body: JSON.stringify(request),
    });
    if (response.status !== 200) {
      throw new Error(`${method} is answered with ${response.status}: ${await response.text()}`);
    }
  }

  /** Ends a session, with a token of a persona who may. */
  revoke(persona: string, sessionId: string, subject: string, cause = ""): Promise<void> {
    const session = { issuer: this.#url, sessionId, subject };
    return this.call(persona, {}, "session.v1.SessionService/RevokeSession", { session, cause });
  }

  /** Stops it, changes its database with SQL, and starts it again. It needs the program sqlite3. */
  async seed(sql: string): Promise<void> {
    await this.kill();
    this.spoil(sql);
    await this.restart();
  }

  /** Changes its database with SQL, behind its back. It needs the program sqlite3. */
  spoil(sql: string): void {
    execFileSync("sqlite3", ["-bail", "-cmd", ".timeout 10000", join(this.#directory, "ostiary.db"), sql]);
  }

  /** Kills the process, as a crash would. */
  async kill(): Promise<void> {
    if (this.#process !== undefined) {
      const exited = once(this.#process, "exit");
      this.#process.kill("SIGKILL");
      await exited;
      this.#process = undefined;
    }
  }

  /** Starts it again, where it was and with what it knew. */
  async restart(): Promise<void> {
    await this.kill();
    await this.run(`127.0.0.1:${new URL(this.#url).port}`);
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  private async run(address: string): Promise<void> {
    const started = spawn(
      inject("ostiary"),
      [this.#command, "--http-addr", address, "--grpc-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--data-dir", this.#directory, ...this.#flags],
      { cwd: this.#directory, stdio: ["ignore", "pipe", "pipe"] },
    );
    this.#process = started;
    this.#log = "";
    this.#url = await new Promise<string>((resolve, reject) => {
      started.on("exit", (code) => reject(new Error(`ostiary ended with ${code}: ${this.#log}`)));
      const read = (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString()).slice(-10_000);
        const port = /msg=serving http=\S+:(\d+)/.exec(this.#log)?.[1];
        if (port !== undefined) {
          resolve(`http://localhost:${port}`);
        }
      };
      started.stdout.on("data", read);
      started.stderr.on("data", read);
    });
  }
}
