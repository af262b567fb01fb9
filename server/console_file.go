package server

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

// A consoleFile is one file of the page, packed once.
type consoleFile struct {
	content, packed []byte
	header          http.Header
}

func newConsoleFile(name string, content []byte, policy string) *consoleFile {
	sum := sha256.Sum256(content)
	file := &consoleFile{content: content, packed: pack(content), header: http.Header{
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
		file.header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	return file
}

// mediaType is that of a file with this extension. What the machine knows, which
// mime.TypeByExtension returns, may be something else.
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

// pack compresses. A buffer takes whatever it is given.
func pack(content []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(content)
	_ = w.Close()
	return packed.Bytes()
}

// ServeHTTP answers with the file, compressed for whoever can read that.
func (f *consoleFile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content := f.prepare(w, r)
	r.Header.Del("Range") // of which of the two it would be, nobody could tell
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// serveNotFound answers with the file where there is none: to be read, and not
// to be kept.
func (f *consoleFile) serveNotFound(w http.ResponseWriter, r *http.Request) {
	content := f.prepare(w, r)
	w.Header().Del("Etag")
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write(content) // whoever is gone needs no page
}

// prepare writes the header, and returns the content in the coding that it names.
func (f *consoleFile) prepare(w http.ResponseWriter, r *http.Request) []byte {
	header := w.Header()
	for name, values := range f.header {
		for _, value := range values {
			header.Add(name, value) // Vary has something in it already
		}
	}
	if accepts(r, "Accept-Encoding", "gzip") {
		header.Set("Content-Encoding", "gzip")
		return f.packed
	}
	return f.content
}

// accepts tells whether a header, such as Accept, names a value (RFC 9110,
// section 12.5). A wildcard names none.
func accepts(r *http.Request, header, value string) bool {
	for _, field := range r.Header.Values(header) {
		for element := range strings.SplitSeq(field, ",") {
			name, quality, _ := strings.Cut(strings.TrimSpace(element), ";")
			if strings.EqualFold(strings.TrimSpace(name), value) {
				return strings.TrimSpace(quality) != "q=0"
			}
		}
	}
	return false
}
