package inbox

import (
	"time"

	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/server/internal/eventstream"
)

// A State is what became of the messages of a source, since the server was started.
type State struct {
	Source       string    `json:"source"`
	Issuers      []string  `json:"issuers"`
	LastMessage  time.Time `json:"last_message,omitzero"`
	LastAccepted time.Time `json:"last_accepted,omitzero"`
	LastRefused  time.Time `json:"last_refused,omitzero"`
	LastError    string    `json:"last_error,omitempty"` // why that was refused, or failed
	LagSeconds   float64   `json:"lag_seconds,omitempty"`
	Accepted     int64     `json:"accepted"`
	Repeated     int64     `json:"repeated"`
	Ignored      int64     `json:"ignored"`
	Refused      int64     `json:"refused"`
	Failed       int64     `json:"failed"`
	LastPoll     time.Time `json:"last_poll,omitzero"` // that was answered
	// Stream is that which the server keeps at the transmitter; nil for other sources.
	Stream *eventstream.Readiness `json:"stream,omitempty"`
}

func (s source) state() State {
	status := s.receiver.Status()
	state := State{
		Source: s.name, Issuers: s.issuers,
		LastMessage: status.LastMessage, LastAccepted: status.LastAccepted, LastRefused: status.LastRefused, LastError: status.LastError,
		LagSeconds: status.Lag.Seconds(), Accepted: status.Accepted, Repeated: status.Repeated, Ignored: status.Ignored, Refused: status.Refused, Failed: status.Failed,
		LastPoll: status.LastPoll,
	}
	if status.LastErrorIsOurs {
		state.LastError = "it could not be fetched, verified or stored: the log says why"
	}
	if kept, ok := s.receiver.(interface{ Readiness() *eventstream.Readiness }); ok {
		state.Stream = kept.Readiness()
	}
	return state
}

// States returns those of all sources.
func (i *Inbox) States() []State {
	var states []State
	for _, source := range i.sources {
		states = append(states, source.state())
	}
	return states
}

// Statuses returns what the receivers of all sources know of themselves.
func (i *Inbox) Statuses() []signals.Status {
	statuses := make([]signals.Status, len(i.sources))
	for n, source := range i.sources {
		statuses[n] = source.receiver.Status()
	}
	return statuses
}
