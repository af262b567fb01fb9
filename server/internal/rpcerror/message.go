package rpcerror

import "regexp"

// InvalidMessage is the error for a message that cannot be read, or JSON with a field that
// is unknown. The text of the fault is protobuf's.
func InvalidMessage(fault error) error {
	text := fault.Error()
	for _, known := range knownFaults {
		parts := known.pattern.FindStringSubmatchIndex(text)
		if parts == nil {
			continue
		}
		expand := func(template string) string { return string(known.pattern.ExpandString(nil, template, text, parts)) }
		return Unreadable(expand(known.field), "%s", expand(known.sentence))
	}
	return Unreadable("", "%s", text)
}

// knownFaults are the faults that callers make most, as protojson puts them, and what to
// send instead. protojson names a field, but not the message that it is in. A text that
// none of them matches is sent as it is.
var knownFaults = []struct {
	pattern         *regexp.Regexp
	field, sentence string
}{
	{
		regexp.MustCompile(`^\(line (\d+:\d+)\): unknown field "(.*)"$`), "$2",
		"unknown field at $1; check its spelling, and which message it belongs to",
	},
	{
		regexp.MustCompile(`^\(line (\d+:\d+)\): duplicate field "(.*)"$`), "$2",
		"named twice, the second time at $1; send it once",
	},
	{
		regexp.MustCompile(`^\(line (\d+:\d+)\): error parsing "(.*)", oneof (?:\w+\.)*(\w+) is already set$`), "$2",
		"set at $1 beside another field of $3; send only one of them",
	},
	{
		regexp.MustCompile(`^\(line (\d+:\d+)\): invalid value for (\w+) field (\w+): (.*)$`), "$3",
		"must be of type $2, and at $1 has: $4",
	},
	{
		regexp.MustCompile(`^\(line (\d+:\d+)\): invalid google\.protobuf\.Timestamp value (.*)$`), "",
		"$2 at $1 is not a time; write it like 2026-03-01T12:00:00Z",
	},
	{
		regexp.MustCompile(`^\(line (\d+:\d+)\): invalid google\.protobuf\.Duration value (.*)$`), "",
		"$2 at $1 is not a duration; write seconds with an s, like 300s",
	},
	{
		regexp.MustCompile(`^syntax error \(line 1:1\): unexpected token ?$`), "",
		"the body is empty; send a JSON object, at least {}",
	},
	{
		regexp.MustCompile(`^syntax error \(line (\d+:\d+)\): unexpected token (.*)$`), "",
		"unexpected $2 at $1; write a message as an object, like {}, a list as [], and a time or a duration as a string",
	},
	{
		regexp.MustCompile(`^unexpected EOF$`), "",
		"the message ends too early",
	},
}
