package signals

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A document is the JSON object in the body of a webhook. Names are compared exactly. It
// is read with encoding/json, which is lenient about what stands elsewhere: a user can
// often choose part of such a body, and must not be able to have the message of its own
// end refused for something odd in there.
type document json.RawMessage

// parseDocument returns the body as a document. The error quotes nothing of it.
func parseDocument(body []byte) (document, error) {
	if !json.Valid(body) || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return nil, malformed("the body is not a JSON object")
	}
	return body, nil
}

// at returns the value at a path of names with full stops in between, and nil where there
// is none.
func (d document) at(path string) json.RawMessage {
	value := json.RawMessage(d)
	for name := range strings.SplitSeq(path, ".") {
		var members map[string]json.RawMessage
		if json.Unmarshal(value, &members) != nil {
			return nil
		}
		value = members[name]
	}
	if string(value) == "null" {
		return nil
	}
	return value
}

// text returns the string at a path, or the digits of a whole number, since some senders
// number their users. It is "" where there is neither.
func (d document) text(path string) string {
	value := d.at(path)
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	if _, err := strconv.ParseInt(string(value), 10, 64); err != nil {
		return ""
	}
	return string(value)
}

// time returns the instant at a path, and the zero time where there is nothing.
func (d document) time(path string) (time.Time, error) {
	value := d.at(path)
	if value == nil {
		return time.Time{}, nil
	}
	t, err := parseTime(value)
	if err != nil {
		return time.Time{}, malformed("the time at " + path + " cannot be read: " + err.Error())
	}
	return t, nil
}

// parseTime reads the seconds or milliseconds since 1970, or a time as of RFC 3339.
func parseTime(value json.RawMessage) (time.Time, error) {
	var text string
	if json.Unmarshal(value, &text) == nil {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return time.Time{}, errors.New("it is a string, and not a time as of RFC 3339")
		}
		return t, nil
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	switch {
	case err != nil:
		return time.Time{}, errors.New("it is no whole number")
	case n < 1e9 || n >= 1e14: // before 2001, or not milliseconds
		return time.Time{}, errors.New("it is neither in seconds nor in milliseconds")
	case n < 1e11:
		return time.Unix(n, 0), nil
	default:
		return time.UnixMilli(n), nil
	}
}

// malformed is the refusal of a message that the sender has signed, and that says nothing
// that can be acted on.
func malformed(message string) error {
	return &refusal{status: http.StatusBadRequest, code: "invalid_request", message: message, signed: true}
}
