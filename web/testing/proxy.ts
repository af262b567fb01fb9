import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A proxy whose connections can be broken in the ways that networks have. */
export class Proxy {
  readonly #connections = new Map<Socket, { server: Socket; sent: string }>();
  readonly #target: string;
  readonly #listener = createServer((client) => {
    const { hostname, port } = new URL(this.#target);
    const server = connect(Number(port), hostname);
    const connection = { server, sent: "" };
    this.#connections.set(client, connection);
    client.on("data", (data) => {
      connection.sent += data.toString("latin1");
    });
    client.pipe(server).pipe(client);
    for (const [socket, other] of [[client, server], [server, client]] as const) {
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
    }
    client.on("close", () => this.#connections.delete(client));
  });

  private constructor(target: string) {
    this.#target = target;
  }

  static async start(target: string): Promise<Proxy> {
    const proxy = new Proxy(target);
    proxy.#listener.listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    return proxy;
  }

  get url(): string {
    return `http://localhost:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** How many connections are open that a method was called on. */
  count(method: string): number {
    return this.#of(method).length;
  }

  /** Breaks the connections that a method was called on. */
  cut(method: string): void {
    this.#of(method).forEach(([client]) => client.destroy());
  }

  /** Lets the connections that a method was called on seem to be open, but nothing gets through. */
  silence(method: string): void {
    for (const [client, { server }] of this.#of(method)) {
      client.unpipe(server);
      server.unpipe(client);
      server.resume();
    }
  }

  async stop(): Promise<void> {
    this.#connections.forEach((_, client) => client.destroy());
    this.#listener.close();
    await once(this.#listener, "close");
  }

  #of(method: string) {
    return [...this.#connections].filter(([, { sent }]) => sent.includes(`/${method} `));
  }
}
