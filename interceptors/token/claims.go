package token

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

// claims is the payload of a token whose signature holds, and the first fault
// that was found in it. Readers return a zero value once there is a fault, so
// that a profile can read everything and ask for the fault once.
type claims struct {
	members strictjson.Object
	fault   *auth.Error
	pending bool // the session does not count yet

	// The memory that most payloads fit in.
	outer     [24]strictjson.Member
	inner     [8]strictjson.Member // an object inside the payload, while it is read
	signature [512]byte
}

// parse makes c the claims of this payload, whatever it held before.
func (c *claims) parse(payload string) error {
	members, err := strictjson.Parse(c.outer[:0], payload)
	if err != nil {
		return auth.Errorf(auth.TokenMalformed, "payload: %w", err)
	}
	c.members, c.fault, c.pending = members, nil, false
	return nil
}

// get returns the value of a claim, "" when there is none.
func (c *claims) get(name string) strictjson.Value { return c.members.Get(name) }

// A Path names a claim: the members to follow from the payload inwards.
type Path []string

// AnyAudience in a Path stands for each of the Issuer's Audiences in turn.
const AnyAudience = "{audience}"

// find follows the path; "" when a member on the way is absent.
func (c *claims) find(path Path) strictjson.Value {
	if len(path) == 0 {
		return ""
	}
	v := c.get(path[0])
	for _, name := range path[1:] {
		inner, ok := v.Members(c.inner[:0])
		if !ok {
			return ""
		}
		v = inner.Get(name)
	}
	return v
}

func (c *claims) invalid(name, format string) {
	if c.fault == nil {
		c.fault = auth.Errorf(auth.ClaimInvalid, "claim %s "+format, name)
	}
}

func (c *claims) missing(name string) {
	if c.fault == nil {
		c.fault = auth.Errorf(auth.ClaimMissing, "claim %s is missing", name)
	}
}

// text reads a string claim; "" when it is absent.
func (c *claims) text(path Path) string { return c.textOf(path[len(path)-1], c.find(path)) }

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

// firstText reads the first of the string claims that is present.
func (c *claims) firstText(paths []Path) string {
	for _, path := range paths {
		if s := c.text(path); s != "" {
			return s
		}
	}
	return ""
}

// texts reads a claim that is a list of strings, or a string, which counts as
// a list of one.
func (c *claims) texts(name string, v strictjson.Value) []string {
	switch v.Kind() {
	case 0:
		return nil
	case '"':
		s, _ := v.Text()
		return []string{s}
	}
	n := 0
	ok := v.Elements(func(e strictjson.Value) bool { n++; return e.Kind() == '"' })
	if !ok || n == 0 {
		if !ok {
			c.invalid(name, "is neither a string nor a list of strings")
		}
		return nil
	}
	list := make([]string, 0, n)
	v.Elements(func(e strictjson.Value) bool {
		s, isText := e.Text()
		if !isText {
			c.invalid(name, "is a list with something else than strings")
			return false
		}
		list = append(list, s)
		return true
	})
	return list
}

// names is texts for a claim that may also be an object, whose member names then
// are the list.
func (c *claims) names(name string, v strictjson.Value) []string {
	members, ok := v.Members(c.inner[:0])
	if !ok {
		return c.texts(name, v)
	}
	list := make([]string, 0, len(members))
	for _, m := range members {
		list = append(list, m.Name)
	}
	return list
}

// words is texts for a claim whose string form separates its values by spaces,
// as scope does (RFC 8693, section 4.2).
func (c *claims) words(name string, v strictjson.Value) []string {
	if s, ok := v.Text(); ok {
		return strings.Fields(s)
	}
	return c.texts(name, v)
}

// date reads a NumericDate (RFC 7519, section 2): seconds since 1970, with a
// fraction where the issuer likes; zero when it is absent. Seconds that no
// calendar of four digits reaches are refused.
func (c *claims) date(name string) time.Time {
	const latest = 253402300799 // 9999-12-31T23:59:59Z
	v := c.get(name)
	if v == "" {
		return time.Time{}
	}
	if !v.IsNumber() {
		c.invalid(name, "is not a number")
		return time.Time{}
	}
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && 0 <= n && n <= latest {
		return time.Unix(n, 0)
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > latest {
		c.invalid(name, "is out of range for a date")
		return time.Time{}
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9))
}

// wantPlain refuses control characters, those of ASCII and of U+0080 to U+009F,
// so that the text can stand in a log or a header.
func (c *claims) wantPlain(name, text string) {
	for i := range len(text) {
		b := text[i]
		if b < ' ' || b == 0x7f || b == 0xc2 && text[i+1] < 0xa0 { // the text is valid UTF-8
			c.invalid(name, "or what stands for it has a control character")
			return
		}
	}
}

// has reports whether one of the claims is present, whatever its value.
func (c *claims) has(paths []Path) bool {
	for _, path := range paths {
		if c.find(path) != "" {
			return true
		}
	}
	return false
}
