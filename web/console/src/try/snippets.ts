import type { DescFile, DescMessage } from "@bufbuild/protobuf";
import { type Callable, procedureOf } from "./schema";

/** The same call in the words of others, to be run where TOKEN is set. Where there is a development issuer, the command that sets it comes first. */
export interface Snippets {
  curl: string;
  "buf curl": string;
  grpcurl: string;
  Go: string;
  TypeScript: string;
}

interface Options {
  /** Where the server is, which may be below a path. */
  url: string;
  /** The persona of the development issuer who calls. */
  persona?: string | undefined;
  /** Where the development issuer is. Default: at the url. */
  issuer?: string;
  /** Whether the call has no token. */
  anonymous?: boolean;
  /** The file with the schema of a backend. Default: the server tells it by reflection, and its code is in @ostiary/client. */
  schema?: string | undefined;
}

export function snippets(method: Callable, json: string, { url, persona, issuer = url, anonymous = false, schema }: Options): Snippets {
  const body = compact(json);
  const data = quote(body);
  const header = anonymous ? "" : ` -H "Authorization: Bearer $TOKEN"`;
  const token = persona === undefined || anonymous ? "" : `TOKEN=$(ostiary token mint --as ${persona} --server ${issuer})\n`;
  const exported = token && `export ${token}`;
  const streams = method.methodKind === "server_streaming";
  const plaintext = url.startsWith("http:");
  // Reflection needs HTTP/2, which without TLS a client must be told.
  const reflected = ` --protocol grpc${plaintext ? " --http2-prior-knowledge" : ""}`;
  const buf = `${token}buf curl${schema === undefined ? reflected : ` --schema ${quote(schema)}`}${header} \\\n  -d ${data} ${url}${procedureOf(method)}`;
  const { host, port, pathname } = new URL(url);
  const protoset = schema === undefined ? "" : ` -protoset ${quote(schema)}`;
  const address = port === "" ? `${host}:${plaintext ? 80 : 443}` : host;
  return {
    curl: streams
      ? `# curl cannot frame a stream of Connect; buf can.\n${buf}`
      : `${token}curl -s${header} -H "Content-Type: application/json" \\\n  -d ${data} ${url}${procedureOf(method)}`,
    "buf curl": buf,
    grpcurl:
      pathname === "/"
        ? `${token}grpcurl${plaintext ? " -plaintext" : ""}${protoset}${header} \\\n  -d ${data} ${address} ${procedureOf(method).slice(1)}`
        : `# grpcurl calls nothing below a path; buf does.\n${buf}`,
    Go: `${comments(exported, "//", "go run .")}${goFile(method, url, body, anonymous)}`,
    TypeScript: `${comments(exported, "//", "npx tsx call.ts")}${tsFile(method, url, body, anonymous, schema !== undefined)}`,
  };
}

/** Says how a file is run. */
function comments(token: string, mark: string, run: string): string {
  return token && `${mark} ${token.trimEnd()}\n${mark} ${run}\n`;
}

function goFile(method: Callable, url: string, json: string, anonymous: boolean): string {
  const input = goPackage(method.input.file);
  const answered = goPackage(method.output.file);
  const output = answered.alias === input.alias && answered.path !== input.path ? { ...answered, alias: `${answered.alias}out` } : answered;
  const streams = method.methodKind === "server_streaming";
  const types = `${input.alias}.${goName(method.input)}, ${output.alias}.${goName(method.output)}`;
  const imports = [
    ...['"context"', '"fmt"', '"log"', '"net/http"', ...(anonymous ? [] : ['"os"'])],
    "",
    ...['"connectrpc.com/connect"', '"google.golang.org/protobuf/encoding/protojson"'],
    "",
    ...new Set([input, output].map(({ alias, path }) => `${alias} "${path}"`)),
    ...(anonymous ? [] : ['"github.com/ostiary/ostiary/interceptors/authclient"', '"github.com/ostiary/ostiary/interceptors/connectauth"']),
  ];
  const client = `connect.NewClient[${types}](http.DefaultClient, api+"${procedureOf(method)}"`;
  return [
    "package main",
    "",
    "import (",
    ...imports.map((line) => (line === "" ? "" : `\t${line}`)),
    ")",
    "",
    "func main() {",
    ...[
      `const api = "${url}"`,
      ...(anonymous
        ? [`client := ${client})`]
        : [`source := authclient.StaticToken(os.Getenv("TOKEN"))`, `client := ${client}, connectauth.WithToken(api, source))`]),
      `request := new(${input.alias}.${goName(method.input)})`,
      `if err := protojson.Unmarshal([]byte(\`${json.replaceAll("`", '` + "`" + `')}\`), request); err != nil {`,
      "\tlog.Fatal(err)",
      "}",
      `${streams ? "stream" : "response"}, err := client.${streams ? "CallServerStream" : "CallUnary"}(context.Background(), connect.NewRequest(request))`,
      "if err != nil {",
      "\tlog.Fatal(err)",
      "}",
      ...(streams
        ? ["for stream.Receive() {", "\tfmt.Println(protojson.Format(stream.Msg()))", "}", "if err := stream.Err(); err != nil {", "\tlog.Fatal(err)", "}"]
        : ["fmt.Println(protojson.Format(response.Msg))"]),
    ].map((line) => `\t${line}`),
    "}",
  ].join("\n");
}

/**
 * Reads the option go_package, such as `example.com/invoice/v1;invoicev1`. A schema can have any text there, which
 * must not become code: where it names no package, the reader has to.
 */
function goPackage({ proto: { options, package: name } }: DescFile): { alias: string; path: string } {
  const [, path, named] = /^([\w.~/-]+)(?:;([A-Za-z_]\w*))?$/.exec(options?.goPackage ?? "") ?? [];
  if (path === undefined) {
    return { alias: name.replaceAll(".", "") || "schema", path: `example.com/your/package/of/${name}` };
  }
  const last = path.slice(path.lastIndexOf("/") + 1).replaceAll(/\W/g, "_");
  return { alias: named ?? (/^\d/.test(last) ? `_${last}` : last), path };
}

/** The name of a message in Go, as protoc-gen-go makes it: my_list becomes MyList, and an inner one Outer_Inner. */
function goName(message: DescMessage): string {
  return nestedName(message)
    .split(".")
    .map((name) => name.replace(/^_/, "X").replaceAll(/(^|_)([a-z])/g, (_, _mark, letter: string) => letter.toUpperCase()))
    .join("_");
}

/** The name of a message within its package. */
function nestedName({ typeName, file }: DescMessage): string {
  return file.proto.package === "" ? typeName : typeName.slice(file.proto.package.length + 1);
}

function tsFile(method: Callable, url: string, json: string, anonymous: boolean, generated: boolean): string {
  const { input, parent } = method;
  const request = `${nestedName(input).replaceAll(".", "_")}Schema`;
  const call = `client.${method.localName}(fromJson(${request}, ${json}))`;
  const from = (file: DescFile) => tsModule(file, generated);
  const ownFile = from(input.file) === from(parent.file);
  return [
    ...(generated ? ["// The code in ./gen is made from the schema by protoc-gen-es with target=ts."] : []),
    'import { fromJson } from "@bufbuild/protobuf";',
    'import { createClient } from "@connectrpc/connect";',
    'import { createConnectTransport } from "@connectrpc/connect-web";',
    ...(anonymous ? [] : ['import { authInterceptor } from "@ostiary/client";']),
    ...(ownFile
      ? [`import { ${request}, ${parent.name} } from ${from(parent.file)};`]
      : [`import { ${request} } from ${from(input.file)};`, `import { ${parent.name} } from ${from(parent.file)};`]),
    "",
    `const api = "${url}";`,
    ...(anonymous
      ? ["const transport = createConnectTransport({ baseUrl: api });"]
      : [
          'const source = { getToken: async () => process.env["TOKEN"] ?? null };',
          "const transport = createConnectTransport({ baseUrl: api, interceptors: [authInterceptor(source, api)] });",
        ]),
    `const client = createClient(${parent.name}, transport);`,
    ...(method.methodKind === "server_streaming"
      ? [`for await (const response of ${call}) {`, "  console.log(response);", "}"]
      : [`console.log(await ${call});`]),
  ].join("\n");
}

/** The module that protoc-gen-es makes of a file, whose name can be any text, between quotes. */
function tsModule({ name, proto }: DescFile, generated: boolean): string {
  if (proto.package === "google.protobuf") {
    return '"@bufbuild/protobuf/wkt"';
  }
  return JSON.stringify(generated ? `./gen/${name}_pb` : `@ostiary/client/gen/${name}_pb`);
}

/** The text as one word for a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function compact(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json));
  } catch {
    return json.trim() === "" ? "{}" : json;
  }
}
