import { type Callable, procedureOf } from "./schema";

/** The same call in the words of others, to be run where TOKEN is set. */
export interface Snippets {
  curl: string;
  "buf curl": string;
  Go: string;
}

export function snippets(method: Callable, json: string, origin: string): Snippets {
  const url = origin + procedureOf(method);
  const data = quote(compact(json));
  const streams = method.methodKind === "server_streaming";
  return {
    curl: streams
      ? `# curl cannot frame a stream of Connect; buf can.\n${buf(url, data)}`
      : `curl -s -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\\n  -d ${data} ${url}`,
    "buf curl": buf(url, data),
    Go: goCode(method, origin, compact(json)),
  };
}

function buf(url: string, data: string): string {
  const plaintext = url.startsWith("http:") ? " --http2-prior-knowledge" : "";
  return `buf curl --protocol grpc${plaintext} -H "Authorization: Bearer $TOKEN" \\\n  -d ${data} ${url}`;
}

function goCode(method: Callable, origin: string, json: string): string {
  const service = method.parent.name;
  const [, name = ""] = /(\w+)\.v1$/.exec(method.parent.file.proto.package) ?? [];
  const call = `client.${method.name}(ctx, request)`;
  return [
    `source := auth.StaticToken(os.Getenv("TOKEN"))`,
    `client := ${name}v1connect.New${service}Client(http.DefaultClient, "${origin}",`,
    `\tconnectauth.WithToken("${origin}", source))`,
    `request := new(${name}v1.${method.input.name})`,
    ...(json === "{}" ? [] : [`err := protojson.Unmarshal([]byte(\`${json.replaceAll("`", '` + "`" + `')}\`), request)`]),
    ...(method.methodKind === "server_streaming"
      ? [`stream, err := ${call}`, "for stream.Receive() {", "\tfmt.Println(stream.Msg())", "}"]
      : [`response, err := ${call}`]),
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
    return json;
  }
}
