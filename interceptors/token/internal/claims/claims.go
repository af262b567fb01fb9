// Package claims reads the payload of a token, whose signature nobody need have checked.
//
//	var c claims.Claims
//	err := c.Parse(payload)
//	subject := c.TextOf("sub", c.Get("sub"))
//	if c.Fault != nil { … }
package claims

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

// Claims is the payload of a token, and the first fault that was found in it.
// Readers return a zero value once there is a fault, so that a profile can read
// everything and ask for the fault once.
//
// A claim that is null is absent, to every reader: issuers write null for what
// they do not know.
type Claims struct {
	Members Object
	Fault   *auth.Error
	Unread  []string // claims that grant nothing, as they could not be read
	Mark    string   // the member that says that the token is no credential
	Pending bool     // the session does not count yet

	// The memory that most payloads fit in.
	outer [24]strictjson.Member
	inner [8]strictjson.Member // an object inside the payload, while it is read
}

// Object is a JSON object in which a member that is null is absent.
type Object strictjson.Object

// Get returns the value of a member, "" when there is none.
func (o Object) Get(name string) strictjson.Value {
	v := strictjson.Object(o).Get(name)
	if v == "null" {
		return ""
	}
	return v
}

// Parse makes c the claims of this payload, whatever it held before.
func (c *Claims) Parse(payload string) error {
	members, err := strictjson.Parse(c.outer[:0], payload)
	if err != nil {
		return auth.Errorf(auth.TokenMalformed, "payload: %w", err)
	}
	c.Members, c.Fault, c.Unread, c.Mark, c.Pending = Object(members), nil, nil, "", false
	return nil
}

// Get returns the value of a claim, "" when there is none.
func (c *Claims) Get(name string) strictjson.Value { return c.Members.Get(name) }

// Has reports whether the token has the claim, whatever its value.
func (c *Claims) Has(name string) bool { return c.Get(name) != "" }

// Object reads v as an object; false when it is something else. The object
// lasts until the next one is read.
func (c *Claims) Object(v strictjson.Value) (Object, bool) {
	members, ok := v.Members(c.inner[:0])
	return Object(members), ok
}

// Find follows the path from the payload inwards; "" when a member on the way is absent.
func (c *Claims) Find(path []string) strictjson.Value {
	if len(path) == 0 {
		return ""
	}
	v := c.Get(path[0])
	for _, name := range path[1:] {
		inner, ok := c.Object(v)
		if !ok {
			return ""
		}
		v = inner.Get(name)
	}
	return v
}

// Invalid refuses the token for the claim of this name, unless there is a fault already.
func (c *Claims) Invalid(name, format string) {
	if c.Fault == nil {
		c.Fault = auth.Errorf(auth.ClaimInvalid, "claim %s "+format, name)
	}
}

// Missing refuses a token without a claim that it must have.
func (c *Claims) Missing(name string) {
	switch {
	case strictjson.Object(c.Members).Get(name) != "":
		c.Invalid(name, "is null")
	case c.Fault == nil:
		c.Fault = auth.Errorf(auth.ClaimMissing, "claim %s is missing", name)
	}
}

// CannotRead notes that a claim grants nothing.
func (c *Claims) CannotRead(name string) { c.Unread = append(c.Unread, name) }

// Text reads a string claim; "" when it is absent.
func (c *Claims) Text(path []string) string { return c.TextOf(path[len(path)-1], c.Find(path)) }

// TextOf reads v as the string claim of that name.
func (c *Claims) TextOf(name string, v strictjson.Value) string {
	if v == "" {
		return ""
	}
	s, ok := v.Text()
	if !ok {
		c.Invalid(name, "is not a string")
	}
	return s
}

// Word returns a string claim, and "" for anything else, which is no fault: what
// kind a token is must not hang on claims that only some issuers write.
func (c *Claims) Word(name string) string {
	s, _ := c.Get(name).Text()
	return s
}

// WordAt is Word for the claim at path.
func (c *Claims) WordAt(path []string) string {
	s, _ := c.Find(path).Text()
	return s
}

// Texts reads a claim that must be a list of strings, or a string, which counts
// as a list of one.
func (c *Claims) Texts(name string, v strictjson.Value) []string {
	if v == "" {
		return nil
	}
	list, ok := ListOf(v, "")
	if !ok {
		c.Invalid(name, "is neither a string nor a list of strings")
	}
	return list
}

// Grants is Texts for a claim that grants something: one that cannot be read
// grants nothing, and locks nobody out. Where nameMember is given, an object
// counts as the string that it has there.
func (c *Claims) Grants(path []string, nameMember string) []string {
	v := c.Find(path)
	if v == "" {
		return nil
	}
	list, ok := ListOf(v, nameMember)
	if !ok {
		c.CannotRead(path[len(path)-1])
		return nil
	}
	return list
}

// MemberNames returns the names of the members of the object at path; false when
// there is no object.
func (c *Claims) MemberNames(path []string) ([]string, bool) {
	members, ok := c.Object(c.Find(path))
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

// GrantText reads v as a string that grants something, as Grants does.
func (c *Claims) GrantText(name string, v strictjson.Value) string {
	s, ok := v.Text()
	if !ok && v != "" {
		c.CannotRead(name)
	}
	return s
}

// Grant is GrantText for the claim at path.
func (c *Claims) Grant(path []string) string {
	return c.GrantText(path[len(path)-1], c.Find(path))
}

// Words is Grants for a claim whose string form separates its values by spaces,
// as scope does (RFC 8693, section 4.2).
func (c *Claims) Words(path []string) []string {
	if s, ok := c.Find(path).Text(); ok {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' })
	}
	return c.Grants(path, "")
}

// ListOf reads v as a list of strings, or as a string; false when it is neither.
// Empty strings name nothing and are left out.
func ListOf(v strictjson.Value, nameMember string) ([]string, bool) {
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

// Date reads a NumericDate (RFC 7519, section 2): seconds since 1970, with a
// fraction where the issuer likes; zero when it is absent. Seconds that no
// calendar of four digits reaches are refused.
func (c *Claims) Date(name string) time.Time {
	v := c.Get(name)
	if v == "" {
		return time.Time{}
	}
	t, ok := DateOf(v)
	if !ok {
		c.Invalid(name, "is not a number of seconds within the calendar")
	}
	return t
}

// DateOf is Date for a value; false when it is no such number.
func DateOf(v strictjson.Value) (time.Time, bool) {
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

// IsPlain reports whether text has no control character, of ASCII or of U+0080
// to U+009F, so that it can stand in a log, a header or a database.
func IsPlain(text string) bool {
	for i := range len(text) {
		b := text[i]
		if b < ' ' || b == 0x7f || b == 0xc2 && i+1 < len(text) && text[i+1] < 0xa0 {
			return false
		}
	}
	return true
}
