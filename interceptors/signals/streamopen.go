package signals

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

// maxVerifyInterval bounds the interval that a transmitter wants, in seconds.
const maxVerifyInterval = 24 * 60 * 60

// A streamRequest is what a receiver says of its stream (SSF 1.0, section 8.1.1).
type streamRequest struct {
	ID          string         `json:"stream_id,omitempty"`
	Delivery    streamDelivery `json:"delivery"`
	Events      []string       `json:"events_requested"`
	Description string         `json:"description"`
}

type streamDelivery struct {
	Method        string `json:"method"`
	Endpoint      string `json:"endpoint_url,omitempty"`
	Authorization string `json:"authorization_header,omitempty"`
}

// A streamFound is a stream as the transmitter describes it.
type streamFound struct {
	id, issuer, description string
	method, endpoint        string
	audiences, delivered    []string
	least                   time.Duration
}

// open creates the stream, or adopts the one that is there, and enables it.
func (s *Stream) open(ctx context.Context) (retryAfter time.Duration, err error) {
	request := streamRequest{
		Delivery: streamDelivery{Method: pollDelivery}, Events: s.config.EventTypes, Description: s.config.Description,
	}
	if s.config.PushURL != "" {
		request.Delivery = streamDelivery{pushDelivery, s.config.PushURL, s.config.PushAuthorization}
	}
	// Some transmitters have any number of streams for a receiver: one that is there already
	// must not get another at each start.
	existing, retryAfter, err := s.list(ctx)
	if err != nil {
		return retryAfter, err
	}
	at := slices.IndexFunc(existing, s.isOurs)
	var found streamFound
	if at >= 0 {
		found, retryAfter, err = s.adopt(ctx, existing[at], request)
	} else {
		var conflict bool
		found, conflict, retryAfter, err = s.create(ctx, request)
		if conflict && len(existing) == 0 && s.config.Shared { // another process was first
			if existing, retryAfter, err = s.list(ctx); err != nil {
				return retryAfter, err
			}
		}
		switch {
		case conflict && len(existing) != 1:
			return 0, errors.New("the transmitter allows no other stream, and nothing shows which of those it has is to be changed: delete them there")
		case conflict:
			found, retryAfter, err = s.adopt(ctx, existing[0], request)
		case err == nil && s.config.Shared:
			found, retryAfter, err = s.keepOne(ctx, found, request)
		}
	}
	if err != nil {
		return retryAfter, err
	}
	if err := s.use(ctx, found); err != nil {
		return 0, err
	}
	return s.enable(ctx)
}

// isOurs reports whether a stream is the one of an earlier start.
func (s *Stream) isOurs(f streamFound) bool {
	if s.config.PushURL != "" {
		return f.method == pushDelivery && f.endpoint == s.config.PushURL
	}
	return f.method == pollDelivery && f.description == s.config.Description
}

// list returns the streams that the transmitter has for us.
func (s *Stream) list(ctx context.Context) ([]streamFound, time.Duration, error) {
	a, err := s.manage(ctx, http.MethodGet, s.config.Transmitter.ConfigurationURL, nil)
	switch {
	case err != nil:
		return nil, 0, err
	case a.status == http.StatusNotFound: // as some say that there is none
		return nil, 0, nil
	case a.status != http.StatusOK:
		return nil, a.retryAfter, fmt.Errorf("the configuration endpoint answered with status %d when asked for streams", a.status)
	}
	text := strings.TrimSpace(string(a.body))
	if !strings.HasPrefix(text, "[") {
		text = "[" + text + "]" // older ones answer with the only one
	}
	members, err := strictjson.Parse(nil, `{"streams":`+text+`}`)
	if err != nil {
		return nil, 0, fmt.Errorf("the configuration endpoint answered what cannot be read: %w", err)
	}
	var list []streamFound
	members.Get("streams").Elements(func(v strictjson.Value) bool {
		if stream, ok := v.Members(nil); ok {
			list = append(list, readStream(stream))
		}
		return true
	})
	return list, 0, nil
}

// create creates the stream, or says that there may be no other.
func (s *Stream) create(ctx context.Context, request streamRequest) (found streamFound, conflict bool, retryAfter time.Duration, err error) {
	a, err := s.manage(ctx, http.MethodPost, s.config.Transmitter.ConfigurationURL, request)
	switch {
	case err != nil:
		return streamFound{}, false, 0, err
	case a.status == http.StatusConflict:
		return streamFound{}, true, 0, nil
	case a.status != http.StatusCreated && a.status != http.StatusOK:
		return streamFound{}, false, a.retryAfter, fmt.Errorf("the configuration endpoint answered with status %d when asked for a new stream", a.status)
	}
	found, err = parseStream(a.body)
	return found, false, 0, err
}

// keepOne deletes a stream that was just created and adopts another, if another process has
// created that at the same time. If both do so, nothing is left to adopt: they try again,
// after pauses that differ.
func (s *Stream) keepOne(ctx context.Context, created streamFound, request streamRequest) (streamFound, time.Duration, error) {
	all, retryAfter, err := s.list(ctx)
	if err != nil {
		return streamFound{}, retryAfter, err
	}
	other := slices.IndexFunc(all, func(f streamFound) bool { return s.isOurs(f) && f.id != created.id })
	if other < 0 {
		return created, 0, nil
	}
	endpoint, err := withStreamID(s.config.Transmitter.ConfigurationURL, created.id)
	if err != nil {
		return streamFound{}, 0, err
	}
	a, err := s.manage(ctx, http.MethodDelete, endpoint, nil)
	switch {
	case err != nil:
		return streamFound{}, 0, err
	case a.status/100 != 2 && a.status != http.StatusNotFound:
		return streamFound{}, a.retryAfter, fmt.Errorf("the configuration endpoint answered with status %d when asked to delete a second stream", a.status)
	}
	return s.adopt(ctx, all[other], request)
}

// withStreamID returns the endpoint for one stream.
func withStreamID(endpoint, id string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", errors.New("the endpoint is no URL")
	}
	query := u.Query()
	query.Set("stream_id", id)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// adopt changes a stream to what we want, or replaces its configuration where the
// transmitter cannot change it.
func (s *Stream) adopt(ctx context.Context, existing streamFound, request streamRequest) (streamFound, time.Duration, error) {
	request.ID = existing.id
	a, err := s.manage(ctx, http.MethodPatch, s.config.Transmitter.ConfigurationURL, request)
	if err == nil && (a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotImplemented || a.status == http.StatusNotFound) {
		a, err = s.manage(ctx, http.MethodPut, s.config.Transmitter.ConfigurationURL, request)
	}
	switch {
	case err != nil:
		return streamFound{}, 0, err
	case a.status != http.StatusOK:
		return streamFound{}, a.retryAfter, fmt.Errorf("the configuration endpoint answered with status %d when asked to change the stream", a.status)
	}
	found, err := parseStream(a.body)
	return found, 0, err
}

// use takes a stream into use, if it is what was asked for.
func (s *Stream) use(ctx context.Context, found streamFound) error {
	switch {
	case found.id == "" || !storable(found.id):
		return errors.New("the stream has no stream_id")
	case found.issuer != s.config.Transmitter.Issuer:
		return errors.New("the stream is of another issuer than the transmitter's metadata")
	case len(found.audiences) == 0:
		return errors.New("the stream has no aud, which would distinguish its events from those for others")
	case s.config.PushURL != "" && (found.method != pushDelivery || found.endpoint != s.config.PushURL):
		return errors.New("the events of the stream are not pushed to where they should")
	case s.config.PushURL == "" && found.method != pollDelivery:
		return errors.New("the events of the stream cannot be fetched")
	case s.config.PushURL == "":
		if err := checkURL("the endpoint_url of the stream", found.endpoint); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.status.ID == ""
	s.status.ID, s.audiences, s.endpoint, s.least = found.id, found.audiences, found.endpoint, found.least
	s.config.Logger.InfoContext(ctx, "the stream of events is there", "transmitter", found.issuer, "stream_id", found.id, "delivery", found.method, "events", len(found.delivered))
	if len(found.delivered) == 0 {
		s.config.Logger.WarnContext(ctx, "the transmitter sends none of the events that were asked for", "transmitter", found.issuer, "stream_id", found.id)
	}
	if s.config.Transmitter.DefaultSubjects == "NONE" {
		s.config.Logger.WarnContext(ctx, "the transmitter sends events only of subjects that are added to the stream there", "transmitter", found.issuer, "stream_id", found.id)
	}
	if first {
		close(s.opened)
	}
	return nil
}

// enable asks for the status of the stream, and enables it where it is paused or disabled.
func (s *Stream) enable(ctx context.Context) (time.Duration, error) {
	endpoint := s.config.Transmitter.StatusURL
	if endpoint == "" {
		return 0, nil
	}
	id := s.Status().ID
	withID, err := withStreamID(endpoint, id)
	if err != nil {
		return 0, err
	}
	a, err := s.manage(ctx, http.MethodGet, withID, nil)
	status := statusOf(a.body)
	if err == nil && a.status == http.StatusOK && status != "enabled" {
		a, err = s.manage(ctx, http.MethodPost, endpoint, map[string]string{"stream_id": id, "status": "enabled"})
		status = statusOf(a.body)
	}
	switch {
	case err != nil:
		return 0, err
	case a.status == http.StatusNotFound:
		return 0, errStreamGone
	case a.status/100 != 2:
		return a.retryAfter, fmt.Errorf("the status endpoint answered with status %d", a.status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Status = status
	return 0, nil
}

// manage calls an endpoint.
func (s *Stream) manage(ctx context.Context, method, to string, body any) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, manageTimeout)
	defer cancel()
	a, err := s.caller.call(ctx, method, to, body, maxStreamBytes)
	if err != nil {
		return answer{}, fmt.Errorf("the configuration or status endpoint: %w", err)
	}
	return a, nil
}

func parseStream(body []byte) (streamFound, error) {
	members, err := strictjson.Parse(nil, string(body))
	if err != nil {
		return streamFound{}, fmt.Errorf("the configuration endpoint answered what cannot be read: %w", err)
	}
	return readStream(members), nil
}

func readStream(members strictjson.Object) streamFound {
	found := streamFound{audiences: textsOf(members, "aud"), delivered: textsOf(members, "events_delivered")}
	found.id, _ = members.Get("stream_id").Text()
	found.issuer, _ = members.Get("iss").Text()
	found.description, _ = members.Get("description").Text()
	if delivery, ok := members.Get("delivery").Members(nil); ok {
		found.method, _ = delivery.Get("method").Text()
		found.endpoint, _ = delivery.Get("endpoint_url").Text()
	}
	if least, ok := seconds(members.Get("min_verification_interval")); ok {
		found.least = time.Duration(min(least.Unix(), maxVerifyInterval)) * time.Second
	}
	return found
}

// statusOf returns the status in an answer; "" if there is none.
func statusOf(body []byte) string {
	members, err := strictjson.Parse(nil, string(body))
	if err != nil {
		return ""
	}
	status, _ := members.Get("status").Text()
	if !slices.Contains(streamStates, status) {
		return ""
	}
	return status
}
