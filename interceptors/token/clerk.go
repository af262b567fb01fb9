package token

import (
	"encoding/base64"
	"errors"
	"math/big"
	"strconv"
	"strings"

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

// kindOfClerk returns the kind by the subject, then the type, then cat. If they
// contradict each other, the token has no kind. A token with a cat may have any claim
// that its template adds, so the marks of an ID token are ignored there.
func kindOfClerk(_ *Profile, h header, c *claims, is purpose) auth.TokenKind {
	accessToken := h.isType("at+jwt")
	machine := strings.HasPrefix(c.word("sub"), "mch_")
	if h.category == "" && !machine {
		switch jti := c.word("jti"); {
		case strings.HasPrefix(jti, "mt_"):
			return 0
		case strings.HasPrefix(jti, "oat_"), c.has("client_id") && !c.has("sid"):
			accessToken = true // whatever its type
		}
	}
	switch {
	case is == purposeID && h.category == "":
		return auth.KindID
	case machine && !accessToken && (h.category == "" || h.category == clerkMachine):
		return auth.KindMachine
	case machine:
		return 0
	case accessToken && h.category == "":
		return auth.KindOAuth
	case accessToken:
		return 0
	}
	switch h.category {
	case "", clerkSession, clerkIgnore:
		return auth.KindSession
	case clerkTemplate:
		return auth.KindTemplate
	}
	return 0
}

func extendClerk(_ *Profile, c *claims, id *record) {
	id.NoStepUp = true
	if strings.HasPrefix(id.Subject, "mch_") {
		// Whoever has the machine's secret chooses its claims, so all that they could
		// grant is left unread but its scopes, which Clerk writes.
		clerkMachineScopes(c, id)
		return
	}
	switch c.get("v") {
	case "", "1":
		clerkV1(c, id)
	case "2":
		clerkV2(c, id)
	default:
		c.invalid("v", "is not a version that is known")
	}
	if ages, ok := clerkFactorAges(c.get("fva")); ok {
		id.ages = ages
		id.FactorAges = &id.ages
	}
	id.Plans = clerkScoped(c, "pla")
	c.pending = c.textOf("sts", c.get("sts")) == "pending"
}

// clerkV1 reads the claims of version 1, which templates copy too.
func clerkV1(c *claims, id *record) {
	organization := auth.Organization{
		ID:   c.textOf("org_id", c.get("org_id")),
		Slug: c.textOf("org_slug", c.get("org_slug")),
		Role: prefixOrg(c.grantText("org_role", c.get("org_role"))),
	}
	if id.setOrganization(organization) {
		id.Permissions = appendNew(id.Permissions, c.grants(ClaimPath{"org_permissions"}, ""))
	}
}

// clerkV2 reads the claims of version 2, where permissions are a bit mask over
// the features.
func clerkV2(c *claims, id *record) {
	id.Features = clerkScoped(c, "fea")
	v := c.get("o")
	if v == "" {
		return
	}
	o, ok := c.object(v)
	if !ok {
		c.invalid("o", "is not an object")
		return
	}
	organization := auth.Organization{
		ID:   c.textOf("o.id", o.get("id")),
		Slug: c.textOf("o.slg", o.get("slg")),
		Role: prefixOrg(c.grantText("o.rol", o.get("rol"))),
	}
	if id.setOrganization(organization) {
		id.Permissions = appendNew(id.Permissions, clerkPermissions(id.Features,
			c.grantText("o.per", o.get("per")), c.grantText("o.fpm", o.get("fpm"))))
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
func clerkMachineScopes(c *claims, id *record) {
	if c.has("scopes") {
		id.Scopes = c.words(ClaimPath{"scopes"})
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
func clerkScoped(c *claims, claim string) []string {
	text := c.textOf(claim, c.get(claim))
	if text == "" {
		return nil
	}
	names := strings.Split(text, ",")
	for _, name := range names {
		if !strings.Contains(name, ":") {
			c.invalid(claim, "has a name without a scope")
			return nil
		}
	}
	return names
}

// ClerkIssuer returns the issuer that a Clerk publishable key stands for. The
// key is pk_test_ or pk_live_ and the base64 of the instance's host name and a
// dollar sign.
func ClerkIssuer(publishableKey string) (string, error) {
	parts := strings.Split(publishableKey, "_")
	if len(parts) != 3 || parts[0] != "pk" || (parts[1] != "test" && parts[1] != "live") {
		return "", errors.New("not a publishable key: it starts with pk_test_ or pk_live_")
	}
	decoded, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(parts[2], "="))
	if err != nil {
		return "", errors.New("not a publishable key: its last part is not base64; copy it whole from the dashboard")
	}
	host, found := strings.CutSuffix(string(decoded), "$")
	if !found || !isHostName(host) {
		return "", errors.New("not a publishable key: it does not hold a host name; copy it whole from the dashboard")
	}
	return "https://" + host, nil
}

// isHostName reports whether s is a DNS name of at least two labels, with an
// optional port.
func isHostName(s string) bool {
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort && !isDigits(port) {
		return false
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return false
		}
	}
	return len(labels) > 1
}
