// Package unverified reads tokens without verifying them, for people who examine
// what a server accepts or refuses. Nothing that it returns is proven: anybody can
// write a token that says anything.
//
//	token, err := unverified.Parse(raw)
//	fmt.Println(token.Claims())
package unverified

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// A Token is what a JWT in compact form says (RFC 7519, section 3).
type Token struct{ header, claims part }

// part is a part of a token: its JSON, and the members of that.
type part struct {
	text    []byte
	members map[string]any
}

// maxRead is the longest token that is read; far longer than any server
// accepts.
const maxRead = 1 << 20

// Read reads a token from standard input, where it may be surrounded by white space.
func Read(stdin io.Reader) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(stdin, maxRead))
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return string(raw), nil
}

// Trim returns the token alone: people paste it together with what stands around
// it in a header.
func Trim(raw string) string {
	raw = strings.TrimSpace(raw)
	if scheme, rest, found := strings.Cut(raw, " "); found && strings.EqualFold(scheme, "Bearer") {
		raw = strings.TrimSpace(rest)
	}
	return raw
}

// Parse reads a token leniently: what a server refuses is what people want to
// examine.
func Parse(raw string) (*Token, error) {
	raw = Trim(raw)
	parts := strings.Split(raw, ".")
	switch {
	case raw == "":
		return nil, errors.New("no token; write one to standard input")
	case len(parts) == 1:
		return nil, errors.New("not a JWT: it has 1 dot-separated part instead of 3")
	case len(parts) == 5:
		return nil, errors.New("an encrypted token (JWE); only the holder of its key can read it")
	case len(parts) != 3:
		return nil, fmt.Errorf("not a JWT: it has %d dot-separated parts instead of 3", len(parts))
	}
	header, err := parsePart("header", parts[0])
	if err != nil {
		return nil, err
	}
	claims, err := parsePart("claims", parts[1])
	if err != nil {
		return nil, err
	}
	return &Token{header, claims}, nil
}

func parsePart(name, encoded string) (part, error) {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return part{}, fmt.Errorf("not a JWT: its %s part is not base64url", name)
	}
	p := part{text: text}
	if json.Unmarshal(text, &p.members) != nil || p.members == nil {
		return part{}, fmt.Errorf("not a JWT: its %s part is not a JSON object", name)
	}
	return p, nil
}

// Header returns the header as it is written, indented.
func (t *Token) Header() string { return t.header.indented() }

// Claims returns the claims as they are written, indented.
func (t *Token) Claims() string { return t.claims.indented() }

func (p part) indented() string {
	var b bytes.Buffer
	_ = json.Indent(&b, p.text, "", "  ") // Parse has read it
	return b.String()
}

// Issuer returns the iss claim; "" if it is absent or no text.
func (t *Token) Issuer() string {
	issuer, _ := t.claims.members["iss"].(string)
	return issuer
}

// Has reports whether the token has a claim.
func (t *Token) Has(claim string) bool {
	_, ok := t.claims.members[claim]
	return ok
}

// Time returns a claim that is a NumericDate (RFC 7519, section 2), and whether it
// is one, of no later year than 9999.
func (t *Token) Time(claim string) (time.Time, bool) {
	seconds, ok := t.claims.members[claim].(float64)
	if !ok || math.Abs(seconds) > maxUnixTime {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(seconds * 1000)), true
}

// maxUnixTime is the last second of the year 9999, beyond which RFC 3339 has no
// dates.
const maxUnixTime = 253402300799
