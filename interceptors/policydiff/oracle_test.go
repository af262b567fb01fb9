package policydiff_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// What Diff promises is tested against an oracle, which knows nothing of how Diff
// compares rules: it compiles both schemas, and decides with both about the same
// callers and requests. Whatever the second admits and the first refuses, Diff must
// report as a loosening of that method.
//
//	go test ./interceptors/policydiff -run Oracle -oracle.pairs 1000000 -oracle.seed 7
var (
	oraclePairs = flag.Int("oracle.pairs", oracleDefault, "how many pairs of rules, schemas and renamed methods the oracle decides")
	oracleSeed  = flag.Uint64("oracle.seed", 1, "the seed of the pairs; 0 for another one each time")
)

// An oracle decides with two policies.
type oracle struct {
	*rand.Rand

	seed     uint64
	loosened int // pairs for which the oracle found a caller who gains access
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	seed := *oracleSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	return &oracle{Rand: rand.New(rand.NewPCG(seed, 0)), seed: seed}
}

func (o *oracle) chance(percent int) bool { return o.IntN(100) < percent }

func pick[T any](o *oracle, all ...T) T { return all[o.IntN(len(all))] }

// some returns each with a chance.
func some[T any](o *oracle, percent int, all ...T) []T {
	var some []T
	for _, one := range all {
		if o.chance(percent) {
			some = append(some, one)
		}
	}
	return some
}

// A call is what is decided about.
type call struct {
	caller   *auth.Identity // nil for none
	invalid  bool           // whether the caller sent a token that is not accepted
	messages [][]byte       // several of a unary method are as many calls
	json     bool           // whether the messages are JSON
}

func (c call) String() string {
	return fmt.Sprintf("caller %+v, invalid %t, messages %q", c.caller, c.invalid, c.messages)
}

// decode returns the messages as a handler sees them, or false where there is one
// that is no request of the method: about that no rule decides.
func (c call) decode(method protoreflect.MethodDescriptor) ([]proto.Message, bool) {
	unmarshal := proto.Unmarshal
	if c.json {
		unmarshal = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal
	}
	var messages []proto.Message
	for _, encoded := range c.messages {
		message := dynamicpb.NewMessage(method.Input())
		if unmarshal(encoded, message) != nil {
			return nil, false
		}
		messages = append(messages, message)
	}
	return messages, true
}

// admits decides about a call as a guard does.
func (c call) admits(rule auth.Rule, method protoreflect.MethodDescriptor, messages []proto.Message) bool {
	caller := c.caller
	if c.invalid {
		lenient, ok := rule.(auth.LenientRule)
		if !ok || !lenient.IgnoreInvalid() {
			return false
		}
		caller = nil
	}
	if rule.Check(caller) != nil {
		return false
	}
	byMessage, reads := rule.(auth.MessageRule)
	if reads && !method.IsStreamingClient() && len(messages) == 0 {
		return false // there is always a request to be decided about
	}
	for _, message := range messages {
		if reads && byMessage.CheckMessage(caller, message) != nil {
			return false
		}
	}
	return true
}

// A life is what happens to the token of a stream, in minutes from when it was
// opened.
type life struct {
	expires        int  // of the token that opened it
	newer          int  // when a newer token of its session comes; 0 for never
	newerExpires   int  // of that token
	newerIsAllowed bool // whether the rule admits it
}

func (o *oracle) life() life {
	l := life{expires: 1 + o.IntN(100)}
	if o.chance(70) {
		l.newer = 1 + o.IntN(l.expires)
		l.newerExpires = l.newer + o.IntN(3000)
		l.newerIsAllowed = o.chance(50)
	}
	return l
}

// lives reports whether a stream is open at a minute.
func lives(terms auth.StreamTerms, l life, minute int) bool {
	most := terms.MaxLifetime
	if most == 0 {
		most = 24 * time.Hour
	}
	if time.Duration(minute)*time.Minute >= most {
		return false
	}
	switch terms.Lease {
	case auth.LeaseAtOpen:
		return true
	case auth.LeaseUntilExpiry:
		return minute < l.expires
	default:
		if l.newer == 0 || minute < l.newer {
			return minute < l.expires
		}
		return l.newerIsAllowed && minute < l.newerExpires
	}
}

// livesLonger reports whether a stream that is admitted by both lives longer.
func (o *oracle) livesLonger(was, is auth.Rule) bool {
	before, after := was.(auth.StreamRule).Stream(), is.(auth.StreamRule).Stream()
	for range 20 {
		l := o.life()
		for range 10 {
			if minute := o.IntN(3000); lives(after, l, minute) && !lives(before, l, minute) {
				return true
			}
		}
	}
	return false
}

// A pair is one method, before and after.
type pair struct {
	before, after       *policy.Policy
	was, is             string // the procedures
	wasMethod, isMethod protoreflect.MethodDescriptor
	changes             []policydiff.Change // of the whole schema
}

// judge decides about calls with both policies, and reports what Diff missed.
func (o *oracle) judge(t *testing.T, p pair, calls []call) {
	t.Helper()
	var gained fmt.Stringer
	for _, c := range calls {
		before, decodes := c.decode(p.wasMethod)
		after, decodesStill := c.decode(p.isMethod)
		if !decodes || !decodesStill {
			continue
		}
		if !c.admits(p.after.Rule(p.is), p.isMethod, after) {
			continue
		}
		// A busy machine may stop a loop in a condition at its limit of time: ask again.
		refused := true
		for range 3 {
			refused = refused && !c.admits(p.before.Rule(p.was), p.wasMethod, before)
		}
		if refused {
			gained = c
			break
		}
	}
	streams := func(m protoreflect.MethodDescriptor) bool { return m.IsStreamingClient() || m.IsStreamingServer() }
	longer := streams(p.wasMethod) && streams(p.isMethod) && o.livesLonger(p.before.Rule(p.was), p.after.Rule(p.is))
	if gained == nil && !longer {
		return
	}
	o.loosened++
	var reported []string
	for _, change := range p.changes {
		if change.Procedure == p.is {
			if change.Verdict.Loosens() {
				return
			}
			reported = append(reported, change.Verdict.String()+" "+change.Text)
		}
	}
	t.Errorf("seed %d: %s became %s, and nothing is reported as looser, but only %q\nwas %v\nis  %v\nan example: %v; lives longer: %t",
		o.seed, p.was, p.is, reported, ruleOf(p.before, p.was), ruleOf(p.after, p.is), gained, longer)
}

func ruleOf(p *policy.Policy, procedure string) any {
	for _, entry := range p.Entries() {
		if entry.Procedure == procedure {
			return entry.Rule
		}
	}
	return nil
}

// assertPower fails where the pairs are too tame to test anything.
func (o *oracle) assertPower(t *testing.T, pairs int) {
	t.Helper()
	t.Logf("seed %d: %d of %d pairs loosen", o.seed, o.loosened, pairs)
	if pairs >= 500 && o.loosened < pairs/20 {
		t.Errorf("only %d of %d pairs loosen anything", o.loosened, pairs)
	}
}
