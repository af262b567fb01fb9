package decisions

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendTo appends the record as a line of JSON. It does what package encoding/json does, at a
// third of the cost, which is most of what a record costs.
func (r *Record) appendTo(line []byte) []byte {
	line = append(line, beginning...)
	line = append(r.Time.AppendFormat(line, time.RFC3339Nano), '"')
	line = appendText(line, "decision_id", r.ID)
	line = appendText(line, "procedure", r.Procedure)
	line = appendText(line, "protocol", r.Protocol)
	line = appendText(line, "outcome", r.Outcome)
	line = appendText(line, "reason", r.Reason)
	line = appendText(line, "cause", r.Cause)
	line = appendText(line, "requirement", r.Requirement)
	line = appendText(line, "rule_source", r.RuleSource)
	line = appendText(line, "issuer", r.Issuer)
	line = appendText(line, "subject", r.Subject)
	line = appendText(line, "kind", r.KindName)
	line = appendText(line, "session_id", r.Session)
	line = appendText(line, "organization_id", r.Organization)
	line = appendText(line, "client_id", r.ClientID)
	line = appendText(line, "authorized_party", r.AuthorizedParty)
	line = appendText(line, "token_id", r.TokenID)
	line = appendText(line, "key_id", r.KeyID)
	line = appendText(line, "token_hash", r.TokenHash)
	if r.Actor != nil {
		encoded, _ := json.Marshal(r.Actor) // of texts
		line = append(append(line, `,"actor":`...), encoded...)
	}
	line = appendText(line, "peer", r.Peer)
	line = appendText(line, "request_id", r.RequestID)
	line = appendText(line, "trace_id", r.TraceID)
	line = appendText(line, "span_id", r.SpanID)
	if r.Microseconds != 0 {
		line = strconv.AppendInt(append(line, `,"duration_us":`...), r.Microseconds, 10)
	}
	line = strconv.AppendInt(append(line, `,"count":`...), r.Count, 10)
	if r.Lost != 0 {
		line = strconv.AppendUint(append(line, `,"lost":`...), r.Lost, 10)
	}
	return append(line, '}', '\n')
}

// appendText appends a member, unless its text is empty.
func appendText(line []byte, name, text string) []byte {
	if text == "" {
		return line
	}
	line = append(append(append(line, ',', '"'), name...), '"', ':')
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			encoded, _ := json.Marshal(text) // of a text
			return append(line, encoded...)
		}
	}
	return append(append(append(line, '"'), text...), '"')
}
