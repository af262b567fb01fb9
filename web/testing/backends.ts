import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The example of two servers that a console shows and calls: one with connect-go, and one with grpc-go and reflection. */
export class Backends {
  private constructor(
    readonly process: ChildProcess,
    readonly directory: string,
    /** The value of the setting `backends`: shop, which browsers can call, and native, which they cannot by its protocol. */
    readonly setting: string,
  ) {}

  /** Starts both. They serve once they are told of the issuer. */
  static async start(): Promise<Backends> {
    const directory = mkdtempSync(join(tmpdir(), "ostiary-backends-"));
    const examples = fileURLToPath(new URL("../../examples", import.meta.url));
    const program = join(directory, "backends");
    execFileSync("go", ["build", "-o", program, "./backends"], { cwd: examples, env: { ...process.env, GOWORK: "off" }, stdio: "inherit" });
    const started = spawn(program, ["-http", "127.0.0.1:0", "-grpc", "127.0.0.1:0", "-image", join(directory, "shop.binpb"), "-wait"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let said = "";
    const setting = await new Promise<string>((resolve, reject) => {
      started.on("exit", (code) => reject(new Error(`the backends ended with ${code}`)));
      started.stdout.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        const found = /--backends (\S+)\n/.exec(said)?.[1];
        if (found !== undefined) {
          resolve(found);
        }
      });
    });
    return new Backends(started, directory, setting);
  }

  /** The URL of a backend, or the file of its schema. */
  part(name: string, kind: "image" | "url"): string {
    const parts = this.setting.split(",").filter((part) => part.startsWith(`${name}=`));
    return parts.map((part) => part.slice(name.length + 1)).find((where) => where.startsWith("http:") === (kind === "url")) ?? "";
  }

  /** Has both accept the tokens of an issuer, and the first the calls of the console's pages. */
  serve(issuer: string, page = issuer): void {
    this.process.stdin?.end(`${issuer} ${page}\n`);
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null) {
      const exited = once(this.process, "exit");
      this.process.kill("SIGKILL");
      await exited;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
