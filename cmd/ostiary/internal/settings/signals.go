package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/server/settings"
)

// logoutClients is a list of clients or, in the YAML file, a map that also says more.
func logoutClients() format[settings.Issuer] {
	return format[settings.Issuer]{"list", func(i *settings.Issuer, value any) (err error) {
		logout := &i.BackChannelLogout
		values, isMap := value.(map[string]any)
		if !isMap {
			logout.ClientIDs, err = asList(value)
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(values)) {
			switch key {
			case "client_ids":
				logout.ClientIDs, err = asList(values[key])
			case "sessions_in_tokens":
				err = boolean(func(l *settings.BackChannelLogout, on bool) { l.SessionsInTokens = on }).set(logout, values[key])
			default:
				err = errors.New("unknown setting; write client_ids, and sessions_in_tokens if need be")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		if len(logout.ClientIDs) == 0 {
			return errors.New("no client is named; write {client_ids: [web]}")
		}
		return nil
	}}
}

// signalTable lists the settings of an entry of signals.
func signalTable() []setting[settings.SignalSource] {
	type source = settings.SignalSource
	return []setting[source]{
		{key: "name", help: "Name of the source, in the path /signals/{name}, in logs, and in the origin of revocations. Required.", format: text(func(s *source) *string { return &s.Name })},
		{key: "kind", help: "clerk, webhooks or security_events.", def: settings.SignalWebhooks, format: text(func(s *source) *string { return &s.Kind })},
		{key: "issuer", help: "The url of the issuer of whose tokens the messages speak. Default: the only one.", format: text(func(s *source) *string { return &s.Issuer })},
		{key: "secrets", help: "Secrets that prove who sends, as the sender shows them. For security events that are pushed they are optional, and sent as bearer tokens.", format: list(func(s *source) *[]string { return &s.Secrets })},
		{key: "secrets_file", help: "File with such secrets, one a line; read at the start and at SIGHUP.", format: text(func(s *source) *string { return &s.SecretsFile })},
		{key: "instance_id", help: "Only for clerk: the instance, ins_…; messages of others are refused.", format: text(func(s *source) *string { return &s.InstanceID })},
		{key: "signature", help: "From here to events only for webhooks: how they are signed, standard, workos or header.", def: signals.SignatureStandard, format: text(func(s *source) *string { return &s.Signature })},
		{key: "header", help: "Where signature header finds the secret. Default: Authorization.", format: text(func(s *source) *string { return &s.Header })},
		{key: "type_path", help: "Path of the type of the event.", def: "type", format: text(func(s *source) *string { return &s.TypePath })},
		{key: "id_path", help: "Path of what names the message, the same each time it is sent again. Default: the header of the signature, or the digest of the body.", format: text(func(s *source) *string { return &s.IDPath })},
		{key: "time_path", help: "Path of when it happened. Default: when it arrives.", format: text(func(s *source) *string { return &s.TimePath })},
		{key: "events", help: "List of events that revoke something: event, its type, and session, subject, organization, token or client, the path of what it names; where, a map of what must be at other paths; all_tokens.", format: events()},
		{key: "transmitter", help: "From here on only for security events: the iss of their tokens. Default: the issuer.", format: text(func(s *source) *string { return &s.Transmitter })},
		{key: "jwks_url", help: "Where the keys of the transmitter are. Default: the keys of the issuer, or for a stream where the metadata says.", format: text(func(s *source) *string { return &s.JWKSURL })},
		{key: "audiences", help: "Accepted values of aud, which the transmitter calls this receiver. Default for a stream: its own.", format: list(func(s *source) *[]string { return &s.Audiences })},
		{key: "algorithms", help: "Accepted signature algorithms. Default: those of OpenID Connect issuers.", format: list(func(s *source) *[]string { return &s.Algorithms })},
		{key: "critical_members", help: "The critical_subject_members of the transmitter's metadata.", format: list(func(s *source) *[]string { return &s.CriticalMembers })},
		{key: "credential_types", help: "Types of credential, such as password, whose change ends what its user has open. Default: none.", format: list(func(s *source) *[]string { return &s.CredentialTypes })},
		{key: "allow_untyped", help: "Accept events without typ secevent+jwt, as older senders write them. Not where the keys sign other tokens too.", def: "false", format: boolean(func(s *source, on bool) { s.AllowUntyped = on })},
		{key: "sessions_in_tokens", help: "Every access token of a user names its session, as the events do. Default: what the issuer's profile says.", def: "false", format: boolean(func(s *source, on bool) { s.SessionsInTokens = on })},
		{key: "poll_url", help: "Where the events are fetched. Default: they are pushed to /signals/{name}, or the stream says where.", format: text(func(s *source) *string { return &s.PollURL })},
		{key: "stream", help: "poll or push: the server finds the transmitter's metadata, and makes and keeps a stream there. audiences and jwks_url can then be left out. Default: the stream is made by hand.", format: text(func(s *source) *string { return &s.Stream })},
		{key: "push_url", help: "Where the transmitter reaches /signals/{name}. Required for stream push.", format: text(func(s *source) *string { return &s.PushURL })},
		{key: "client_secret", help: "Proves to the transmitter who fetches, and who keeps the stream: the secret of client_id or, without token_url, the bearer token itself.", format: text(func(s *source) *string { return &s.ClientSecret })},
		{key: "client_secret_file", help: "File with that secret instead; read at the start and at SIGHUP.", format: text(func(s *source) *string { return &s.ClientSecretFile })},
		{key: "token_url", help: "Token endpoint at which client_id gets a token for the transmitter.", format: text(func(s *source) *string { return &s.TokenURL })},
		{key: "client_id", help: "The OAuth client at token_url.", format: text(func(s *source) *string { return &s.ClientID })},
		{key: "scopes", help: "Scopes of that token, such as ssf.read, and for a stream ssf.manage.", format: list(func(s *source) *[]string { return &s.Scopes })},
	}
}

// eventTable lists the settings of an entry of events.
func eventTable() []setting[signals.EventMapping] {
	type event = signals.EventMapping
	return []setting[event]{
		{key: "event", format: text(func(e *event) *string { return &e.Event })},
		{key: "where", format: format[event]{"map", func(e *event, value any) (err error) {
			e.Where, err = asTexts(value)
			return err
		}}},
		{key: "session", format: text(func(e *event) *string { return &e.Session })},
		{key: "subject", format: text(func(e *event) *string { return &e.Subject })},
		{key: "organization", format: text(func(e *event) *string { return &e.Organization })},
		{key: "token", format: text(func(e *event) *string { return &e.Token })},
		{key: "client", format: text(func(e *event) *string { return &e.Client })},
		{key: "all_tokens", format: boolean(func(e *event, on bool) { e.AllTokens = on })},
	}
}

// events reads a list of events.
func events() format[settings.SignalSource] {
	return format[settings.SignalSource]{"list", func(s *settings.SignalSource, value any) error {
		entries, ok := value.([]any)
		if !ok {
			return errors.New("not a list; write [{event: session.revoked, session: data.id}]")
		}
		table := eventTable()
		s.Events = make([]signals.EventMapping, len(entries))
		for i, entry := range entries {
			values, ok := entry.(map[string]any)
			if !ok {
				return fmt.Errorf("event %d is none; write {event: session.revoked, session: data.id}", i+1)
			}
			for _, key := range slices.Sorted(maps.Keys(values)) {
				known := slices.IndexFunc(table, func(s setting[signals.EventMapping]) bool { return s.key == key })
				if known < 0 {
					return fmt.Errorf("event %d: unknown setting %s; write one of %v", i+1, key, keysOf(table))
				}
				if err := table[known].format.set(&s.Events[i], values[key]); err != nil {
					return fmt.Errorf("event %d: %s: %w", i+1, key, err)
				}
			}
		}
		return nil
	}}
}

// asTexts reads a map of strings, numbers and booleans.
func asTexts(value any) (map[string]string, error) {
	values, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("not a map; write {data.object: session}")
	}
	texts := make(map[string]string, len(values))
	for key, value := range values {
		switch value.(type) {
		case string, int, bool:
			texts[key] = fmt.Sprint(value)
		default:
			return nil, fmt.Errorf("%s is no string, number or boolean", key)
		}
	}
	return texts, nil
}
