package httpauth

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// The body is put together of parts, and must be what it would be as a whole, for ids of any
// length.
func TestTheBodyHasTheIDOfTheCallInBothPlaces(t *testing.T) {
	t.Parallel()
	for _, reason := range auth.Reasons() {
		for _, id := range []string{"a", "h4jz2q7m9w1tkc8e", "0af76519-16cd-43dd-8448-eb211c80319c", "+/=@._:"} {
			refusal := auth.NewError(reason, nil)
			var got struct {
				Code, Message string
				Details       []struct {
					Type, Value string
					Debug       struct {
						Reason   string
						Metadata map[string]string
					}
				}
			}
			if err := json.Unmarshal(body(refusal, id), &got); err != nil {
				t.Fatalf("%v, %s: %v", reason, id, err)
			}
			info := new(errdetails.ErrorInfo)
			value, err := base64.RawStdEncoding.DecodeString(got.Details[0].Value)
			if err != nil || proto.Unmarshal(value, info) != nil {
				t.Fatalf("%v, %s: %v", reason, id, err)
			}
			debug := got.Details[0].Debug
			if info.GetReason() != reason.String() || info.GetMetadata()["request_id"] != id || debug.Reason != reason.String() || debug.Metadata["request_id"] != id ||
				got.Message != reason.Message() || len(got.Details) != len(refusal.Details(id)) {
				t.Errorf("%v, %s: %+v, %v", reason, id, got, info)
			}
		}
	}
}

func BenchmarkBody(b *testing.B) {
	refusal := auth.NewError(auth.TokenMissing, nil)
	b.ReportAllocs()
	for b.Loop() {
		_ = body(refusal, "h4jz2q7m9w1tkc8e")
	}
}
