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
  /** Where the server is. */
  origin: string;
  /** The persona of the development issuer who calls. */
  persona?: string | undefined;
  /** Whether the call has no token. */
  anonymous?: boolean;
}

export function snippets(method: Callable, json: string, { origin, persona, anonymous = false }: Options): Snippets {
  const url = origin + procedureOf(method);
  const body = compact(json);
  const data = quote(body);
  const header = anonymous ? "" : ` -H "Authorization: Bearer $TOKEN"`;
  const token = persona === undefined || anonymous ? "" : `TOKEN=$(ostiary token mint --as ${persona} --server ${origin})\n`;
  const exported = token && `export ${token}`;
  const streams = method.methodKind === "server_streaming";
  const plaintext = origin.startsWith("http:");
  const buf = `${token}buf curl --protocol grpc${plaintext ? " --http2-prior-knowledge" : ""}${header} \\\n  -d ${data} ${url}`;
  const { host, port } = new URL(origin);
  return {
    curl: streams
      ? `# curl cannot frame a stream of Connect; buf can.\n${buf}`
      : `${token}curl -s${header} -H "Content-Type: application/json" \\\n  -d ${data} ${url}`,
    "buf curl": buf,
    grpcurl: `${token}grpcurl${plaintext ? " -plaintext" : ""}${header} \\\n  -d ${data} ${port === "" ? `${host}:${plaintext ? 80 : 443}` : host} ${procedureOf(method).slice(1)}`,
    Go: `${comments(exported, "//", "go run .")}${goFile(method, origin, body, anonymous)}`,
    TypeScript: `${comments(exported, "//", "npx tsx call.ts")}${tsFile(method, origin, body, anonymous)}`,
  };
}

/** Says how a file is run. */
function comments(token: string, mark: string, run: string): string {
  return token && `${mark} ${token.trimEnd()}\n${mark} ${run}\n`;
}

function goFile(method: Callable, origin: string, json: string, anonymous: boolean): string {
  const { alias, path } = goPackage(method.input.file.proto.options?.goPackage ?? "");
  const client = `${alias}connect.New${method.parent.name}Client(http.DefaultClient, api`;
  const call = `client.${method.name}(context.Background(), request)`;
  const imports = [
    '"context"',
    '"fmt"',
    '"log"',
    '"net/http"',
    ...(anonymous ? [] : ['"os"']),
    "",
    '"google.golang.org/protobuf/encoding/protojson"',
    "",
    `${alias} "${path}"`,
    `"${path}/${alias}connect"`,
    ...(anonymous ? [] : ['"github.com/ostiary/ostiary/interceptors/authclient"', '"github.com/ostiary/ostiary/interceptors/connectauth"']),
  ];
  const answer =
    method.methodKind === "server_streaming"
      ? ["for stream.Receive() {", "\tfmt.Println(protojson.Format(stream.Msg()))", "}", "if err := stream.Err(); err != nil {", "\tlog.Fatal(err)", "}"]
      : ["fmt.Println(protojson.Format(response))"];
  return [
    "package main",
    "",
    "import (",
    ...imports.map((line) => (line === "" ? "" : `\t${line}`)),
    ")",
    "",
    "func main() {",
    ...[
      `const api = "${origin}"`,
      ...(anonymous
        ? [`client := ${client})`]
        : [`source := authclient.StaticToken(os.Getenv("TOKEN"))`, `client := ${client}, connectauth.WithToken(api, source))`]),
      `request := new(${alias}.${method.input.name})`,
      `if err := protojson.Unmarshal([]byte(\`${json.replaceAll("`", '` + "`" + `')}\`), request); err != nil {`,
      "\tlog.Fatal(err)",
      "}",
      `${method.methodKind === "server_streaming" ? "stream" : "response"}, err := ${call}`,
      "if err != nil {",
      "\tlog.Fatal(err)",
      "}",
      ...answer,
    ].map((line) => `\t${line}`),
    "}",
  ].join("\n");
}

/** Reads the option go_package, such as `example.com/invoice/v1;invoicev1`. */
function goPackage(option: string): { alias: string; path: string } {
  const [path = "", alias = path.slice(path.lastIndexOf("/") + 1)] = option.split(";");
  return { path, alias };
}

function tsFile(method: Callable, origin: string, json: string, anonymous: boolean): string {
  const { input, parent } = method;
  const from = (file: { name: string }) => `@ostiary/client/gen/${file.name}_pb`;
  const call = `client.${method.localName}(fromJson(${input.name}Schema, ${json}))`;
  const own = input.file.name === parent.file.name;
  return [
    'import { fromJson } from "@bufbuild/protobuf";',
    'import { createClient } from "@connectrpc/connect";',
    'import { createConnectTransport } from "@connectrpc/connect-web";',
    ...(anonymous ? [] : ['import { authInterceptor } from "@ostiary/client";']),
    ...(own
      ? [`import { ${input.name}Schema, ${parent.name} } from "${from(parent.file)}";`]
      : [`import { ${input.name}Schema } from "${from(input.file)}";`, `import { ${parent.name} } from "${from(parent.file)}";`]),
    "",
    `const api = "${origin}";`,
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
