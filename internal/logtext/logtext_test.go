package logtext

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextIsBoundedAndEscaped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                  "",
		"user_ada":                          "user_ada",
		"Ada Löwe, 7":                       "Ada Löwe, 7",
		"a\nlevel=ERROR":                    `a\nlevel=ERROR`,
		"\x1b[2J":                           `\x1b[2J`,
		"\u202eabc":                         `\u202eabc`,
		"\xff":                              `\xff`,
		strings.Repeat("x", 200):            strings.Repeat("x", 200),
		strings.Repeat("x", 201):            strings.Repeat("x", 200) + "…",
		strings.Repeat("x", 199) + "öö":     strings.Repeat("x", 199) + "…",
		strings.Repeat("\n", 300):           strings.Repeat(`\n`, 200) + "…",
		strings.Repeat("x", 100_000) + "\n": strings.Repeat("x", 200) + "…",
	} {
		if got := Bounded(text); got != want {
			t.Errorf("Bounded(%.30q…) = %q; want %q", text, got, want)
		}
	}
	if got := Quoted(`a" b="c`); got != `"a\" b=\"c"` {
		t.Errorf("Quoted: %s", got)
	}
}

func TestAListIsBounded(t *testing.T) {
	t.Parallel()
	if got := List([]string{"a", "b"}); got != `"a", "b"` {
		t.Errorf("List: %s", got)
	}
	if got := List(slices.Repeat([]string{"a"}, 1000)); got != strings.Repeat(`"a", `, 9)+`"a" and 990 more` {
		t.Errorf("List: %s", got)
	}
	if got := List[string](nil); got != "none" {
		t.Errorf("List: %s", got)
	}
}

func TestANearMissSaysByWhatValuesDiffer(t *testing.T) {
	t.Parallel()
	const want = "https://api.example.com"
	for got, by := range map[string]string{
		want:                        "",
		"https://api.example.com/":  "a trailing slash",
		"https://API.example.com":   "case",
		"http://api.example.com":    "the scheme (http or https)",
		"api.example.com":           "the scheme (http or https)",
		" https://api.example.com":  "white space",
		"HTTP://api.example.com/":   "case and the scheme (http or https) and a trailing slash",
		"HTTPS://api.example.com/ ": "white space and case and a trailing slash",
		"https://api.example.com//": "",
		"https://api.example.org":   "",
		"":                          "",
	} {
		if by != "" {
			by = `differs from "` + want + `" only by ` + by
		}
		if saw := NearMiss(got, []string{"other", want}); saw != by {
			t.Errorf("NearMiss(%q) = %q; want %q", got, saw, by)
		}
	}
	if got := NearMiss("https://api.example.com", []string{"https://api.example.com/"}); got != `differs from "https://api.example.com/" only by a trailing slash` {
		t.Errorf("a slash that is missing: %q", got)
	}
}

func FuzzBounded(f *testing.F) {
	for _, seed := range []string{"", "user_ada", "a\nb", "\xff\xfe", strings.Repeat("ö", 150), "\"\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Bounded(text)
		if len(got) > 10*maxBytes+len("…") || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }) {
			t.Errorf("Bounded(%q) = %q", text, got)
		}
		if difference(text, text) != "" {
			t.Errorf("%q differs from itself", text)
		}
		_ = NearMiss(text, []string{"https://api.example.com/", got})
	})
}
