package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// The sizes of a page.
const (
	defaultPageSize = 100
	maxPageSize     = 1000
	// maxPageToken is longer than any that is handed out.
	maxPageToken = 16 << 10
)

func pageSize(asked int32) (int, error) {
	switch {
	case asked == 0:
		return defaultPageSize, nil
	case asked < 0 || asked > maxPageSize:
		return 0, rpcerror.Invalid("page_size", "ask for 1 to %d, or leave it out for %d", maxPageSize, defaultPageSize)
	default:
		return int(asked), nil
	}
}

// A place is where a page ended. Its token is opaque, but no secret: a forged
// one leads to another place among what the caller may see.
type place interface{ sessionPlace | revocationPlace }

// pageToken returns the token of a place.
func pageToken[P place](p P) (string, error) {
	encoded, err := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(encoded), err
}

// readPageToken returns the place of a token, and the zero place, which is the
// beginning, of an empty one.
func readPageToken[P place](token string) (p P, err error) {
	if token == "" {
		return p, nil
	}
	fault := rpcerror.Invalid("page_token", "not one of this method: send what the last page gave as next_page_token, or none to begin again")
	if len(token) > maxPageToken {
		return p, fault
	}
	decoded, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return p, fault
	}
	decoder := json.NewDecoder(bytes.NewReader(decoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || decoder.More() {
		return *new(P), fault
	}
	return p, nil
}
