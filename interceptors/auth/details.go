package auth

import (
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// TroubleshootingURL is the page that says what to do about each reason. The anchor of an
// entry is the reason in lower case.
const TroubleshootingURL = "https://github.com/ostiary/ostiary/blob/main/docs/troubleshooting.md"

// HelpFor returns the error detail that links to the entry of a reason, such as
// TOKEN_EXPIRED, in TroubleshootingURL.
func HelpFor(reason string) *errdetails.Help {
	return &errdetails.Help{Links: []*errdetails.Help_Link{{
		Description: "what to do about " + reason,
		Url:         TroubleshootingURL + "#" + strings.ToLower(reason),
	}}}
}

// Details returns the error details that every protocol sends with the refusal: a
// google.rpc.ErrorInfo with the reason, a google.rpc.Help with a link to what can be done
// about it, and that of RetryInfo, if there is one. The metadata of the ErrorInfo are the
// parameters of the Demand, for protocols that have no challenge, and the id of the call as
// request_id; "" leaves that out.
//
// Refusals share their details: they must not be changed.
func (e *Error) Details(requestID string) []*anypb.Any {
	var details []*anypb.Any
	if e.Demand == nil && e.RetryAfter <= 0 && e.ended == 0 {
		details = commonDetails()[min(e.Reason, reasonCount)]
	} else {
		details = e.details()
	}
	if requestID == "" {
		return details
	}
	details = slices.Clone(details)
	details[0] = WithRequestIDDetail(details[0], requestID)
	return details
}

// requestIDMetadata is the key of the id of a call in the metadata of an ErrorInfo.
const requestIDMetadata = "request_id"

// WithRequestIDDetail returns an error detail with the id of the call: where it is an
// ErrorInfo, request_id is in its metadata. Any other detail is returned as it is. It is for
// errors that are not made of an *Error.
func WithRequestIDDetail(detail *anypb.Any, requestID string) *anypb.Any {
	if detail.MessageName() != errorInfoName || requestID == "" {
		return detail
	}
	// An entry that is appended to an encoded message is added to its map.
	entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), requestIDMetadata)
	entry = protowire.AppendString(protowire.AppendTag(entry, 2, protowire.BytesType), requestID)
	value := protowire.AppendTag(slices.Clip(detail.GetValue()), metadataField, protowire.BytesType)
	return &anypb.Any{TypeUrl: detail.GetTypeUrl(), Value: protowire.AppendBytes(value, entry)}
}

var (
	errorInfoName = (*errdetails.ErrorInfo)(nil).ProtoReflect().Descriptor().FullName()
	metadataField = (*errdetails.ErrorInfo)(nil).ProtoReflect().Descriptor().Fields().ByName("metadata").Number()
)

// commonDetails has the details of refusals that say no more than their reason, made once;
// at the end those of a reason that is not on the list.
var commonDetails = sync.OnceValue(func() [][]*anypb.Any {
	all := make([][]*anypb.Any, reasonCount+1)
	for i := range all {
		all[i] = (&Error{Reason: Reason(i)}).details()
	}
	return all
})

func (e *Error) details() []*anypb.Any {
	info := &errdetails.ErrorInfo{Reason: e.Reason.String(), Domain: ErrorDomain}
	for _, p := range e.Demand.parameters() {
		if info.Metadata == nil {
			info.Metadata = make(map[string]string)
		}
		info.Metadata[p.name] = p.value
	}
	details := []proto.Message{info, HelpFor(info.GetReason())}
	if retry := e.RetryInfo(); retry != nil {
		details = append(details, retry)
	}
	var encoded []*anypb.Any
	for _, detail := range details {
		if value, err := anypb.New(detail); err == nil { // it fails only for text that is not UTF-8
			encoded = append(encoded, value)
		}
	}
	return encoded
}

// retryDelay is how long fetches of keys wait after one that failed, by default.
const retryDelay = 5 * time.Second

// RetryInfo returns the error detail that says when to retry, or nil for a refusal that
// the caller cannot wait out: one without RetryAfter that has not CodeUnavailable.
func (e *Error) RetryInfo() *errdetails.RetryInfo {
	switch {
	case e.RetryAfter > 0:
		return &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)}
	case e.Code() == CodeUnavailable:
		return &errdetails.RetryInfo{RetryDelay: durationpb.New(retryDelay)}
	default:
		return nil
	}
}
