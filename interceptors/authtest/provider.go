package authtest

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// UserOf returns an access token of a user as the provider of this profile issues
// it, one of those that token.ProfileNamed knows, with the claims that its tokens have
// by default and through the application client_web where the provider names one. With
// google, dex and gitlab it is an ID token. It lives five minutes.
//
// It names no audience, which is for With to add, except with supabase, whose is always
// authenticated, and zitadel, which names the application.
//
// It panics on an unknown profile, and on one whose provider has no users, such as
// kubernetes.
func (iss *Issuer) UserOf(profile, subject string, edits ...Edit) string {
	return iss.provided(profile, subject, users, edits)
}

// MachineOf returns a token of a client, a service account or a job as the
// provider of this profile issues it. The subject is what the provider writes for
// it: with most the client, and with kubernetes a name such as
// system:serviceaccount:prod:api. Otherwise it is as UserOf.
func (iss *Issuer) MachineOf(profile, subject string, edits ...Edit) string {
	return iss.provided(profile, subject, machines, edits)
}

// provided mints a token with the claims that the provider gives it.
func (iss *Issuer) provided(profile, subject string, claims map[string][]Edit, edits []Edit) string {
	own, known := claims[profile]
	if !known {
		panic(fmt.Sprintf("authtest: no such token of profile %q", profile))
	}
	return iss.mint(subject, edits, slices.Concat([]Edit{
		With("jti", rand.Text()), ExpiresIn(5 * time.Minute),
	}, own)...)
}

// fromSubject sets a claim to the subject without its suffix.
func fromSubject(claim, suffix string) Edit {
	return func(d *Draft) {
		subject, _ := d.Claims["sub"].(string)
		d.Claims[claim] = strings.TrimSuffix(subject, suffix)
	}
}

// signedInNow sets auth_time to the time of issue.
func signedInNow(d *Draft) { d.Claims["auth_time"] = d.issuedAt.Unix() }

// withID gives the token an ID that begins as the provider's do.
func withID(prefix string) Edit {
	return func(d *Draft) { d.Claims["jti"] = prefix + rand.Text() }
}

// without removes claims that every other token of this package has.
func without(claims ...string) Edit {
	return func(d *Draft) {
		for _, claim := range claims {
			delete(d.Claims, claim)
		}
	}
}

// entraUser names the user by oid, as sub is another for each application.
func entraUser(d *Draft) {
	fromSubject("oid", "")(d)
	d.Claims["sub"] = "pairwise-" + d.Claims["oid"].(string) //nolint:forcetypeassert // set above
}

// passwordOfSupabase says by which method the user signed in, and when.
func passwordOfSupabase(d *Draft) {
	d.Claims["amr"] = []any{map[string]any{"method": "password", "timestamp": d.issuedAt.Unix()}}
}

// pod names the pod and the service account of a subject such as
// system:serviceaccount:prod:api.
func pod(d *Draft) {
	subject, _ := d.Claims["sub"].(string)
	account := strings.TrimPrefix(subject, "system:serviceaccount:")
	namespace, name, _ := strings.Cut(account, ":")
	d.Claims["kubernetes.io"] = map[string]any{
		"namespace":      namespace,
		"node":           map[string]any{"name": "node-1", "uid": "b5d5a2f0-0000-4000-8000-000000000001"},
		"pod":            map[string]any{"name": name + "-0", "uid": "b5d5a2f0-0000-4000-8000-000000000002"},
		"serviceaccount": map[string]any{"name": name, "uid": "b5d5a2f0-0000-4000-8000-000000000003"},
		"warnafter":      d.issuedAt.Unix() + 3607,
	}
}

// dexSubject makes sub what dex makes of a user, or a client, and a connector: a
// protobuf message of two strings in base64url.
func dexSubject(connector string) Edit {
	return func(d *Draft) {
		subject, _ := d.Claims["sub"].(string)
		message := protoString(1, subject)
		if connector != "" {
			message = append(message, protoString(2, connector)...)
		}
		d.Claims["sub"] = base64.RawURLEncoding.EncodeToString(message)
	}
}

// protoString encodes a short string field of a protobuf message.
func protoString(field byte, text string) []byte {
	if len(text) > 127 {
		panic("authtest: a subject of dex is at most 127 bytes here")
	}
	return append([]byte{field<<3 | 2, byte(len(text))}, text...)
}
