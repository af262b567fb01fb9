package jwks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Skipped is an entry of a key set document that was left out, and why.
type Skipped struct {
	// Index is the entry's place in the document, from 0.
	Index int
	// ID is the entry's kid; empty when it has none that can be read.
	ID string
	// Reason is a sentence for people. It holds no key material.
	Reason string
}

// Parse reads a JSON Web Key Set (RFC 7517, section 5) and returns its usable
// keys in the order of the document. Each of the others is skipped and
// reported: symmetric and private keys, other types and curves, weak and broken
// keys, keys whose use or key_ops is not the checking of signatures, and a key that
// an earlier one of the same kid stands in for.
//
// A key with an alg is for that algorithm alone; one without is for every
// algorithm that fits its type.
//
// The error is ErrDocument: for anything but one JSON object with an array of
// keys, and for one without a single usable key. The report comes even then.
func Parse(set []byte) (keys []*Key, skipped []Skipped, err error) {
	d, err := parseDocument(set, rules{})
	return d.keys, d.skipped, err
}

// A document is a key set that was read.
type document struct {
	keys    []*Key
	raw     []json.RawMessage // what each of the keys was read from
	skipped []Skipped

	url  string // where it was fetched; empty for one of a snapshot
	etag string // its version there (RFC 9110, section 8.8.3); may be empty
}

// rules are the parts of a configuration that decide which keys are used.
type rules struct {
	maxKeys int      // a document with more entries is refused; 0 means any number
	uses    []string // accepted beside "sig"
}

func (c RemoteConfig) rules() rules {
	r := rules{maxKeys: c.MaxKeys}
	if c.AllowJWTSVID {
		r.uses = []string{"jwt-svid"}
	}
	return r
}

func parseDocument(text []byte, rules rules) (document, error) {
	entries, err := splitDocument(text)
	if err != nil {
		return document{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if rules.maxKeys > 0 && len(entries) > rules.maxKeys {
		return document{}, fmt.Errorf("%w: %d keys, and at most %d are read", ErrDocument, len(entries), rules.maxKeys)
	}
	var d document
	for i, raw := range entries {
		d.add(i, raw, rules.uses)
	}
	if len(d.keys) == 0 {
		return d, fmt.Errorf("%w: no usable key among %d", ErrDocument, len(entries))
	}
	return d, nil
}

// withoutBOM skips a byte order mark, which some issuers put in front of their
// JSON (RFC 8259, section 8.1).
func withoutBOM(text []byte) []byte {
	return bytes.TrimPrefix(text, []byte("\ufeff"))
}

func splitDocument(text []byte) ([]json.RawMessage, error) {
	text = withoutBOM(text)
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	var members object
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("it is not one JSON object: %w", err)
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(members["keys"], &entries); err != nil || entries == nil {
		return nil, errors.New(`it has no "keys" array`)
	}
	return entries, nil
}

func (d *document) add(index int, raw json.RawMessage, uses []string) {
	key, id, err := parseJWK(raw, uses)
	if err == nil {
		err = d.checkName(key)
	}
	if err != nil {
		d.skipped = append(d.skipped, Skipped{Index: index, ID: id, Reason: err.Error()})
		return
	}
	d.keys = append(d.keys, key)
	d.raw = append(d.raw, raw)
}

// checkName refuses all but the first of several keys with the same kid. Trying
// all of these would multiply the cost of every forgery; using none would let one
// stray entry take a good key out of service; and no choice lets a forgery pass,
// since each of them is the issuer's own.
func (d *document) checkName(key *Key) error {
	for _, earlier := range d.keys {
		if earlier.same(key) {
			return errors.New("listed twice")
		}
		if earlier.conflicts(key) {
			return errors.New("another key before it has the same kid: give each key its own")
		}
	}
	return nil
}
