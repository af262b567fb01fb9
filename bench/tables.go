package main

import "github.com/ostiary/ostiary/bench/verifiers"

// A section is what -run chooses by name: tables of benchmarks that are measured
// together.
type section struct {
	name   string
	kind   sectionKind
	tables []table
}

type sectionKind uint8

const (
	inProcess   sectionKind = iota // takes turns
	withServers                    // takes turns, and more of them: calls vary more
	once                           // has a single sample
)

// A table is one of the report.
type table struct {
	title string
	note  string // what is measured, in Markdown; {unit} is a figure of the first row
	path  string // of its benchmarks, whose names follow it
	unit  string // as it is shown
	// metric is the unit that its benchmarks report. Default: cpu-ns/op.
	metric string
	chart  string // the heading of its bars in the chart; empty keeps it out
	rows   []row
}

// A row is one benchmark, or one metric of it.
type row struct {
	name    string // as it is shown; {unit} is a figure of the row
	bench   string // follows the table's path; default: the name
	metric  string // default: the table's
	against string // the row that it is a ratio of
	minus   string // the row to subtract from the one above, instead of a benchmark
	bare    bool   // without ostiary
	peer    bool   // another project's
	goals   []goal
}

func (t table) benchmark(r row) string {
	if r.bench == "" {
		r.bench = r.name
	}
	return t.path + r.bench
}

func (t table) metricOf(r row) string {
	for _, metric := range []string{r.metric, t.metric} {
		if metric != "" {
			return metric
		}
	}
	return "cpu-ns/op"
}

// benchmarks returns the name of each benchmark once.
func (s section) benchmarks() []string {
	var names []string
	seen := make(map[string]bool)
	for _, t := range s.tables {
		for _, r := range t.rows {
			if name := t.benchmark(r); r.minus == "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

func sections() []section {
	sections := []section{cold("RS256", 1.10), cold("ES256", 1.06), cold("EdDSA", 1.08)}
	sections = append(sections, warm()...)
	for _, t := range transports {
		sections = append(sections, calls(t))
	}
	return append(sections, streams(), decisions(), cacheMemory(), revoked(), leases(), watchers())
}

// cold compares full verification with the part of it that nobody can leave out.
func cold(algorithm string, limit float64) section {
	const baseline = "signature check alone"
	t := table{
		title: "Verifying a token for the first time, " + algorithm,
		note: "A session token of {token-bytes} bytes, from the string to the claims, against what the standard library needs " +
			"to hash and check its signature. The keys are there; nothing is cached.",
		path: "Cold/" + algorithm + "/", unit: "ns", chart: "CPU to verify a token, " + algorithm,
		rows: []row{{name: baseline, bare: true}},
	}
	for _, v := range verifiers.All() {
		r := row{name: v.Name, against: baseline, peer: v.Module != ""}
		if !r.peer {
			r.goals = []goal{ratioAtMost(limit), allocsAtMost(20)}
		}
		t.rows = append(t.rows, r)
	}
	return section{name: "cold", tables: []table{t}}
}

// warm is a token that was seen before.
func warm() []section {
	return []section{
		{name: "warm", tables: []table{{
			title: "Verifying a token again",
			note:  "The same token of {token-bytes} bytes, found in the cache; its times and its key are judged anew. No peer has such a cache.",
			path:  "Warm/", unit: "ns",
			rows: []row{
				{name: "SHA-256 of the token alone", bare: true},
				{name: "ostiary, warm", against: "SHA-256 of the token alone", goals: []goal{valueAtMost(800, "ns"), allocsAtMost(0)}},
			},
		}}},
		{name: "cores", tables: []table{{
			title: "Verifying again on two cores",
			note: "How many verifications of 64 tokens that are in the cache are done in a millisecond of wall-clock time, " +
				"which a busy machine spoils sooner than CPU time.",
			path: "Cores/", unit: "per ms", metric: "ops/ms",
			rows: []row{
				{name: "one goroutine", bare: true},
				{name: "two goroutines", against: "one goroutine", goals: []goal{ratioAtLeast(1.8)}},
			},
		}}},
	}
}

// A transport of calls.
type transport struct {
	name, server, protocol string
	limit                  float64 // the goal of the ratio
	peers                  []string
}

var transports = []transport{
	{"connect-go, Connect protocol", "connect-go", "Connect", 1.03, []string{"authn-go + golang-jwt", "clerk-sdk-go's middleware"}},
	{"connect-go, gRPC protocol", "connect-go", "gRPC", 1.03, []string{"authn-go + golang-jwt", "clerk-sdk-go's middleware"}},
	{"grpc-go", "grpc-go", "grpc-go", 1.08, []string{"go-grpc-middleware + golang-jwt"}},
	{"net-http", "net/http", "net/http", 1.08, nil}, // a slash would part the benchmark's name
}

// calls is what a unary call costs its server.
func calls(transport transport) section {
	goals := []goal{ratioAtMost(transport.limit)}
	if len(transport.peers) > 0 {
		goals = append(goals, belowPeers())
	}
	const baseline = "no auth, no token sent"
	t := table{
		title: "A unary call on " + transport.name,
		note: "CPU time of the server's process, user and system, for a call that echoes a short text over HTTP/2, eight at a time. " +
			"Tokens are signed with RS256.",
		path: "Calls/" + transport.name + "/", unit: "ns", chart: "Server CPU for a call, " + transport.name,
		rows: []row{
			{name: baseline, bare: true},
			{name: "no auth, one token sent", against: baseline, bare: true},
			{name: "no auth, {tokens} tokens sent", bench: "no auth, many tokens sent", against: baseline, bare: true},
			{name: "ostiary, warm", against: baseline, goals: goals},
			{name: "ostiary, {tokens} tokens, warm", bench: "ostiary, many tokens, warm", against: baseline},
			{name: "ostiary, cold", against: baseline},
		},
	}
	for _, peer := range transport.peers {
		t.rows = append(t.rows, row{name: peer, against: baseline, peer: true})
	}
	return section{name: "calls", kind: withServers, tables: []table{t}}
}

// streams is what a message costs. Opening the stream is spread over so many
// messages that it hardly counts.
func streams() section {
	t := table{
		title: "A streamed message",
		note: "CPU time of the server's process for each message of a long stream. On a server stream the server sends them, " +
			"on a client stream it receives them.",
		path: "Streams/", unit: "ns",
	}
	for _, stream := range []string{"connect-go, server stream", "connect-go, client stream", "grpc-go, server stream", "grpc-go, client stream"} {
		t.rows = append(t.rows,
			row{name: stream + ", bare", bare: true},
			row{name: stream + ", guarded", against: stream + ", bare", goals: []goal{ratioAtMost(1.02), noExtraAllocs()}})
	}
	return section{name: "streams", kind: withServers, tables: []table{t}}
}

// decisions is what a rule costs once it is known who is calling.
func decisions() section {
	t := table{
		title: "Deciding",
		note: "Finding the rule of a procedure and holding an identity against it. Before the handler has the request, each call is asked about " +
			"again: whether its token has expired or is revoked, and the condition of its rule, if any.",
		path: "Policy/", unit: "ns",
	}
	for _, rule := range []string{"authenticated", "one permission", "a role, two permissions and a scope", "every part but a condition", "asking again, no condition"} {
		t.rows = append(t.rows, row{name: rule, goals: []goal{valueAtMost(200, "ns"), allocsAtMost(0)}})
	}
	for _, condition := range []string{"a condition", "a condition of three parts", "a condition on a claim"} {
		t.rows = append(t.rows, row{name: condition, goals: []goal{valueAtMost(2000, "ns")}})
	}
	return section{name: "policy", tables: []table{t}}
}

// cacheMemory is what the heap keeps for a token in the cache, identity and claims included.
func cacheMemory() section {
	return section{name: "memory", kind: once, tables: []table{{
		title: "Memory for each cached token",
		note: "{tokens} tokens of {token-bytes} bytes were verified into a cache of as many entries, and dropped; a sample says that {held-%} % of " +
			"them are held. What the heap has grown by, the cache's own table included, is divided by their number.",
		path: "Memory/", unit: "bytes", metric: "heap-bytes/token",
		rows: []row{{name: "ostiary", goals: []goal{valueAtMost(1024, "bytes")}}},
	}}}
}

// revoked is what every call pays for the list of what is revoked, and the size
// of the list.
func revoked() section {
	goals := []goal{valueAtMost(100, "ns"), allocsAtMost(0)}
	return section{name: "revoked", tables: []table{{
		title: "Asking whether a token is revoked",
		note: "{revocations} sessions, users and single tokens are revoked, and none of those that are asked about. " +
			"Of a thousand tokens in turn, the processor's cache keeps what is looked at; when it is another each time, little of the list is there.",
		path: "Revoked/", unit: "ns",
		rows: []row{{name: "a thousand tokens in turn", goals: goals}, {name: "another token each time", goals: goals}},
	}, {
		title: "Memory for each revocation",
		note:  "What the heap has grown by for that list, divided by its length. The ids are as long as Clerk's.",
		path:  "Revoked/", unit: "bytes", metric: "heap-bytes/revocation",
		rows: []row{{name: "ostiary", bench: "a thousand tokens in turn", goals: []goal{valueAtMost(150, "bytes")}}},
	}}}
}

// leases is what it costs to hold a stream, to renew it and to end it, without a
// transport.
func leases() section {
	return section{name: "leases", kind: once, tables: []table{{
		title: "A lease",
		note: "{streams} streams are open in one process, each with a session of its own, and nothing is sent. " +
			"A call of each session is admitted, with the token of the stream and then with a newer one, which renews the stream. " +
			"At last everything is revoked at once; the end of a stream includes that of the two goroutines which serve it.",
		path: "Leases/", unit: "ns",
		rows: []row{
			{name: "a call that renews nothing", bench: "guarded", metric: "cpu-ns/call"},
			{name: "a call that renews a stream", bench: "guarded", metric: "cpu-ns/renewal"},
			{name: "the end of a stream", bench: "guarded", metric: "cpu-ns/end"},
		},
	}, {
		title: "Memory for each lease",
		note: "Of the heap, for those streams and for as many admitted calls that have no lease. Of what it adds, some 600 bytes are the " +
			"runtime's for one goroutine more that waits, and 400 are for a context that can be cancelled with a cause, on a parent that " +
			"had no other child: neither is the lease's own.",
		path: "Leases/", unit: "bytes",
		rows: added("heap", "", "heap-bytes/stream", valueAtMost(1024, "bytes")),
	}}}
}

// watchers is a great many streams that are open at once: how soon those end that
// are revoked, and what the lease of each adds to its server.
func watchers() section {
	ends := table{
		title: "From revoking to the end of the stream",
		note: "One client process has {streams} server streams open, 100 on each connection, each of a user of its own, and nothing is sent. " +
			"One user of each hundred is revoked, all at once. Shown is the wall-clock time from revoking in the server's process " +
			"until the client has read TOKEN_REVOKED from a stream; the other streams go on.",
		path: "Watchers/", unit: "ms",
	}
	bytes := table{
		title: "Memory for each open stream",
		note: "What the server's process has grown by when those streams were open, divided by their number. " +
			"Tokens were verified and connections were open before.",
		path: "Watchers/", unit: "bytes",
	}
	goroutines := table{title: "Goroutines for each open stream", note: "Of the same streams.", path: "Watchers/", unit: "goroutines"}
	for _, transport := range []string{"connect-go", "grpc-go"} {
		ends.rows = append(ends.rows,
			row{name: transport + ", half of them within", bench: transport + ", guarded", metric: "median-ms"},
			row{name: transport + ", 99 % within", bench: transport + ", guarded", metric: "p99-ms", goals: []goal{valueAtMost(100, "ms")}})
		bytes.rows = append(bytes.rows, added(transport+", heap", transport+", ", "heap-bytes/stream", valueAtMost(1024, "bytes"))...)
		bytes.rows = append(bytes.rows, added(transport+", stacks", transport+", ", "stack-bytes/stream")...)
		goroutines.rows = append(goroutines.rows, added(transport, transport+", ", "goroutines/stream", valueAtMost(1, "goroutines"))...)
	}
	return section{name: "watchers", kind: once, tables: []table{ends, bytes, goroutines}}
}

// added is a figure without a lease and with one, and the difference.
func added(name, bench, metric string, goals ...goal) []row {
	return []row{
		{name: name + ", bare", bench: bench + "bare", metric: metric, bare: true},
		{name: name + ", guarded", bench: bench + "guarded", metric: metric},
		{name: name + ", what the lease adds", minus: name + ", bare", metric: metric, goals: goals},
	}
}

// modules are those whose versions a reader wants to know.
func modules() []string {
	paths := []string{
		"connectrpc.com/connect", "google.golang.org/grpc", "connectrpc.com/authn",
		"github.com/grpc-ecosystem/go-grpc-middleware/v2", "github.com/MicahParks/keyfunc/v3",
	}
	for _, v := range verifiers.All() {
		if v.Module != "" {
			paths = append(paths, v.Module)
		}
	}
	return paths
}
