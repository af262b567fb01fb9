package httpauth

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Error answers a request with the refusal in err: its HTTP status, its
// WWW-Authenticate challenge (RFC 6750, section 3), and a JSON body of the shape
// that Connect gives a unary error, so that one client reads both. An error
// that holds no *[auth.Error], nil too, is answered as AUTH_FAILURE, and says
// nothing of itself to the caller.
//
// Call it before anything is written to w, and write nothing after it.
func Error(w http.ResponseWriter, err error) {
	var guard *auth.Guard
	if guarded, ok := w.(interface{ guard() *auth.Guard }); ok { // a handler's own refusal
		guard = guarded.guard()
	}
	refuse(w, guard, err)
}

func refuse(w http.ResponseWriter, guard *auth.Guard, err error) {
	refusal := auth.AsError(err)
	if refusal == nil { // asked to refuse without saying why
		refusal = auth.NewError(auth.AuthFailure, nil)
	}
	header := w.Header()
	// These would describe a body that is not sent now.
	header.Del("Content-Encoding")
	header.Del("ETag")
	header.Del("Last-Modified")
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	if challenge := guard.Challenge(refusal); challenge != "" {
		header.Set("WWW-Authenticate", challenge)
	}
	encoded := body(refusal)
	header.Set("Content-Length", strconv.Itoa(len(encoded)))
	w.WriteHeader(refusal.Code().HTTPStatus())
	_, _ = w.Write(encoded) // a client that is gone needs no answer
}

// body encodes a refusal as Connect encodes the error of a unary call.
func body(refusal *auth.Error) []byte {
	type debug struct {
		Reason   string            `json:"reason"`
		Domain   string            `json:"domain"`
		Metadata map[string]string `json:"metadata,omitempty"`
	}
	type detail struct {
		Type  string `json:"type"`
		Value string `json:"value"`
		Debug debug  `json:"debug"`
	}
	info := refusal.Info()
	value, _ := proto.Marshal(info)     // text of our own: it cannot fail
	encoded, _ := json.Marshal(struct { // nor can this
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Details []detail `json:"details"`
	}{
		Code:    refusal.Code().String(),
		Message: refusal.Sentence(),
		Details: []detail{{
			Type:  string(info.ProtoReflect().Descriptor().FullName()),
			Value: base64.RawStdEncoding.EncodeToString(value),
			Debug: debug{Reason: info.GetReason(), Domain: info.GetDomain(), Metadata: info.GetMetadata()},
		}},
	})
	return encoded
}
