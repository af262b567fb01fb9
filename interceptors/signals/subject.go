package signals

import (
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/internal/strictjson"
)

// maxAliases bounds the identifiers in one of format aliases.
const maxAliases = 16

// A named is something that an issuer knows by an id. The zero value names nothing.
type named struct{ issuer, id string }

// A subject is whom or what an event is about: what of it tokens are known by.
type subject struct {
	user, session, token named
	// unread are the formats of identifiers, and members, that name no token.
	unread []string
}

// subjectOf reads the subject of an event. sub_id comes first; where no token is known by it,
// the subject within the event may name the same otherwise.
func (r *eventReader) subjectOf(e securityEvent) (subject, error) {
	if e.subject == "" {
		return subject{}, invalid("it has no sub_id, and no subject within the event")
	}
	s, err := r.subject(e.subject)
	if err != nil || s.usable() || e.inner == "" {
		return s, err
	}
	return r.subject(e.inner)
}

func (s *subject) usable() bool {
	return s.user != named{} || s.session != named{} || s.token != named{}
}

// subject reads one identifier (RFC 9493, section 3), or a complex subject of several (SSF
// 1.0, section 3.3).
func (r *eventReader) subject(v strictjson.Value) (s subject, err error) {
	members, ok := v.Members(nil)
	if !ok {
		return subject{}, invalid("its subject is no object")
	}
	// Okta's older form of a complex subject has no format.
	if format := formatOf(members); format == "complex" || format == "" && (members.Get("user") != "" || members.Get("session") != "") {
		s, err = r.complexSubject(members)
	} else {
		s, err = r.identifier(format, members, 0)
	}
	if err != nil {
		return subject{}, err
	}
	for _, part := range []named{s.user, s.session} {
		if part.id != "" && part.issuer == "" {
			return subject{}, refuseAs("access_denied", "its opaque id belongs to no issuer here", nil)
		}
	}
	return s, nil
}

// complexSubject reads the user and the session of a complex subject. They belong together,
// so that an opaque session is one of the issuer of the user.
func (r *eventReader) complexSubject(members strictjson.Object) (all subject, err error) {
	for _, member := range members {
		if member.Name == "format" || member.Name == "subject_type" {
			continue
		}
		parts, ok := member.Value.Members(nil)
		if !ok {
			return subject{}, invalid("a member of its subject is no object")
		}
		format, read := formatOf(parts), false
		switch member.Name {
		case "user":
			user, err := r.identifier(format, parts, 0)
			if err != nil {
				return subject{}, err
			}
			all.user, read = user.user, user.user != named{}
			all.unread = append(all.unread, user.unread...)
		case "session":
			session, err := r.identifier(format, parts, 0)
			if err != nil {
				return subject{}, err
			}
			if session.session != (named{}) {
				all.session, read = session.session, true
			} else {
				all.token, read = session.token, session.token != named{}
			}
			all.unread = append(all.unread, session.unread...)
		}
		if !read && slices.Contains(r.config.CriticalMembers, member.Name) {
			return subject{}, invalid("a critical member of its subject is not understood here")
		}
	}
	if all.session.id != "" && all.user.id != "" {
		all.session.issuer = all.user.issuer
	}
	return all, nil
}

// formatOf returns the format of an identifier. Google writes subject_type, and iss-sub.
func formatOf(members strictjson.Object) string {
	format, ok := members.Get("format").Text()
	if !ok {
		format, _ = members.Get("subject_type").Text()
		format = strings.ReplaceAll(format, "-", "_")
	}
	return format
}

// identifier reads one identifier. One that no token is known by is no error.
func (r *eventReader) identifier(format string, members strictjson.Object, depth int) (subject, error) {
	switch format {
	case "iss_sub", "id_token_claims":
		user, err := r.issued(members, "sub")
		return subject{user: user}, err
	case "jwt_id":
		token, err := r.issued(members, "jti")
		return subject{token: token}, err
	case "opaque":
		id, ok := members.Get("id").Text()
		if !ok || id == "" {
			return subject{}, invalid("an identifier of format opaque has no id")
		}
		name := named{r.config.OpaqueIssuer, id}
		return subject{user: name, session: name}, nil
	case "aliases":
		if depth > 0 {
			return subject{}, invalid("an identifier of format aliases is within another")
		}
		return r.firstOf(members.Get("identifiers"))
	case "email":
		return subject{unread: []string{"an email address"}}, nil
	case "phone_number":
		return subject{unread: []string{"a telephone number"}}, nil
	default: // account, did, uri, saml_assertion_id, ip-addresses, or one's own
		return subject{unread: []string{"an identifier of another format"}}, nil
	}
}

// issued reads an identifier that names its issuer, which must be one of ours.
func (r *eventReader) issued(members strictjson.Object, member string) (named, error) {
	spelling, isText := members.Get("iss").Text()
	id, ok := members.Get(member).Text()
	if !isText || !ok || id == "" {
		return named{}, invalid("an identifier lacks iss or " + member)
	}
	issuer, known := r.issuers[spelling]
	if !known {
		return named{}, refuseAs("access_denied", "it speaks of an issuer that this transmitter may not speak of", nil)
	}
	return named{issuer.URL, id}, nil
}

// firstOf returns the first of several identifiers of one subject that a token is known by.
func (r *eventReader) firstOf(identifiers strictjson.Value) (first subject, err error) {
	n := 0
	isList := identifiers.Elements(func(v strictjson.Value) bool {
		members, ok := v.Members(nil)
		if n++; !ok || n > maxAliases {
			err = invalid("an identifier of format aliases has too many, or one that is no object")
			return false
		}
		var s subject
		if s, err = r.identifier(formatOf(members), members, 1); err != nil {
			return false
		}
		if s.usable() {
			first = s
			return false
		}
		first.unread = append(first.unread, s.unread...)
		return true
	})
	if err == nil && (!isList || n == 0) {
		err = invalid("an identifier of format aliases has none")
	}
	if err != nil {
		return subject{}, err
	}
	return first, nil
}

// unusable is why nothing can be revoked for a subject.
func (s *subject) unusable() *refusal {
	if len(s.unread) > 0 {
		return invalid("its subject is named by " + s.unread[0] + ", by which no token is known")
	}
	return invalid("its subject names neither a user nor a session in a way that a token is known by")
}
