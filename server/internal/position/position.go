// Package position writes and reads the positions in lists and streams that callers
// send back: page_token and resume_token.
//
//	scope := position.ScopeOf(procedure, req.GetFilter())
//	after, err := position.Decode[uint64](req.GetPageToken(), epoch, scope)
//	// ...
//	res.NextPageToken = position.Encode(epoch, scope, last)
//
// A position is opaque, but not secret: a forged one leads to another place among
// what the caller may see.
package position

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

const (
	version = 1
	// maxLength is longer than any position that is handed out: a place holds no more than
	// one token, and tokens are shorter than the headers of a call.
	maxLength = 1 << 20
)

// An Epoch identifies the history that a position belongs to: a database, or what a
// process remembers. The zero Epoch is for what is the same in every process.
type Epoch [16]byte

// A Scope identifies what a position is a place in: the answers of one method to one
// request.
type Scope [8]byte

// ScopeOf returns the scope of a method and of the part of its request that decides
// what is returned, in which order. The filter may be nil; one that is absent is
// the same as one without fields.
func ScopeOf(method string, filter proto.Message) Scope {
	hash := sha256.New()
	fmt.Fprintf(hash, "%d %s\n", len(method), method)
	if filter != nil {
		// It fails for no message that was decoded. One that fails has the scope of none.
		encoded, _ := proto.MarshalOptions{Deterministic: true}.Marshal(filter)
		hash.Write(encoded)
	}
	return Scope(hash.Sum(nil)[:len(Scope{})])
}

// Encode returns the position of a place. A place is a number, a string, or a struct
// of these, which encoding/json can write.
func Encode[P any](epoch Epoch, scope Scope, place P) string {
	b := bytes.NewBuffer([]byte{version})
	b.Write(scope[:])
	b.Write(epoch[:])
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false) // which makes six bytes of one
	if err := encoder.Encode(place); err != nil {
		panic(fmt.Sprintf("position: %T is not a place: %v", place, err))
	}
	return base64.RawURLEncoding.EncodeToString(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// Decode returns the place of a position. An empty text is the beginning: the zero
// place. Its errors are made by rpcerror: POSITION_INVALID for a text that is no
// position, or one of another scope, and POSITION_EPOCH_CHANGED for one of
// another epoch.
func Decode[P any](text string, epoch Epoch, scope Scope) (P, error) {
	var place P
	if text == "" {
		return place, nil
	}
	inEpoch, inScope, encoded, ok := split(text)
	switch {
	case !ok || inScope != scope:
		return place, rpcerror.New(errorv1.Reason_REASON_POSITION_INVALID)
	case inEpoch != epoch:
		return place, rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&place); err != nil {
		return *new(P), rpcerror.New(errorv1.Reason_REASON_POSITION_INVALID)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return *new(P), rpcerror.New(errorv1.Reason_REASON_POSITION_INVALID)
	}
	return place, nil
}

// EpochOf returns the epoch of a position, for those who take positions of others, and
// whether the text is one.
func EpochOf(text string) (Epoch, bool) {
	epoch, _, _, ok := split(text)
	return epoch, ok
}

// split returns the parts of a position, and whether the text is one.
func split(text string) (epoch Epoch, scope Scope, place []byte, ok bool) {
	if len(text) > maxLength {
		return epoch, scope, nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+len(scope)+len(epoch) || b[0] != version {
		return epoch, scope, nil, false
	}
	b = b[1:]
	copy(scope[:], b)
	copy(epoch[:], b[len(scope):])
	return epoch, scope, b[len(scope)+len(epoch):], true
}
