package console

import (
	"net/http"
	"strings"
)

// CallbackPath returns the path that an issuer sends the browser back to: its own, so that the page
// knows whose answer it has (RFC 9700, section 4.4.2.2). Its last segment is the issuer's URL without
// the scheme, with a hyphen for what is no letter, digit, dot or underscore. It is empty for an issuer
// that has none of those. Two issuers can have the same one; settings.Config.Faults refuses them.
func CallbackPath(issuer string) string {
	_, rest, _ := strings.Cut(issuer, "://")
	name := strings.Trim(strings.Join(strings.FieldsFunc(rest, isSeparator), "-"), ".")
	if name == "" {
		return ""
	}
	return "/console/callback/" + name
}

func isSeparator(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_'
}

// callbackPolicy lets the page itself, and nobody else, have a frame with what is in it: nothing.
const callbackPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// callback answers a browser that an issuer has sent back: with the page, or in a frame of the
// page, which reads the frame's address, with nothing. No page of another can frame either.
type callback struct {
	*index

	empty *file
}

func newCallback(index *index) callback {
	return callback{index, newFile("callback.html", []byte("<!doctype html>\n"), callbackPolicy)}
}

func (c callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Sec-Fetch-Dest")
	if r.Header.Get("Sec-Fetch-Dest") == "iframe" {
		c.empty.ServeHTTP(w, r)
		return
	}
	c.index.ServeHTTP(w, r)
}
