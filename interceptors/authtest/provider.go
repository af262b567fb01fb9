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
// it, one of those that token.ProfileNamed knows, through the application
// client_web where the provider names one. With google, dex and gitlab it is an ID
// token. It lives five minutes and names no audience, which is for With to add.
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

// provided mints a token by the marks that the provider gives it.
func (iss *Issuer) provided(profile, subject string, marks map[string][]Edit, edits []Edit) string {
	own, known := marks[profile]
	if !known {
		panic(fmt.Sprintf("authtest: no such token of profile %q", profile))
	}
	return iss.mint(subject, edits, slices.Concat([]Edit{With("jti", rand.Text()), ExpiresIn(5 * time.Minute)}, own)...)
}

// users are the marks of a user's token of each provider.
var users = map[string][]Edit{
	"clerk":    {Header("cat", catSession), With("sid", "sess_1"), With("v", 2)},
	"oidc":     {Header("typ", "at+jwt"), With("client_id", "client_web"), With("scope", "openid profile")},
	"auth0":    {With("azp", "client_web"), With("scope", "openid profile")},
	"cognito":  {With("token_use", "access"), With("client_id", "client_web"), With("origin_jti", "session_1"), With("scope", "openid")},
	"dex":      {dexSubject("local"), With("at_hash", "x"), With("email_verified", true)},
	"entra":    {entraUser, With("azp", "client_web"), With("scp", "access_as_user"), With("tid", "tenant_1"), With("ver", "2.0")},
	"gitlab":   {With("nonce", "x"), With("user_login", "ada")},
	"google":   {With("azp", "client_web"), With("at_hash", "x"), With("email_verified", true)},
	"hydra":    {With("client_id", "client_web"), With("scp", []string{"openid"}), With("ext", map[string]any{})},
	"keycloak": {With("typ", "Bearer"), With("azp", "client_web"), With("sid", "session_1"), With("scope", "openid"), With("acr", "1")},
	"okta":     {With("cid", "client_web"), With("uid", "00u1"), With("scp", []string{"openid"}), With("ver", 1)},
	"supabase": {With("role", "authenticated"), With("session_id", "session_1"), With("app_metadata", map[string]any{})},
	"workos":   {With("sid", "session_1")},
	"zitadel":  {With("client_id", "client_web"), With("aud", []string{"client_web", "project_1"})},
}

// machines are the marks of a machine's token of each provider.
var machines = map[string][]Edit{
	"clerk":          {Header("cat", catMachine)},
	"oidc":           {Header("typ", "at+jwt"), fromSubject("client_id", "")},
	"auth0":          {fromSubject("azp", "@clients"), With("gty", "client-credentials")},
	"cognito":        {With("token_use", "access"), fromSubject("client_id", "")},
	"dex":            {dexSubject(""), With("at_hash", "x")},
	"entra":          {fromSubject("oid", ""), With("azp", "client_job"), With("tid", "tenant_1"), With("ver", "2.0")},
	"github-actions": {With("repository", "acme/app"), With("repository_owner", "acme"), With("repository_owner_id", "65"), With("job_workflow_ref", "acme/app/.github/workflows/ci.yml@refs/heads/main")},
	"gitlab":         {With("project_path", "acme/app"), With("namespace_id", "7"), With("namespace_path", "acme"), With("pipeline_id", "1"), With("job_id", "2")},
	"google":         {With("azp", "job@acme.iam.gserviceaccount.com"), With("email", "job@acme.iam.gserviceaccount.com")},
	"hydra":          {fromSubject("client_id", ""), With("scp", []string{}), With("ext", map[string]any{})},
	"keycloak":       {With("typ", "Bearer"), With("azp", "client_job"), With("client_id", "client_job"), With("preferred_username", "service-account-client_job")},
	"kubernetes":     {With("kubernetes.io", map[string]any{"namespace": "prod", "serviceaccount": map[string]any{"name": "api", "uid": "1"}})},
	"okta":           {fromSubject("cid", ""), With("scp", []string{"jobs"}), With("ver", 1)},
	"spiffe":         {Without("iss"), Without("jti")},
	"supabase":       {With("role", "service_role")},
	"workos":         {With("org_id", "org_1")},
	"zitadel":        {With("client_id", "job"), With("aud", []string{"project_1"})},
}

// fromSubject sets a claim to the subject without its suffix.
func fromSubject(claim, suffix string) Edit {
	return func(d *Draft) {
		subject, _ := d.Claims["sub"].(string)
		d.Claims[claim] = strings.TrimSuffix(subject, suffix)
	}
}

// entraUser names the user by oid, as sub is another for each application.
func entraUser(d *Draft) {
	fromSubject("oid", "")(d)
	d.Claims["sub"] = "pairwise-" + d.Claims["oid"].(string) //nolint:forcetypeassert // set above
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
