package token

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

// claims is the payload of a token, and the first fault that was found in it.
// Readers return a zero value once there is a fault, so that a profile can read
// everything and ask for the fault once.
//
// A claim that is null is absent, to every reader: issuers write null for what
// they do not know.
type claims struct {
	members object
	fault   *auth.Error
	unread  []string // claims that grant nothing, as they could not be read
	mark    string   // the member that says that the token is no credential
	pending bool     // the session does not count yet

	// The memory that most payloads fit in.
	outer     [24]strictjson.Member
	inner     [8]strictjson.Member // an object inside the payload, while it is read
	signature [512]byte
}

// object is a JSON object in which a member that is null is absent.
type object strictjson.Object

// get returns the value of a member, "" when there is none.
func (o object) get(name string) strictjson.Value {
	v := strictjson.Object(o).Get(name)
	if v == "null" {
		return ""
	}
	return v
}

// parse makes c the claims of this payload, whatever it held before.
func (c *claims) parse(payload string) error {
	members, err := strictjson.Parse(c.outer[:0], payload)
	if err != nil {
		return auth.Errorf(auth.TokenMalformed, "payload: %w", err)
	}
	c.members, c.fault, c.unread, c.mark, c.pending = object(members), nil, nil, "", false
	return nil
}

// get returns the value of a claim, "" when there is none.
func (c *claims) get(name string) strictjson.Value { return c.members.get(name) }

// has reports whether the token has the claim, whatever its value.
func (c *claims) has(name string) bool { return c.get(name) != "" }

// object reads v as an object; false when it is something else. The object
// lasts until the next one is read.
func (c *claims) object(v strictjson.Value) (object, bool) {
	members, ok := v.Members(c.inner[:0])
	return object(members), ok
}

// A ClaimPath names a claim: the members to follow from the payload inwards.
type ClaimPath []string

// AudiencePlaceholder in a ClaimPath, or in a part of one, stands for each of the Issuer's
// Audiences in turn.
const AudiencePlaceholder = "{audience}"

// find follows the path; "" when a member on the way is absent.
func (c *claims) find(path ClaimPath) strictjson.Value {
	if len(path) == 0 {
		return ""
	}
	v := c.get(path[0])
	for _, name := range path[1:] {
		inner, ok := c.object(v)
		if !ok {
			return ""
		}
		v = inner.get(name)
	}
	return v
}

func (c *claims) invalid(name, format string) {
	if c.fault == nil {
		c.fault = auth.Errorf(auth.ClaimInvalid, "claim %s "+format, name)
	}
}

// missing refuses a token without a claim that it must have.
func (c *claims) missing(name string) {
	switch {
	case strictjson.Object(c.members).Get(name) != "":
		c.invalid(name, "is null")
	case c.fault == nil:
		c.fault = auth.Errorf(auth.ClaimMissing, "claim %s is missing", name)
	}
}

// cannotRead notes that a claim grants nothing.
func (c *claims) cannotRead(name string) { c.unread = append(c.unread, name) }

// text reads a string claim; "" when it is absent.
func (c *claims) text(path ClaimPath) string { return c.textOf(path[len(path)-1], c.find(path)) }

// textOf reads v as the string claim of that name.
func (c *claims) textOf(name string, v strictjson.Value) string {
	if v == "" {
		return ""
	}
	s, ok := v.Text()
	if !ok {
		c.invalid(name, "is not a string")
	}
	return s
}

// firstText reads the first of the string claims that is present and not empty.
func (c *claims) firstText(paths []ClaimPath) string {
	for _, path := range paths {
		if s := c.text(path); s != "" {
			return s
		}
	}
	return ""
}

// word returns a string claim, and "" for anything else, which is no fault: what
// kind a token is must not hang on claims that only some issuers write.
func (c *claims) word(name string) string {
	s, _ := c.get(name).Text()
	return s
}

// firstWord is word for the first of the claims that is a string.
func (c *claims) firstWord(paths []ClaimPath) string {
	for _, path := range paths {
		if s, _ := c.find(path).Text(); s != "" {
			return s
		}
	}
	return ""
}

// texts reads a claim that must be a list of strings, or a string, which counts
// as a list of one.
func (c *claims) texts(name string, v strictjson.Value) []string {
	if v == "" {
		return nil
	}
	list, ok := listOf(v, "")
	if !ok {
		c.invalid(name, "is neither a string nor a list of strings")
	}
	return list
}

// grants is texts for a claim that grants something: one that cannot be read
// grants nothing, and locks nobody out. Where nameMember is given, an object
// counts as the string that it has there.
func (c *claims) grants(path ClaimPath, nameMember string) []string {
	v := c.find(path)
	if v == "" {
		return nil
	}
	list, ok := listOf(v, nameMember)
	if !ok {
		c.cannotRead(path[len(path)-1])
		return nil
	}
	return list
}

// memberNames returns the names of the members of the object at path; false when
// there is no object.
func (c *claims) memberNames(path ClaimPath) ([]string, bool) {
	members, ok := c.object(c.find(path))
	if !ok {
		return nil, false
	}
	list := make([]string, 0, len(members))
	for _, m := range members {
		if m.Value != "null" {
			list = append(list, m.Name)
		}
	}
	return list, true
}

// grantText reads v as a string that grants something, as grants does.
func (c *claims) grantText(name string, v strictjson.Value) string {
	s, ok := v.Text()
	if !ok && v != "" {
		c.cannotRead(name)
	}
	return s
}

// firstGrant is firstText for claims that grant something: one that cannot be read
// grants nothing.
func (c *claims) firstGrant(paths []ClaimPath) string {
	for _, path := range paths {
		if s := c.grantText(path[len(path)-1], c.find(path)); s != "" {
			return s
		}
	}
	return ""
}

// words is grants for a claim whose string form separates its values by spaces,
// as scope does (RFC 8693, section 4.2).
func (c *claims) words(path ClaimPath) []string {
	if s, ok := c.find(path).Text(); ok {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' })
	}
	return c.grants(path, "")
}

// listOf reads v as a list of strings, or as a string; false when it is neither.
// Empty strings name nothing and are left out.
func listOf(v strictjson.Value, nameMember string) ([]string, bool) {
	if v.Kind() != '[' {
		switch s, ok := nameOf(v, nameMember); {
		case !ok:
			return nil, false
		case s == "":
			return nil, true
		default:
			return []string{s}, true
		}
	}
	n := 0
	v.Elements(func(strictjson.Value) bool { n++; return true })
	if n == 0 {
		return nil, true
	}
	list, ok := make([]string, 0, n), true
	v.Elements(func(e strictjson.Value) bool {
		s, isName := nameOf(e, nameMember)
		if s != "" {
			list = append(list, s)
		}
		ok = isName
		return ok
	})
	if !ok {
		return nil, false
	}
	return list, true
}

// nameOf returns the string v, or the string that the object v has as its
// nameMember.
func nameOf(v strictjson.Value, nameMember string) (string, bool) {
	if nameMember != "" && v.Kind() == '{' {
		members, _ := v.Members(nil)
		v = members.Get(nameMember)
	}
	return v.Text()
}

// date reads a NumericDate (RFC 7519, section 2): seconds since 1970, with a
// fraction where the issuer likes; zero when it is absent. Seconds that no
// calendar of four digits reaches are refused.
func (c *claims) date(name string) time.Time {
	v := c.get(name)
	if v == "" {
		return time.Time{}
	}
	t, ok := dateOf(v)
	if !ok {
		c.invalid(name, "is not a number of seconds within the calendar")
	}
	return t
}

func dateOf(v strictjson.Value) (time.Time, bool) {
	const latest = 253402300799 // 9999-12-31T23:59:59Z
	if !v.IsNumber() {
		return time.Time{}, false
	}
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && 0 <= n && n <= latest {
		return time.Unix(n, 0), true
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > latest {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

// isPlain reports whether text has no control character, of ASCII or of U+0080
// to U+009F, so that it can stand in a log, a header or a database.
func isPlain(text string) bool {
	for i := range len(text) {
		b := text[i]
		if b < ' ' || b == 0x7f || b == 0xc2 && i+1 < len(text) && text[i+1] < 0xa0 {
			return false
		}
	}
	return true
}
