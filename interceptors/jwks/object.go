package jwks

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// An object is a JSON object. Its names are case-sensitive, as JOSE requires. For
// structs encoding/json would ignore the case.
type object map[string]json.RawMessage

// has reports whether the member is there. One that is null is not: some issuers
// write every member that they know.
func (o object) has(name string) bool {
	value, ok := o[name]
	return ok && !bytes.Equal(value, []byte("null"))
}

// text returns a string member; "" when it is not there.
func (o object) text(name string) (string, error) {
	if !o.has(name) {
		return "", nil
	}
	var text string
	if err := json.Unmarshal(o[name], &text); err != nil {
		return "", fmt.Errorf("%q is not a string", name)
	}
	return text, nil
}

// octets returns a member in base64url without padding (RFC 7515, section 2), of the
// given length unless that is 0. A number may have leading zero octets, which some
// libraries write as a sign; they are taken off where they are too many.
func (o object) octets(name string, length int, number bool) ([]byte, error) {
	text, err := o.text(name)
	if err != nil {
		return nil, err
	}
	octets, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(octets) == 0 || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("%q is missing, or is not base64url without padding", name)
	}
	for number && len(octets) > length && octets[0] == 0 {
		octets = octets[1:]
	}
	if length > 0 && len(octets) != length {
		return nil, fmt.Errorf("%q has %d octets, not %d", name, len(octets), length)
	}
	return octets, nil
}
