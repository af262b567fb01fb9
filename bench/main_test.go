package main

import (
	"os"
	"strings"
	"testing"

	"connectrpc.com/connect"
)

// The figures of this run mean nothing. It shows that every row can be measured,
// and that goals and baselines are those of rows.
func TestTheReportCanBeWritten(t *testing.T) {
	t.Parallel()
	text, err := report(t.Context(), &harness{folder: t.TempDir(), program: must(os.Executable()), Quick: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| **ostiary, cold** |", "| go-oidc |", "added-heap-bytes ≤ 1024: ", "answered-ms ≤ 300: ", "| google.golang.org/grpc | v1."} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestRunChoosesSections(t *testing.T) {
	t.Parallel()
	h := &harness{program: must(os.Executable()), Quick: true}
	text, err := report(t.Context(), h, "warm|policy/cond")
	if err != nil || strings.Count(text, "\n## ") != 3 || !strings.Contains(text, "## Deciding\n") {
		t.Errorf("%v, in the report\n%s", err, text)
	}
	if _, err := h.measure(t.Context(), table{bench: "Nothing"}, 1, ""); err == nil || !strings.Contains(err.Error(), "Nothing") {
		t.Errorf("a benchmark that is missing: %v", err)
	}
}

func TestRatiosAreTakenWithinEachRound(t *testing.T) {
	t.Parallel()
	of := func(name string, values ...float64) row {
		r := row{name: "Cold/" + name}
		for _, v := range values {
			r.rounds = append(r.rounds, map[string]float64{"cpu-ns/op": v, "mallocs/op": 2 * v})
		}
		return r
	}
	tab := table{
		bench: "Cold", base: "base", unit: "cpu-ns/op",
		goals: []goal{{"ostiary", "ratio", 2}, {"ostiary", "extra mallocs/op", 3}, {"", "cpu-ns/op", 100}},
		rows:  []row{of("base", 1, 2, 10), of("ostiary", 2, 4, 30), of("peer", 1e4, 2e4, 1e5)},
	}
	const want = "|  | ratio | quartiles | cpu-ns/op | mallocs/op | goals |\n| --- | --: | --: | --: | --: | --- |\n" +
		"| base | 1.00 | 1.00–1.00 | 2 | 4 | cpu-ns/op ≤ 100: reached |\n" +
		"| **ostiary** | 2.00 | 2.00–2.83 | 4 | 8 | ratio ≤ 2: reached; extra mallocs/op ≤ 3: missed; cpu-ns/op ≤ 100: reached |\n" +
		"| peer | 10000.00 | 10000.00–10000.00 | 20,000 | 40,000 | cpu-ns/op ≤ 100: missed |"
	if got, err := tab.markdown(); got != want || err != nil {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
	}
	const alone = "|  | cpu-ns/op | mallocs/op | goals |\n| --- | --: | --: | --- |\n| **ostiary** | 4 (2.3–25.7) | 8 (4.7–51.3) |  |"
	if got, err := (table{bench: "Cold", rows: tab.rows[1:2]}).markdown(); got != alone || err != nil {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, alone)
	}
	tab.goals = append(tab.goals, goal{"nobody", "ratio", 1})
	if got, err := tab.markdown(); err == nil {
		t.Errorf("a goal for no row is no error: %s", got)
	}
}

// A comparison is worth something only when everybody does the work.
func TestEveryVerifierVerifies(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"RS256", "ES256", "EdDSA"} {
		iss, stranger := newIssuer(t, algorithm), newIssuer(t, algorithm)
		token, other := iss.token(1), stranger.token(1)
		// Signed by another key, under the ID of the trusted one.
		forged := token[:strings.LastIndexByte(token, '.')] + other[strings.LastIndexByte(other, '.'):]
		test := func(name string, valid, forged error) {
			if valid != nil || forged == nil {
				t.Errorf("%s with %s: %v for a valid token, %v for a forged one", algorithm, name, valid, forged)
			}
		}
		for _, v := range verifiers {
			verify := v.new(iss.trust)
			test(v.name, verify(t.Context(), token), verify(t.Context(), forged))
		}
		test("warm", ostiaryWarm(iss.trust)(t.Context(), token), ostiaryWarm(iss.trust)(t.Context(), forged))
		test("the baseline", signatureCheck(iss.trust, token)(t.Context(), ""), signatureCheck(iss.trust, forged)(t.Context(), ""))
		test("the key alone", keyCheck(iss.trust, token)(t.Context(), ""), keyCheck(iss.trust, forged)(t.Context(), ""))
	}
}

func TestEveryGuardGuards(t *testing.T) {
	t.Parallel()
	iss := newIssuer(t, "RS256")
	valid, forged := iss.token(1), newIssuer(t, "RS256").token(1)
	for _, transport := range transports {
		for _, row := range guards {
			if row.tokens != 1 || row.only != "" && row.only != transport {
				continue
			}
			t.Run(transport+" with "+row.guard, func(t *testing.T) {
				t.Parallel()
				c := newClient(t, startServer(t, Setup{transport, row.guard, iss.trust}))
				stream := func(token string) error { return exchange(c.open(t.Context(), token), 2, 3) }
				if transport == "net-http" {
					stream = func(token string) error { return c.call(t.Context(), token) }
				}
				for _, token := range []string{valid, forged, ""} {
					for _, err := range []error{c.call(t.Context(), token), stream(token)} {
						code := connect.CodeOf(err)
						refused := err != nil && (code == connect.CodeUnauthenticated || code == connect.CodePermissionDenied)
						if accepted := row.guard == "no auth" || token == valid; accepted && err != nil || !accepted && !refused {
							t.Errorf("a token of %d bytes: %v", len(token), err)
						}
					}
				}
			})
		}
	}
}
