package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	many := func(last string) string {
		var b strings.Builder
		for i := range 100 {
			fmt.Fprintf(&b, `"m%d":%d,`, i, i)
		}
		return "{" + b.String() + last + ":0}"
	}
	for _, tt := range []struct {
		name string
		text string
		want error
	}{
		{"nothing", "", errNotObject},
		{"a list", `[]`, errNotObject},
		{"a string", `"a"`, errNotObject},
		{"null", `null`, errNotObject},
		{"a byte order mark", "\ufeff{}", errNotObject},
		{"an open object", `{`, errSyntax},
		{"a name without value", `{"a"}`, errSyntax},
		{"a name without quotes", `{a:1}`, errSyntax},
		{"single quotes", `{'a':1}`, errSyntax},
		{"a comma at the end", `{"a":1,}`, errSyntax},
		{"a comma at the end of a list", `{"a":[1,]}`, errSyntax},
		{"a comment", `{/**/}`, errSyntax},
		{"an open string", `{"a":"b`, errSyntax},
		{"an unknown escape", `{"a":"\x"}`, errSyntax},
		{"a short escape", `{"a":"\u12"}`, errSyntax},
		{"an escape of no hex digits", `{"a":"\u12xy"}`, errSyntax},
		{"a line break in a string", "{\"a\":\"\n\"}", errSyntax},
		{"a zero byte in a string", "{\"a\":\"\x00\"}", errSyntax},
		{"a leading zero", `{"a":01}`, errSyntax},
		{"a plus sign", `{"a":+1}`, errSyntax},
		{"a point without digits", `{"a":1.}`, errSyntax},
		{"an exponent without digits", `{"a":1e}`, errSyntax},
		{"not a number", `{"a":NaN}`, errSyntax},
		{"a literal in capitals", `{"a":TRUE}`, errSyntax},
		{"a literal cut short", `{"a":tru}`, errSyntax},
		{"a second object", `{}{}`, errTrailing},
		{"a zero byte at the end", "{}\x00", errTrailing},
		{"a repeated name", `{"a":1,"a":1}`, errDuplicate},
		{"a name repeated by escape", `{"a":1,"\u0061":1}`, errDuplicate},
		{"a repeated name further in", `{"a":{"b":1,"b":2}}`, errDuplicate},
		{"a repeated name in a list", `{"a":[{"b":1,"b":2}]}`, errDuplicate},
		{"a repeated name among many", many(`"m3"`), errDuplicate},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", errUTF8},
		{"invalid UTF-8 in a name", "{\"\xc3\":1}", errUTF8},
		{"a surrogate half", `{"a":"\ud83d"}`, errUTF8},
		{"a surrogate half and a letter", `{"a":"\ud83d\u0041"}`, errUTF8},
		{"the halves the wrong way round", `{"a":"\ude00\ud83d"}`, errUTF8},
		{"20,000 lists", `{"a":` + strings.Repeat("[", 20000), errDepth},
		{"20,000 objects", strings.Repeat(`{"a":`, 20000), errDepth},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := Parse(nil, tt.text); !errors.Is(err, tt.want) {
				t.Errorf("Parse = %v, %v; want %v", got, err, tt.want)
			}
		})
	}
	if _, err := Parse(nil, many(`"m100"`)); err != nil {
		t.Errorf("an object of many members: %v", err)
	}
}

func TestParseReads(t *testing.T) {
	t.Parallel()
	members, err := Parse(nil, ` {"s" : "a\n\u00e9\ud83d\ude00\/" , "n":-1.5e+3,"l":["x",2,[]],"o":{"p":null},"t":true,"\u0061":"\ufffd"} `)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := members.Get("s").Text(); !ok || s != "a\né😀/" {
		t.Errorf("s = %q, %v", s, ok)
	}
	if s, ok := members.Get("a").Text(); !ok || s != "\ufffd" {
		t.Errorf("a = %q, %v", s, ok)
	}
	if v := members.Get("n"); v != "-1.5e+3" || !v.IsNumber() {
		t.Errorf("n = %q", v)
	}
	var elements []Value
	if ok := members.Get("l").Elements(func(v Value) bool { elements = append(elements, v); return true }); !ok ||
		!reflect.DeepEqual(elements, []Value{`"x"`, "2", "[]"}) {
		t.Errorf("l = %q", elements)
	}
	if inner, ok := members.Get("o").Members(nil); !ok || inner.Get("p") != "null" {
		t.Errorf("o = %q", inner)
	}
	if v := members.Get("absent"); v != "" || v.Kind() != 0 {
		t.Errorf("absent = %q", v)
	}
}

// FuzzParse holds the scanner against encoding/json, which is laxer: what
// the scanner accepts means the same there.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":{"b":[true,false,null,"\u00e9"]}}`, `{"a":1,"a":2}`, `{"a":"\ud83d\ude00"}`,
		`{"a":1e400}`, `{"":""}`, `[`, `{"a":`, "{\"a\":\"\xff\"}", `{"a":-0.0E-5}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, err := Parse(nil, text)
		if err != nil {
			return
		}
		var slow map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &slow); err != nil {
			t.Fatalf("accepted %q, which encoding/json refuses: %v", text, err)
		}
		if len(slow) != len(members) {
			t.Fatalf("%q has %d members, encoding/json finds %d", text, len(members), len(slow))
		}
		for _, m := range members {
			if string(slow[m.Name]) != string(m.Value) {
				t.Fatalf("member %q is %q, encoding/json says %q", m.Name, m.Value, slow[m.Name])
			}
			if got, ok := m.Value.Text(); ok {
				var want string
				if err := json.Unmarshal([]byte(m.Value), &want); err != nil || got != want {
					t.Fatalf("%q reads as %q, encoding/json says %q, %v", m.Value, got, want, err)
				}
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	const payload = `{"azp":"https://app.example.com","exp":1760000060,"fva":[3,-1],"iat":1760000000,"iss":"https://clerk.example.com","jti":"0a1b2c3d4e5f60718293","nbf":1759999990,"o":{"fpm":"3,2","id":"org_2abcdefghijklmnop","per":"manage,read","rol":"admin","slg":"acme"},"fea":"o:dashboard,o:teams","sid":"sess_2abcdefghijklmnop","sub":"user_2abcdefghijklmnop","v":2}`
	b.ReportAllocs()
	for b.Loop() {
		var some [24]Member
		if _, err := Parse(some[:0], payload); err != nil {
			b.Fatal(err)
		}
	}
}

// Nesting is bounded exactly, and so is what may stand in a number or an escape.
func TestParseAtItsLimits(t *testing.T) {
	t.Parallel()
	nested := func(open, closing string, levels int) string {
		return `{"a":` + strings.Repeat(open, levels-1) + `0` + strings.Repeat(closing, levels-1) + `}`
	}
	names := func(n int, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"m%d":0,`, i)
		}
		return "{" + b.String() + last + ":0}"
	}
	for _, tt := range []struct {
		name string
		text string
		want error
	}{
		{"32 lists", nested("[", "]", maxDepth), nil},
		{"33 lists", nested("[", "]", maxDepth+1), errDepth},
		{"32 objects", nested(`{"b":`, "}", maxDepth), nil},
		{"33 objects", nested(`{"b":`, "}", maxDepth+1), errDepth},
		{"an empty list too deep", `{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + "}", errDepth},
		{"the digit before 0 in an escape", `{"a":"\u003/"}`, errSyntax},
		{"the digit after 9 in an escape", `{"a":"\u003:"}`, errSyntax},
		{"the letter before a in an escape", "{\"a\":\"\\u003`\"}", errSyntax},
		{"the letter after f in an escape", `{"a":"\u003g"}`, errSyntax},
		{"the letter before A in an escape", `{"a":"\u003@"}`, errSyntax},
		{"the letter after F in an escape", `{"a":"\u003G"}`, errSyntax},
		{"the first and last digits of an escape", `{"a":"\u0099\uaAfF"}`, nil},
		{"the last name of the first 16 again", names(16, `"m15"`), errDuplicate},
		{"the first name again as the 16th", names(15, `"m0"`), errDuplicate},
		{"the first name again as the 18th", names(17, `"m0"`), errDuplicate},
		{"the 17th name again", names(18, `"m16"`), errDuplicate},
		{"17 names", names(16, `"m16"`), nil},
		{"the last plain character before a control one", "{\"a\":\"\x1f\"}", errSyntax},
		{"a space in a string", `{"a":" "}`, nil},
		{"a delete in a string, which JSON allows", "{\"a\":\"\x7f\"}", nil},
		{"the digit after 9 in a number", `{"a":1:}`, errSyntax},
		{"a minus alone", `{"a":-}`, errSyntax},
		{"minus zero", `{"a":-0}`, nil},
		{"white space that JSON does not know", "{\"a\":\v1}", errSyntax},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Parse(nil, tt.text); !errors.Is(err, tt.want) {
				t.Errorf("Parse: %v; want %v", err, tt.want)
			}
		})
	}
}
