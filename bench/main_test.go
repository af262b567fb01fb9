package main

import (
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/bench/issuer"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	s, err := parseSettings([]string{"-quick", "-rounds", "7", "-run", "cold|warm", "-out", "x.md"}, io.Discard)
	if err != nil || !s.quick || s.rounds != 7 || s.out != "x.md" || !s.run.MatchString("warm") || s.run.MatchString("calls") {
		t.Errorf("parseSettings = %+v, %v", s, err)
	}
	if s, err := parseSettings(nil, io.Discard); err != nil || s.rounds != 51 {
		t.Errorf("%d rounds by default, %v; want 51", s.rounds, err)
	}
	for _, arguments := range [][]string{{"-run", "("}, {"-rounds", "-1"}, {"cold"}} {
		if _, err := parseSettings(arguments, io.Discard); err == nil {
			t.Errorf("%q accepted", arguments)
		}
	}
	if _, err := parseSettings([]string{"-help"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help: %v, want %v", err, flag.ErrHelp)
	}
}

// The figures of this run mean nothing; it shows that every row has its
// benchmark, and that the report can be written.
func TestEveryRowIsMeasured(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	results, err := measureAll(t.Context(), harness{program: program, quick: true, rounds: 1, laps: 1, turn: 100 * time.Microsecond}, regexp.MustCompile(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		for _, l := range r.lines {
			if l.value.median <= 0 && (r.unit == "ns" || r.unit == "ms" || r.unit == "per ms") {
				t.Errorf("%s, %s: %v %s", r.title, l.name, l.value.median, r.unit)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "benchmarks.md")
	compared, err := versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := (report{results: results, versions: compared}).save(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"](benchmarks.svg)", "A session token of 9", "| ostiary, 100 tokens, warm", "connectrpc.com/connect | v1", "github.com/coreos/go-oidc/v3 | v3"} {
		if !strings.Contains(strings.ReplaceAll(string(text), "*", ""), want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if unresolved := regexp.MustCompile(`\{[a-z%-]+\}|NaN`).FindString(string(text)); unresolved != "" {
		t.Errorf("the report contains %s", unresolved)
	}
	if _, err := os.Stat(strings.TrimSuffix(file, "md") + "svg"); err != nil {
		t.Error(err)
	}
}

func TestABenchmarkThatIsMissingIsAnError(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []sectionKind{inProcess, once} {
		s := section{kind: kind, tables: []table{{path: "Cold/", rows: []row{{name: "nothing"}}}}}
		if _, err := (harness{program: program, rounds: 1}).run(t.Context(), s); err == nil || !strings.Contains(err.Error(), "Cold/nothing took no turn") {
			t.Errorf("kind %d: %v", kind, err)
		}
	}
}

func TestRatiosAreTakenWithinEachRound(t *testing.T) {
	t.Parallel()
	sample := func(values ...float64) (samples []figures) {
		for _, v := range values {
			samples = append(samples, figures{"cpu-ns/op": v, "allocs/op": 2 * v})
		}
		return samples
	}
	tab := table{title: "Verifying", note: "A note.", unit: "ns", rows: []row{
		{name: "base", bare: true},
		{name: "ours", against: "base", goals: []goal{ratioAtMost(2), valueAtMost(3, "ns"), allocsAtMost(8), noExtraAllocs(), belowPeers(), ratioAtLeast(2.01)}},
		{name: "peer", against: "base", peer: true},
		{name: "what it adds", minus: "base"},
	}}
	r, err := resultOf(tab, map[string][]figures{"base": sample(1, 2, 10), "ours": sample(2, 4, 30), "peer": sample(1e6, 2e6, 1e7)}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.lines[0].value, (quartiles{1.5, 2, 6}); got != want {
		t.Errorf("base: %+v, want %+v", got, want)
	}
	if got, want := r.lines[1].ratio, (quartiles{2, 2, 2.5}); got != want {
		t.Errorf("ours: %+v, want %+v", got, want)
	}
	var b strings.Builder
	r.write(&b)
	const want = "## Verifying\n\nA note. 3 rounds.\n\n" +
		"|  | ratio | quartiles | ns | allocations | goal |\n| --- | --: | --: | --: | --: | --- |\n" +
		"| base | 1 |  | 2.0 | 4 |  |\n" +
		"| **ours** | 2.00 | 2.00–2.50 | 4.0 | 8 | ≤ 2.00: reached; ≤ 3 ns: missed; ≤ 8 allocations: reached; " +
		"≤ 0 extra allocations: missed; below every peer: reached; ≥ 2.01: missed |\n" +
		"| peer | 1000000.00 | 1000000.00–1000000.00 | 2\u00a0000\u00a0000 | 4000000 |  |\n" +
		"| **what it adds** |  |  | 1\u00a0999\u00a0998 |  |  |\n\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	for _, faulty := range []row{{name: "a", metric: "x/op"}, {name: "a", against: "nobody"}, {name: "a", minus: "nobody"}} {
		tab := table{rows: []row{{name: "first"}, faulty}}
		if _, err := resultOf(tab, map[string][]figures{"a": sample(1), "first": sample(1)}, 1); err == nil {
			t.Errorf("%+v is no error", faulty)
		}
	}
	if !math.IsNaN(quartilesOf(nil, "x/op", nil).median) {
		t.Error("nothing has a median")
	}
}

// A comparison is worth something only when every guard guards.
func TestEveryGuardGuards(t *testing.T) {
	t.Parallel()
	trusted, stranger := issuer.New("RS256"), issuer.New("RS256")
	for _, transport := range transports {
		for _, guard := range append([]string{"no auth", "ostiary", "ostiary, cold"}, transport.peers...) {
			t.Run(transport.name+" with "+guard, func(t *testing.T) {
				t.Parallel()
				c, err := newClient(transport.protocol, serve(t, transport.server, guard, trusted.Trust()).address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.close)
				for name, call := range map[string]func(token string) error{
					"unary":         func(token string) error { return c.unary(t.Context(), token) },
					"server stream": func(token string) error { return c.receive(t.Context(), token, 3, func() {}) },
					"client stream": func(token string) error { return c.send(t.Context(), token, 3) },
				} {
					if transport.name == "net-http" && name != "unary" {
						continue
					}
					if err := call(trusted.Token(1)); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					for _, token := range []string{"", stranger.Token(1)} {
						if err := call(token); !refused(err, guard, token) {
							t.Errorf("%s with a token of %d bytes: %v", name, len(token), err)
						}
					}
				}
			})
		}
	}
}

func refused(err error, guard, token string) bool {
	if guard == "no auth" {
		return err == nil
	}
	if err != nil && strings.Contains(err.Error(), "401 Unauthorized") {
		return true
	}
	want := codes.Unauthenticated
	if guard == "clerk-sdk-go's middleware" && token == "" {
		want = codes.PermissionDenied // 403 is what it answers
	}
	return slices.Contains([]codes.Code{status.Code(err), codes.Code(connect.CodeOf(err))}, want)
}
