package settings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/internal/loopback"
)

// signalFaults returns what is wrong with the sources of messages. It repeats no secret.
func (c Config) signalFaults() []Fault {
	var faults faultList
	add := faults.add
	if c.SignalsAddr != "" {
		add("signals_addr", checkAddr(c.SignalsAddr), c.checkSignalsAddr())
	}
	setting := "clerk_webhook_secret"
	if len(c.ClerkWebhookSecret) == 0 && c.ClerkWebhookSecretFile != "" {
		setting += "_file"
	}
	switch secrets, err := c.clerkWebhookSecrets(); {
	case err != nil:
		add("clerk_webhook_secret_file", err)
	case len(secrets) > 0:
		if n := len(c.clerkIssuers()); n != 1 {
			add(setting, fmt.Errorf("does not say of which issuer it is: %d are of Clerk; give the issuer, or where there are several, list each of them under signals in the YAML file, with its own secrets_file", n))
		}
		_, err := signals.NewClerk(signals.ClerkConfig{Issuer: "any", Secrets: secrets, Sink: unheard{}})
		add(setting, each(err)...)
	}
	return append(faults, c.sourceFaults()...)
}

// unheard is a Sink for receivers that are made only to check their settings.
type unheard struct{}

// Revoke implements signals.Sink.
func (unheard) Revoke(context.Context, signals.Message) error { return nil }

// each returns the errors that were joined.
func each(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if joined, ok := e.(interface{ Unwrap() []error }); ok {
			var all []error
			for _, one := range joined.Unwrap() {
				all = append(all, each(one)...)
			}
			return all
		}
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func (c Config) checkSignalsAddr() error {
	if !strings.HasSuffix(c.SignalsAddr, ":0") {
		for setting, addr := range map[settingName]string{"http_addr": c.HTTPAddr, "grpc_addr": c.GRPCAddr} {
			if addr == c.SignalsAddr && (setting != "http_addr" || c.HTTPListener == nil) {
				return mentionf("%s is %s already; messages of issuers need a port of their own, or leave it out", addr, setting)
			}
		}
	}
	if len(c.LogoutIssuers()) == 0 && len(c.Signals) == 0 && len(c.ClerkWebhookSecret) == 0 && c.ClerkWebhookSecretFile == "" {
		return errors.New("nothing would be received there; configure a source of messages, or remove it")
	}
	return nil
}

// logoutFaults returns what is wrong with who may say that users have signed out.
func (i *Issuer) logoutFaults() []error {
	logout := i.BackChannelLogout
	if len(logout.ClientIDs) == 0 {
		if logout.SessionsInTokens {
			return []error{errors.New("no client is named, so no logout token is taken; write client_ids")}
		}
		return nil
	}
	faults := checkExact(logout.ClientIDs)
	profile, err := i.TokenProfile()
	switch {
	case err != nil: // a fault already
	case i.isSPIFFE():
		faults = append(faults, errors.New("a trust domain has no users who sign out; remove it"))
	case len(i.Tenants) > 0:
		faults = append(faults, errors.New("an issuer with tenants has no clients of its own; list the tenant that signs out as an issuer of its own"))
	case len(profile.Subject) > 0 && !profile.NamesSession() && !logout.SessionsInTokens:
		faults = append(faults, errors.New("access tokens name their user by another claim than sub, so no logout token could be acted on; set sessions_in_tokens if they name the session by sid, or remove it"))
	}
	return faults
}

// checkTransmitterURL checks what receivers know the server by.
func (c Config) checkTransmitterURL() error {
	if c.SignalsTransmitterURL == "" {
		return nil
	}
	u, err := url.Parse(c.SignalsTransmitterURL)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Scheme+"://"+u.Host != c.SignalsTransmitterURL || strings.ToLower(u.Host) != u.Host:
		return errors.New("must be this server's URL as receivers know it, in lower case and without a path, such as https://ostiary.example.com")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback.Host(u.Hostname())):
		return errors.New("must begin with https://, since receivers fetch the keys there by which they believe events")
	case c.FeedPermission == "" && len(c.FeedSecret) == 0 && c.FeedSecretFile == "":
		return mentionf("nobody could receive events; set %s or %s", settingName("feed_permission"), settingName("feed_secret"))
	default:
		return nil
	}
}

// streamFaults returns what is wrong with how the stream of a source is kept, and with who
// fetches its events.
func (s SignalSource) streamFaults() map[string]error {
	switch {
	case s.Kind != SignalEvents:
		return nil
	case s.Stream == "" && s.PushURL != "":
		return map[string]error{"push_url": errors.New("is for stream push; set that, or remove it")}
	case s.Stream == "":
		return nil
	case s.Stream != StreamPoll && s.Stream != StreamPush:
		return map[string]error{"stream": fmt.Errorf("%q is none; write poll or push", s.Stream)}
	case s.PollURL != "":
		return map[string]error{"poll_url": errors.New("the transmitter says where the events of the stream are fetched; remove it")}
	case s.Stream == StreamPush && s.PushURL == "":
		return map[string]error{"push_url": fmt.Errorf("is missing; say at which URL the transmitter reaches %s%s", SignalsPath, s.Name)}
	case s.Stream == StreamPoll && s.PushURL != "":
		return map[string]error{"push_url": errors.New("is for stream push; set that, or remove it")}
	default:
		return map[string]error{"transmitter": checkTransmitter(s.Transmitter)}
	}
}

// checkTransmitter checks the issuer of a transmitter that is asked for its metadata.
func checkTransmitter(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback.Host(u.Hostname())) {
		return errors.New("its metadata is fetched from there, so it must begin with https://, or with http:// on a loopback host")
	}
	return nil
}

// signalName is what a name can be.
var signalName = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

// sourceFaults returns what is wrong with Signals. It repeats no secret.
func (c Config) sourceFaults() []Fault {
	var faults faultList
	taken := map[string]string{}
	if len(c.LogoutIssuers()) > 0 {
		taken[LogoutSource] = "backchannel_logout"
	}
	if len(c.ClerkWebhookSecret) > 0 || c.ClerkWebhookSecretFile != "" {
		taken[clerkSource] = "clerk_webhook_secret"
	}
	for i, source := range c.signalSources() {
		place := fmt.Sprintf("signals[%d]", i)
		add := func(setting string, errs ...error) { faults.add(place+"."+setting, errs...) }
		by, again := taken[source.Name]
		taken[source.Name] = place
		switch {
		case !signalName.MatchString(source.Name):
			add("name", errors.New("is missing, or not 1 to 64 lower-case letters, digits, hyphens and underscores; it is part of the path that messages are sent to, such as workos"))
			continue // other faults would name it
		case again:
			add("name", fmt.Errorf("%s has this name already; choose another", by))
		case !slices.Contains([]string{SignalClerk, SignalWebhooks, SignalEvents}, source.Kind):
			add("kind", fmt.Errorf("%q is none; write clerk, webhooks or security_events", source.Kind))
			continue
		}
		add("issuer", c.checkSourceIssuer(source))
		add("jwks_url", checkSourceKeys(source))
		for _, setting := range ofOtherKinds(source) {
			add(setting, fmt.Errorf("means nothing for kind %s; remove it", source.Kind))
		}
		for setting, err := range source.streamFaults() {
			add(setting, err)
			if err != nil {
				source.Stream = "" // what else is wrong would follow from it
			}
		}
		if source.Issuer == "" { // which has its fault
			source.Issuer = "none"
			source.Transmitter = cmp.Or(source.Transmitter, source.Issuer)
		}
		var receiver Receiver
		tokens, err := source.TokenSource(c.Now)
		if err == nil {
			receiver, err = c.Receiver(source, new(jwks.Static), tokens, unheard{})
		}
		if poller, ok := receiver.(*signals.Poller); ok && err == nil {
			_ = poller.Close() // never fails
		}
		for _, err := range each(err) {
			faults = append(faults, Fault{Setting: place, Err: err})
		}
	}
	return faults
}

func (c Config) checkSourceIssuer(source SignalSource) error {
	issuer := c.issuerNamed(source.Issuer)
	switch {
	case source.Issuer == "":
		return errors.New("missing; say of which of the issuers the messages speak, by its url")
	case issuer == nil:
		return fmt.Errorf("%s is none of the issuers; write the url of one as it is there", source.Issuer)
	case source.Kind == SignalClerk && !issuer.isClerk():
		return fmt.Errorf("%s is not of Clerk; write the one whose instance sends the webhooks", source.Issuer)
	case len(issuer.Tenants) > 0:
		return errors.New("an issuer with tenants is none that tokens name; list the tenant that sends messages as an issuer of its own")
	case source.Kind == SignalEvents && !source.SessionsInTokens && issuer.namesSubjectElsewhere():
		return errors.New("its tokens name their user by another claim than sub, which security events name, so nothing could be revoked: set sessions_in_tokens, if the tokens name the session")
	case source.Kind == SignalEvents && source.Transmitter != source.Issuer && source.JWKSURL == "" && source.Stream == "":
		return errors.New("the transmitter is another, so jwks_url must say where its keys are")
	default:
		return nil
	}
}

func checkSourceKeys(s SignalSource) error {
	if s.JWKSURL == "" {
		return nil
	}
	return (&Issuer{}).checkTransport(s.JWKSURL)
}

// ofOtherKinds returns the settings that are given, and mean nothing for the kind.
func ofOtherKinds(s SignalSource) []string {
	of := func(kind string, settings map[string]bool) (misplaced []string) {
		for setting, given := range settings {
			if given && s.Kind != kind {
				misplaced = append(misplaced, setting)
			}
		}
		return misplaced
	}
	all := slices.Concat(
		of(SignalClerk, map[string]bool{"instance_id": s.InstanceID != ""}),
		of(SignalWebhooks, map[string]bool{
			"signature": s.Signature != "", "header": s.Header != "", "type_path": s.TypePath != "", "id_path": s.IDPath != "", "time_path": s.TimePath != "",
			"events": len(s.Events) > 0,
		}),
		of(SignalEvents, map[string]bool{
			"transmitter": s.Transmitter != "", "jwks_url": s.JWKSURL != "", "audiences": len(s.Audiences) > 0, "algorithms": len(s.Algorithms) > 0,
			"critical_members": len(s.CriticalMembers) > 0, "credential_types": len(s.CredentialTypes) > 0, "allow_untyped": s.AllowUntyped,
			"sessions_in_tokens": s.SessionsInTokens, "poll_url": s.PollURL != "", "stream": s.Stream != "", "push_url": s.PushURL != "",
			"client_secret": s.ClientSecret != "", "client_secret_file": s.ClientSecretFile != "", "token_url": s.TokenURL != "", "client_id": s.ClientID != "", "scopes": len(s.Scopes) > 0,
		}),
	)
	slices.Sort(all)
	return all
}
