package auth

// A subject owns streams that are counted together. It is a subject of an issuer; the zero
// value is all callers without a token.
type subject struct{ issuer, name string }

func (s *Stream) subject() subject {
	if id := s.admitted.identity; id != nil {
		return subject{id.Issuer, id.Subject}
	}
	return subject{}
}

// takePlace counts a stream until it ends. Where there are too many, it refuses the stream,
// which has then ended.
func (g *Guard) takePlace(s *Stream) *Error {
	of, each := s.subject(), g.MaxStreamsPerSubject
	if of == (subject{}) {
		each = (g.MaxStreams + 1) / 2
	}
	taken, tooManyOwn := g.places.Take(of, each, g.MaxStreams)
	if taken {
		return nil
	}
	var refusal *Error
	if tooManyOwn && of != (subject{}) {
		refusal = Errorf(TooManyStreams, "the subject has %d streams open", each)
	} else {
		refusal = Errorf(TooManyStreams, "the server has its %d streams open, or callers without a token half of them", g.MaxStreams)
		refusal.Message, refusal.RetryAfter = "the server serves as many streams as it can; try again shortly", retryDelay
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.refusal = true, refusal
	return refusal
}
