package signals

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

const (
	maxMetadataBytes = 64 << 10
	metadataTimeout  = 10 * time.Second
)

// The delivery methods of a stream (SSF 1.0, section 6.1).
const (
	pushDelivery = "urn:ietf:rfc:8935"
	pollDelivery = "urn:ietf:rfc:8936"
)

// A Transmitter is what the metadata of a transmitter says (SSF 1.0, section 7.1). What it
// does not say is "" or nil.
type Transmitter struct {
	// Issuer is the iss of its events.
	Issuer string
	// KeySetURL is where its public keys are (jwks_uri).
	KeySetURL string
	// ConfigurationURL, StatusURL and VerificationURL are where its streams are managed.
	ConfigurationURL, StatusURL, VerificationURL string
	// DeliveryMethods are the URNs of those that it supports.
	DeliveryMethods []string
	// CriticalMembers are the parts of a subject that a receiver must understand.
	CriticalMembers []string
	// DefaultSubjects is whose events a new stream has: ALL or NONE. With NONE, subjects
	// must be added at the transmitter, or nothing is ever sent.
	DefaultSubjects string
}

// DiscoverTransmitter fetches the metadata of the transmitter with this issuer, from
// /.well-known/ssf-configuration inserted before its path, or else appended to it, or else
// from /.well-known/risc-configuration (SSF 1.0, section 7.2). The issuer and every
// URL in it must be https, or http on a loopback address, and the issuer must be the one
// that was asked for, to the letter. It takes at most 10 seconds for each place, and follows
// no redirects. A client of nil is one like http.DefaultClient.
func DiscoverTransmitter(ctx context.Context, client *http.Client, issuer string) (Transmitter, error) {
	if err := checkURL("the issuer", issuer); err != nil {
		return Transmitter{}, fmt.Errorf("discover the transmitter: %w", err)
	}
	var faults []error
	for _, place := range metadataPlaces(issuer) {
		found, err := fetchMetadata(ctx, newCaller(client, nil), place, issuer)
		if err == nil {
			return found, nil
		}
		faults = append(faults, fmt.Errorf("%s: %w", place, err))
	}
	return Transmitter{}, fmt.Errorf("discover the transmitter %q: %w", issuer, errors.Join(faults...))
}

func metadataPlaces(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	origin := u.Scheme + "://" + u.Host
	places := []string{origin + "/.well-known/ssf-configuration" + path}
	if path != "" {
		places = append(places, origin+path+"/.well-known/ssf-configuration")
	}
	return append(places, origin+"/.well-known/risc-configuration"+path)
}

func fetchMetadata(ctx context.Context, c *caller, place, issuer string) (Transmitter, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	a, err := c.call(ctx, http.MethodGet, place, nil, maxMetadataBytes)
	if err != nil {
		return Transmitter{}, err
	}
	if a.status != http.StatusOK {
		return Transmitter{}, fmt.Errorf("answered with status %d", a.status)
	}
	members, err := strictjson.Parse(nil, string(a.body))
	if err != nil {
		return Transmitter{}, fmt.Errorf("the metadata cannot be read: %w", err)
	}
	found := Transmitter{DeliveryMethods: textsOf(members, "delivery_methods_supported"), CriticalMembers: textsOf(members, "critical_subject_members")}
	found.DefaultSubjects, _ = members.Get("default_subjects").Text()
	if found.Issuer, _ = members.Get("issuer").Text(); found.Issuer != issuer {
		return Transmitter{}, errors.New("the metadata is that of another issuer")
	}
	for name, into := range map[string]*string{
		"jwks_uri": &found.KeySetURL, "configuration_endpoint": &found.ConfigurationURL,
		"status_endpoint": &found.StatusURL, "verification_endpoint": &found.VerificationURL,
	} {
		if members.Get(name) == "" {
			continue
		}
		*into, _ = members.Get(name).Text()
		if err := checkURL(name+" of the metadata", *into); err != nil {
			return Transmitter{}, err
		}
	}
	return found, nil
}

// textsOf reads a member that is a string or a list of strings; nil if it is neither.
func textsOf(members strictjson.Object, name string) []string {
	v := members.Get(name)
	if s, ok := v.Text(); ok {
		return []string{s}
	}
	var list []string
	v.Elements(func(element strictjson.Value) bool {
		if s, ok := element.Text(); ok {
			list = append(list, s)
		}
		return true
	})
	return list
}
