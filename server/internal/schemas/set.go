package schemas

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ostiary/ostiary/internal/logtext"
)

// pauses say when a server is asked again.
type pauses struct {
	// again is the one after it has sent its schema: it may be started anew with another.
	again time.Duration
	// min is the one after it has not sent its schema, which doubles up to max.
	min, max time.Duration
}

// A Backend is another server.
type Backend struct {
	// Name is unique.
	Name string
	// URL is where browsers reach its Connect API; empty where they cannot.
	URL string
	// Reflection is the URL of its gRPC server, which is asked for the schema. Empty where Schema
	// is given.
	Reflection string
	// Schema is that of an image.
	Schema *Schema
}

// A State is what is known of a Backend.
type State struct {
	Backend // its Schema is the latest; nil until there is one

	// ReadAt is when the server has sent its schema last, and FailingSince since when it does not.
	// Both are zero for an image.
	ReadAt, FailingSince time.Time
	// LastError is why it does not, or why the rules of the schema cannot be used; empty where
	// nothing is wrong.
	LastError string
}

// Options are what a Set needs.
type Options struct {
	// Now is the clock.
	Now func() time.Time
	// Log is told which servers do not send their schema, and which do again.
	Log *slog.Logger
	// Changed is called, by one goroutine of several, after a State has changed, but not by Replace.
	Changed func()

	pauses pauses // default: a minute, and from one second to a minute
}

// A Set is the backends of a server. Its methods may be called from any goroutine.
type Set struct {
	options Options
	running context.Context //nolint:containedctx // that of Run, for backends that come later
	asking  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	states []State
	cancel context.CancelFunc // ends those that ask for the states; nil while nobody asks
}

// NewSet returns a Set without backends.
func NewSet(options Options) *Set {
	if options.pauses == (pauses{}) {
		options.pauses = pauses{again: time.Minute, min: time.Second, max: time.Minute}
	}
	return &Set{options: options}
}

// States returns what is known of each backend, in order.
func (s *Set) States() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]State(nil), s.states...)
}

// Replace puts backends into the place of those that are there. What a server has sent counts
// until it sends another schema, if it is at the same place under the same name.
func (s *Set) Replace(backends []Backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := make([]State, len(backends))
	for i, backend := range backends {
		states[i].Backend = backend
		for _, before := range s.states {
			if before.Name == backend.Name && before.Reflection == backend.Reflection && backend.Reflection != "" {
				states[i] = before
				states[i].URL = backend.URL
			}
		}
	}
	s.states = states
	s.ask()
}

// Run asks the servers for their schemas until ctx ends. It is called once.
func (s *Set) Run(ctx context.Context) {
	s.mu.Lock()
	s.running = ctx
	s.ask() //nolint:contextcheck // it has the context, for what comes later too
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.running = nil // nobody else begins to ask
	s.mu.Unlock()
	asked := make(chan struct{})
	go func() {
		s.asking.Wait()
		close(asked)
	}()
	select {
	case <-asked:
	case <-time.After(stopTimeout): // one that reads a large schema holds nothing that others need
	}
}

// stopTimeout is how long Run waits for those who read a schema when it ends.
const stopTimeout = 2 * time.Second

// ask has each server asked, and no longer those that were before, once Run is called.
func (s *Set) ask() {
	if s.running == nil {
		return
	}
	if s.cancel != nil {
		s.cancel()
	}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(s.running)
	for i := range s.states {
		if backend := s.states[i].Backend; backend.Reflection != "" {
			s.asking.Go(func() { s.follow(ctx, backend.Name, backend.Reflection) })
		}
	}
}

// follow asks a server again and again.
func (s *Set) follow(ctx context.Context, name, url string) {
	pauses := s.options.pauses
	pause := pauses.min
	var before *Schema
	for {
		schema, err := ReadReflection(ctx, url, before, s.options.Now)
		if ctx.Err() != nil {
			return
		}
		s.note(ctx, name, schema, err)
		wait := pauses.again
		if err != nil {
			wait, pause = pause, min(2*pause, pauses.max)
		} else {
			pause, before = pauses.min, schema
		}
		timer := time.NewTimer(wait - rand.N(wait/4)) //nolint:gosec // it spreads load and keeps no secret
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// note keeps what came of asking a server.
func (s *Set) note(ctx context.Context, name string, schema *Schema, err error) {
	s.mu.Lock()
	at := -1
	for i := range s.states {
		if s.states[i].Name == name {
			at = i
		}
	}
	if at < 0 || ctx.Err() != nil { // another list has come meanwhile
		s.mu.Unlock()
		return
	}
	state := &s.states[at]
	before := *state
	switch {
	case err != nil:
		state.LastError = logtext.Bounded(err.Error())
		if state.FailingSince.IsZero() {
			state.FailingSince = s.options.Now()
		}
	default:
		state.ReadAt, state.FailingSince, state.LastError = s.options.Now(), time.Time{}, ""
		if state.Schema == nil || state.Schema.Digest != schema.Digest {
			state.Schema = schema
		}
		if state.Schema.RulesErr != nil {
			state.LastError = logtext.Bounded(state.Schema.RulesErr.Error())
		}
	}
	after := *state
	s.mu.Unlock()
	s.log(ctx, before, after)
	if before.Schema != after.Schema || before.LastError != after.LastError || before.FailingSince.IsZero() != after.FailingSince.IsZero() {
		s.options.Changed()
	}
}

// log tells of what has changed, once.
func (s *Set) log(ctx context.Context, before, after State) {
	switch {
	case after.LastError != "" && after.LastError != before.LastError && !after.FailingSince.IsZero():
		s.options.Log.WarnContext(ctx, "a backend does not send its schema; it is asked again and again", "backend", after.Name, "reflection", after.Reflection,
			"error", errors.New(after.LastError), "known", after.Schema != nil)
	case after.LastError != "" && after.LastError != before.LastError:
		s.options.Log.WarnContext(ctx, "the rules in the schema of a backend cannot be used, and are not shown", "backend", after.Name, "error", errors.New(after.LastError))
	case before.Schema != after.Schema || !before.FailingSince.IsZero() && after.FailingSince.IsZero():
		s.options.Log.InfoContext(ctx, "a backend has sent its schema", "backend", after.Name, "services", len(after.Schema.Services))
	}
}
