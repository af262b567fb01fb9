package rpcerror

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
)

// RefuseUnknown adds the fields of a message that this server does not know, as a newer
// schema has them: they may restrict what is meant. Their names are not in the message.
func (v *Violations) RefuseUnknown(message proto.Message) {
	_ = protorange.Range(message.ProtoReflect(), func(values protopath.Values) error {
		if last := len(values.Path) - 1; values.Path[last].Kind() == protopath.UnknownAccessStep {
			place := strings.TrimPrefix(values.Path[1:last].String(), ".")
			v.Add(place, "with a field that this server does not know; leave it out, or ask a newer server")
		}
		return nil
	})
}

// The sizes of a page.
const (
	DefaultPageSize = 100
	MaxPageSize     = 1000
)

// PageSize returns how many rows a page has. A page_size that is negative is added.
func (v *Violations) PageSize(asked int32, byDefault int) int {
	switch {
	case asked < 0:
		v.Add("page_size", "must not be negative; leave it out for %d", byDefault)
		return 0
	case asked == 0:
		return byDefault
	default:
		return int(min(asked, MaxPageSize))
	}
}
