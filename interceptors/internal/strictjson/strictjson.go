// Package strictjson reads the JSON of strangers: one object and nothing after
// it, no repeated member name at any depth, valid UTF-8 without lone surrogates,
// and bounded depth. It is stricter than encoding/json, which takes the last of
// two members with one name, so that no two readers of a text can disagree.
//
//	members, err := strictjson.Parse(nil, `{"sub":"user_ada"}`)
//	subject, ok := members.Get("sub").Text()
//
// It works in one pass, in time linear in the text, and allocates only for
// strings that hold escapes and for objects of many members.
package strictjson

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep objects and arrays nest.
const maxDepth = 32

var (
	errSyntax    = errors.New("invalid JSON")
	errTrailing  = errors.New("data after the JSON object")
	errDepth     = errors.New("JSON nested too deep")
	errDuplicate = errors.New("repeated member name in a JSON object")
	errUTF8      = errors.New("invalid UTF-8 in JSON")
	errNotObject = errors.New("not a JSON object")
)

// A Value is one valid JSON value as it stands in the text. "" is a value that is
// absent.
type Value string

// Kind returns the first byte of the value, which says what it is: { [ " t f n, or
// a digit or minus sign. It is 0 for a value that is absent.
func (v Value) Kind() byte {
	if v == "" {
		return 0
	}
	return v[0]
}

// IsNumber reports whether v is a number.
func (v Value) IsNumber() bool {
	k := v.Kind()
	return k == '-' || ('0' <= k && k <= '9')
}

// Text returns the string that v stands for; false when v is not a string.
func (v Value) Text() (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	return unquote(string(v[1 : len(v)-1])), true
}

// A Member is one name and value of an object.
type Member struct {
	Name  string
	Value Value
}

// An Object holds the members of a JSON object in their order.
type Object []Member

// Get returns the value of a member, "" when there is none.
func (o Object) Get(name string) Value {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value
		}
	}
	return ""
}

// Parse reads text as exactly one JSON object. The members are kept in the
// memory of dst as long as it lasts, and share the memory of text.
func Parse(dst Object, text string) (Object, error) {
	s := scanner{text: text, members: dst[:0]}
	s.space()
	if s.peek() != '{' {
		return nil, errNotObject
	}
	if err := s.object(0); err != nil {
		return nil, err
	}
	s.space()
	if s.pos != len(s.text) {
		return nil, errTrailing
	}
	return s.members, nil
}

// Members returns the members of v; false when v is not an object.
func (v Value) Members(dst Object) (Object, bool) {
	if v.Kind() != '{' {
		return nil, false
	}
	members, err := Parse(dst, string(v))
	return members, err == nil
}

// Elements calls yield with each element of the array v, until it returns
// false; it reports whether v is an array.
func (v Value) Elements(yield func(Value) bool) bool {
	if v.Kind() != '[' {
		return false
	}
	s := scanner{text: string(v)}
	_ = s.array(0, yield) // the text was scanned before, so it holds
	return true
}

// scanner reads text from pos on. The members of the object that it is in, and
// of those around that one, lie in members one above the other.
type scanner struct {
	text    string
	pos     int
	members Object
}

func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// object reads the object at pos and leaves its members on top.
func (s *scanner) object(depth int) error {
	if depth >= maxDepth {
		return errDepth
	}
	s.pos++ // the brace
	s.space()
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	base := len(s.members)
	var index nameIndex
	for {
		name, err := s.string()
		if err != nil {
			return err
		}
		if index, err = index.add(s.members[base:], name); err != nil {
			return err
		}
		s.space()
		if s.peek() != ':' {
			return errSyntax
		}
		s.pos++
		s.space()
		start := s.pos
		if err := s.value(depth + 1); err != nil {
			return err
		}
		s.members = append(s.members, Member{name, Value(s.text[start:s.pos])})
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case '}':
			s.pos++
			return nil
		default:
			return errSyntax
		}
	}
}

// array reads the array at pos; yield, where given, sees each element.
func (s *scanner) array(depth int, yield func(Value) bool) error {
	if depth >= maxDepth {
		return errDepth
	}
	s.pos++ // the bracket
	s.space()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		start := s.pos
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if yield != nil && !yield(Value(s.text[start:s.pos])) {
			return nil
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case ']':
			s.pos++
			return nil
		default:
			return errSyntax
		}
	}
}

// value skips the value at pos, checking it.
func (s *scanner) value(depth int) error {
	switch c := s.peek(); c {
	case '"':
		_, _, err := s.rawString()
		return err
	case '{':
		top := len(s.members)
		err := s.object(depth)
		s.members = s.members[:top]
		return err
	case '[':
		return s.array(depth, nil)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) literal(word string) error {
	if !strings.HasPrefix(s.text[s.pos:], word) {
		return errSyntax
	}
	s.pos += len(word)
	return nil
}

// number skips a number of RFC 8259, section 6.
func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return errSyntax
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return errSyntax
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return errSyntax
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// string returns what the string at pos stands for.
func (s *scanner) string() (string, error) {
	raw, escaped, err := s.rawString()
	if escaped {
		raw = unquote(raw)
	}
	return raw, err
}

// rawString returns the text between the quotes of the string at pos, having
// checked it, and whether there are escapes in it.
func (s *scanner) rawString() (raw string, escaped bool, err error) {
	if s.peek() != '"' {
		return "", false, errSyntax
	}
	s.pos++
	start := s.pos
	ascii := true
	for {
		i := s.pos
		for i < len(s.text) && isPlainASCII[s.text[i]] {
			i++
		}
		s.pos = i
		switch c := s.peek(); {
		case c == '"':
			raw = s.text[start:s.pos]
			s.pos++
			if !ascii && !utf8.ValidString(raw) {
				return "", false, errUTF8
			}
			return raw, escaped, nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return "", false, err
			}
			escaped = true
		case c < ' ': // the end of the text too
			return "", false, errSyntax
		default:
			ascii = false
			s.pos++
		}
	}
}

// isPlainASCII has true for each byte that stands for itself in a string.
var isPlainASCII = func() (plain [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

// escape skips the escape sequence at pos.
func (s *scanner) escape() error {
	if s.pos+1 >= len(s.text) {
		return errSyntax
	}
	switch s.text[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	}
	r, size := unescapeUnicode(s.text[s.pos:])
	if size == 0 {
		return errSyntax
	}
	if r == utf8.RuneError && size == 6 && !strings.EqualFold(s.text[s.pos+2:s.pos+6], "fffd") {
		return errUTF8 // a lone surrogate
	}
	s.pos += size
	return nil
}

// unescapeUnicode reads \uXXXX, or a pair of them, at the start of text. The
// rune is utf8.RuneError for a lone surrogate; the size is 0 for anything else
// that is not such an escape.
func unescapeUnicode(text string) (rune, int) {
	r := hex4(text)
	if r < 0 {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if pair := utf16.DecodeRune(r, hex4(text[6:])); pair != utf8.RuneError {
		return pair, 12
	}
	return utf8.RuneError, 6
}

// hex4 reads \uXXXX at the start of text; -1 when it is something else.
func hex4(text string) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range []byte(text[2:6]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unquote resolves the escapes of a string that was checked.
func unquote(raw string) string {
	i := strings.IndexByte(raw, '\\')
	if i < 0 {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for ; i >= 0; i = strings.IndexByte(raw, '\\') {
		out = append(out, raw[:i]...)
		switch c := raw[i+1]; c {
		case 'u':
			r, size := unescapeUnicode(raw[i:])
			out = utf8.AppendRune(out, r)
			raw = raw[i+size:]
			continue
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		default: // " \ /
			out = append(out, c)
		}
		raw = raw[i+2:]
	}
	return string(append(out, raw...))
}

// nameIndex notices a repeated member name. Few names are compared one by one,
// many through a map, so that the work stays linear in the text.
type nameIndex map[string]struct{}

const fewNames = 16

// add returns the index for the members and one more name.
func (n nameIndex) add(members Object, name string) (nameIndex, error) {
	if n == nil && len(members) < fewNames {
		for i := range members {
			if members[i].Name == name {
				return nil, errDuplicate
			}
		}
		return nil, nil
	}
	if n == nil {
		n = make(nameIndex, fewNames+1)
		for i := range members {
			n[members[i].Name] = struct{}{}
		}
	}
	if _, found := n[name]; found {
		return nil, errDuplicate
	}
	n[name] = struct{}{}
	return n, nil
}
