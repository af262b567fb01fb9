package provider

import (
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

// The classes of a token that Clerk signs, all with the same key: its header
// member cat.
const (
	clerkSession  = "cl_B7d4PD111AAA"
	clerkTemplate = "cl_B7d4PD222AAA"
	clerkMachine  = "cl_B7d4PD333AAA"
	clerkIgnore   = "cl_I7d4PD111III"
)

// Clerk signs all classes of tokens with the same key.
func Clerk() Provider {
	return Provider{
		Extends: auth.IssuerCapabilities{
			Kinds:        []auth.TokenKind{auth.KindSession, auth.KindTemplate, auth.KindOAuth, auth.KindMachine, auth.KindID},
			Organization: true, Roles: true, Permissions: true, Features: true, Plans: true,
		},
		NamesSession:      true,
		PartiesAreOrigins: true,
		kindOf:            kindOfClerk,
		read:              readClerk,
	}
}

// kindOfClerk returns the kind by the subject, then the type, then cat. If they
// contradict each other, the token has no kind. A token with a cat may have any claim
// that its template adds, so the marks of an ID token are ignored there.
func kindOfClerk(_ *Provider, t *Token) auth.TokenKind {
	accessToken := t.isType("at+jwt")
	machine := strings.HasPrefix(t.Word("sub"), "mch_")
	if t.Category == "" && !machine {
		switch jti := t.Word("jti"); {
		case strings.HasPrefix(jti, "mt_"):
			return 0
		case strings.HasPrefix(jti, "oat_"), t.Has("client_id") && !t.Has("sid"):
			accessToken = true // whatever its type
		}
	}
	switch {
	case t.purpose == purposeID && t.Category == "":
		return auth.KindID
	case machine && !accessToken && (t.Category == "" || t.Category == clerkMachine):
		return auth.KindMachine
	case machine:
		return 0
	case accessToken && t.Category == "":
		return auth.KindOAuth
	case accessToken:
		return 0
	}
	switch t.Category {
	case "", clerkSession, clerkIgnore:
		return auth.KindSession
	case clerkTemplate:
		return auth.KindTemplate
	}
	return 0
}

func readClerk(t *Token, id *Record) {
	id.NoStepUp = true
	if strings.HasPrefix(id.Subject, "mch_") {
		// The owner of the machine's secret chooses its claims. So only its scopes are
		// read, which Clerk writes.
		clerkMachineScopes(t, id)
		return
	}
	switch t.Get("v") {
	case "", "1":
		clerkV1(t, id)
	case "2":
		clerkV2(t, id)
	default:
		t.Invalid("v", "is not a version that is known")
	}
	if ages, ok := clerkFactorAges(t.Get("fva")); ok {
		id.ages = ages
		id.FactorAges = &id.ages
	}
	id.Plans = clerkScoped(t, "pla")
	t.Pending = t.TextOf("sts", t.Get("sts")) == "pending"
}

// clerkV1 reads the claims of version 1, which templates copy too.
func clerkV1(t *Token, id *Record) {
	organization := auth.Organization{
		ID:   t.TextOf("org_id", t.Get("org_id")),
		Slug: t.TextOf("org_slug", t.Get("org_slug")),
		Role: prefixOrg(t.GrantText("org_role", t.Get("org_role"))),
	}
	if id.setOrganization(organization) {
		id.Permissions = AppendNew(id.Permissions, t.Grants([]string{"org_permissions"}, ""))
	}
}

// clerkV2 reads the claims of version 2, where permissions are a bit mask over
// the features.
func clerkV2(t *Token, id *Record) {
	id.Features = clerkScoped(t, "fea")
	v := t.Get("o")
	if v == "" {
		return
	}
	o, ok := t.Object(v)
	if !ok {
		t.Invalid("o", "is not an object")
		return
	}
	organization := auth.Organization{
		ID:   t.TextOf("o.id", o.Get("id")),
		Slug: t.TextOf("o.slg", o.Get("slg")),
		Role: prefixOrg(t.GrantText("o.rol", o.Get("rol"))),
	}
	if id.setOrganization(organization) {
		id.Permissions = AppendNew(id.Permissions, clerkPermissions(id.Features,
			t.GrantText("o.per", o.Get("per")), t.GrantText("o.fpm", o.Get("fpm"))))
	}
}

// clerkPermissions spells the permissions out. masks holds a decimal number for
// each feature, of any size; bit j of it grants permission j of that feature.
// A feature that is not the organization's, or whose mask is no number, grants
// nothing.
func clerkPermissions(features []string, permissions, masks string) []string {
	if permissions == "" {
		return nil
	}
	// All the permissions share one text, in which ends marks where each stops.
	text, ends := make([]byte, 0, 256), make([]int, 0, 16)
	i := -1
	for mask := range strings.SplitSeq(masks, ",") {
		if i++; i == len(features) {
			break
		}
		scope, feature, _ := strings.Cut(features[i], ":")
		if (scope != "o" && scope != "ou" && scope != "uo") || !isDigits(mask) {
			continue
		}
		bits := parseMask(mask)
		j := 0
		for name := range strings.SplitSeq(permissions, ",") {
			if bits.has(j) {
				text = append(append(append(append(text, "org:"...), feature...), ':'), name...)
				ends = append(ends, len(text))
			}
			j++
		}
	}
	return cut(string(text), ends)
}

// cut returns the pieces of text that end at ends.
func cut(text string, ends []int) []string {
	if len(ends) == 0 {
		return nil
	}
	pieces := make([]string, len(ends))
	start := 0
	for i, end := range ends {
		pieces[i], start = text[start:end], end
	}
	return pieces
}

// mask is a decimal number of any size, as bits. One that fits a machine word,
// as nearly all do, costs no allocation.
type mask struct {
	word uint64
	big  *big.Int
}

func parseMask(digits string) mask {
	if word, err := strconv.ParseUint(digits, 10, 64); err == nil {
		return mask{word: word}
	}
	n, _ := new(big.Int).SetString(digits, 10)
	return mask{big: n}
}

func (m mask) has(bit int) bool {
	if m.big != nil {
		return m.big.Bit(bit) == 1
	}
	return bit < 64 && m.word>>bit&1 == 1
}

// clerkFactorAges reads fva, the minutes since each factor was verified. It
// reports false for what is missing or malformed, which never counts as fresh.
func clerkFactorAges(v strictjson.Value) (auth.FactorAges, bool) {
	const longest = 1 << 30 // minutes; 2000 years
	var minutes [2]int64
	n, ok := 0, true
	isList := v.Elements(func(e strictjson.Value) bool {
		m, err := strconv.ParseInt(string(e), 10, 64)
		if err != nil || m < -1 || m > longest || n == len(minutes) {
			ok = false
			return false
		}
		minutes[n] = m
		n++
		return true
	})
	if !isList || !ok || n != len(minutes) || minutes == [2]int64{-1, -1} {
		return auth.FactorAges{}, false
	}
	return auth.FactorAges{First: factorAge(minutes[0]), Second: factorAge(minutes[1])}, true
}

// clerkMachineScopes reads the scopes of a machine: scopes, else aud.
func clerkMachineScopes(t *Token, id *Record) {
	if t.Has("scopes") {
		id.Scopes = t.Words([]string{"scopes"})
	} else if id.Scopes == nil {
		id.Scopes = id.Audience
	}
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// clerkScoped reads a list of features or plans, each behind a scope that says
// whether it is the organization's or the user's. An empty claim is an empty list.
func clerkScoped(t *Token, claim string) []string {
	text := t.TextOf(claim, t.Get(claim))
	if text == "" {
		return nil
	}
	names := strings.Split(text, ",")
	for _, name := range names {
		if !strings.Contains(name, ":") {
			t.Invalid(claim, "has a name without a scope")
			return nil
		}
	}
	return names
}

// factorAge turns minutes into a duration; -1 stays negative.
func factorAge(minutes int64) time.Duration {
	if minutes < 0 {
		return -1
	}
	return time.Duration(minutes) * time.Minute
}

// prefixOrg gives a name of an organization its one org: prefix.
func prefixOrg(name string) string {
	if name == "" || strings.HasPrefix(name, "org:") {
		return name
	}
	return "org:" + name
}
