package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// A file is one file of the page, compressed once.
type file struct {
	content, packed []byte
	header          http.Header
}

func newFile(name string, content []byte, policy string) *file {
	sum := sha256.Sum256(append([]byte(policy), content...)) // a browser that has the content may not have the policy
	f := &file{content: content, packed: pack(content), header: http.Header{
		"Content-Type":               {mediaType(path.Ext(name))},
		"Content-Security-Policy":    {policy},
		"X-Content-Type-Options":     {"nosniff"},
		"Referrer-Policy":            {"no-referrer"},
		"Cross-Origin-Opener-Policy": {"same-origin-allow-popups"},
		"Vary":                       {"Accept-Encoding"},
		"Cache-Control":              {"no-cache"},
		"Etag":                       {`W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`},
	}}
	if strings.HasPrefix(name, "assets/") { // whose names change with their content
		f.header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	return f
}

// mediaType returns the media type of an extension. mime.TypeByExtension also
// reads the tables of the machine, which may differ.
func mediaType(extension string) string {
	switch extension {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	default:
		return "application/octet-stream"
	}
}

// pack compresses. Writing to a buffer cannot fail.
func pack(content []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(content)
	_ = w.Close()
	return packed.Bytes()
}

// ServeHTTP answers with the file, compressed if the client accepts that.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content := f.prepare(w, r)
	r.Header.Del("Range") // it would be ambiguous which of the two it is a range of
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// serveNotFound answers 404 with the file as its body, which is not cached.
func (f *file) serveNotFound(w http.ResponseWriter, r *http.Request) {
	content := f.prepare(w, r)
	w.Header().Del("Etag")
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write(content) // the client may be gone
}

// prepare sets the header, and returns the content in the coding that it names.
func (f *file) prepare(w http.ResponseWriter, r *http.Request) []byte {
	header := w.Header()
	for name, values := range f.header {
		for _, value := range values {
			header.Add(name, value) // CORS has set Vary already
		}
	}
	if accepts(r, "Accept-Encoding", "gzip") {
		header.Set("Content-Encoding", "gzip")
		return f.packed
	}
	return f.content
}

// accepts reports whether a header, such as Accept, names a value with a weight
// above 0 (RFC 9110, sections 12.4.2 and 12.5). A wildcard names none.
func accepts(r *http.Request, header, value string) bool {
	for _, field := range r.Header.Values(header) {
		for element := range strings.SplitSeq(field, ",") {
			name, parameters, _ := strings.Cut(element, ";")
			if strings.EqualFold(strings.TrimSpace(name), value) {
				return weight(parameters) > 0
			}
		}
	}
	return false
}

// weight returns the q of an element's parameters: 1 without one, and 0 where it
// is no number.
func weight(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, _ := strconv.ParseFloat(strings.TrimSpace(value), 64) // 0 for what is no number
			return q
		}
	}
	return 1
}
