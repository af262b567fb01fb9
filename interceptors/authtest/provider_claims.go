package authtest

// users are the claims of a user's token of each provider, as its documentation shows
// them, beside those that every token has.
var users = map[string][]Edit{
	"clerk": {
		Header("cat", catSession), With("sid", "sess_1"), With("v", 2), With("fva", [2]int{0, -1}),
	},
	"oidc": {
		Header("typ", "at+jwt"), without("nbf"), With("client_id", "client_web"), With("scope", "openid profile"), signedInNow,
	},
	"auth0": {
		without("nbf", "jti"), With("azp", "client_web"), With("scope", "openid profile email"),
	},
	"cognito": {
		without("nbf"), With("token_use", "access"), With("client_id", "client_web"), With("version", 2), With("origin_jti", "session_1"),
		With("event_id", "event_1"), With("scope", "openid email"), With("username", "ada"), signedInNow,
	},
	"dex": {
		without("nbf", "jti"), dexSubject("local"), With("at_hash", "x"), With("c_hash", "y"),
		With("email", "ada@example.com"), With("email_verified", true), With("name", "Ada"),
	},
	"entra": {
		without("jti"), entraUser, With("aio", "x"), With("azp", "client_web"), With("azpacr", "0"), With("name", "Ada"),
		With("preferred_username", "ada@example.com"), With("rh", "x"), With("scp", "access_as_user"),
		With("tid", "tenant_1"), With("uti", "x"), With("ver", "2.0"),
	},
	"gitlab": {
		without("nbf", "jti"), With("nonce", "x"), With("sub_legacy", "x"), With("name", "Ada"), With("preferred_username", "ada"),
		With("email", "ada@example.com"), With("email_verified", true), With("groups_direct", []string{"acme"}), signedInNow,
	},
	"google": {
		without("nbf", "jti"), With("azp", "client_web"), With("at_hash", "x"), With("hd", "example.com"), With("email", "ada@example.com"),
		With("email_verified", true), With("name", "Ada"), With("given_name", "Ada"), With("picture", "https://example.com/ada.png"),
	},
	"hydra": {
		With("client_id", "client_web"), With("scp", []string{"openid"}), With("ext", map[string]any{}),
	},
	"keycloak": {
		without("nbf"), With("typ", "Bearer"), With("azp", "client_web"), With("sid", "session_1"), With("acr", "1"), signedInNow,
		With("allowed-origins", []string{"https://app.example.com"}), keycloakRoles, With("scope", "openid email profile"),
		With("email", "ada@example.com"), With("email_verified", true), With("name", "Ada"), With("preferred_username", "ada"), With("given_name", "Ada"),
	},
	"okta": {
		without("nbf"), withID("AT."), With("cid", "client_web"), With("uid", "00u1"), With("scp", []string{"openid", "profile"}), With("ver", 1), signedInNow,
	},
	"supabase": {
		without("nbf", "jti"), With("aud", "authenticated"), With("role", "authenticated"), With("session_id", "session_1"), With("aal", "aal1"), passwordOfSupabase,
		With("email", "ada@example.com"), With("phone", ""), With("is_anonymous", false), With("user_metadata", map[string]any{}),
		With("app_metadata", map[string]any{"provider": "email", "providers": []string{"email"}}),
	},
	"workos": {
		without("nbf"), With("sid", "session_1"), With("org_id", "org_1"), With("role", "member"), With("permissions", []string{}),
	},
	"zitadel": {
		With("client_id", "client_web"), With("aud", []string{"client_web", "project_1"}),
	},
}

// machines are the claims of a machine's token of each provider.
var machines = map[string][]Edit{
	"clerk": {
		Header("cat", catMachine), withID("mt_"),
	},
	"oidc": {
		Header("typ", "at+jwt"), without("nbf"), fromSubject("client_id", ""), With("scope", "jobs"),
	},
	"auth0": {
		without("nbf", "jti"), fromSubject("azp", "@clients"), With("gty", "client-credentials"), With("scope", "jobs"),
	},
	"cognito": {
		without("nbf"), With("token_use", "access"), fromSubject("client_id", ""), With("version", 2), With("scope", "acme/jobs"), signedInNow,
	},
	"dex": {
		without("nbf", "jti"), dexSubject(""), With("at_hash", "x"),
	},
	"entra": {
		without("jti"), fromSubject("oid", ""), With("aio", "x"), With("azp", "client_job"), With("azpacr", "1"), With("rh", "x"),
		With("tid", "tenant_1"), With("uti", "x"), With("ver", "2.0"),
	},
	"github-actions": {
		With("repository", "acme/app"), With("repository_id", "74"), With("repository_visibility", "private"), With("repository_owner", "acme"),
		With("repository_owner_id", "65"), With("actor", "ada"), With("actor_id", "12"), With("event_name", "push"), With("ref", "refs/heads/main"),
		With("ref_type", "branch"), With("ref_protected", "true"), With("sha", commit), With("workflow", "ci"), With("workflow_ref", workflow),
		With("workflow_sha", commit), With("job_workflow_ref", workflow), With("job_workflow_sha", commit), With("run_id", "1"), With("run_number", "10"),
		With("run_attempt", "1"), With("runner_environment", "github-hosted"),
	},
	"gitlab": {
		With("namespace_id", "7"), With("namespace_path", "acme"), With("project_id", "22"), With("project_path", "acme/app"),
		With("project_visibility", "private"), With("user_id", "42"), With("user_login", "ada"), With("user_email", "ada@example.com"),
		With("user_access_level", "developer"), With("pipeline_id", "1"), With("pipeline_source", "push"), With("job_id", "2"), With("ref", "main"),
		With("ref_type", "branch"), With("ref_path", "refs/heads/main"), With("ref_protected", "true"), With("runner_id", 1),
		With("runner_environment", "gitlab-hosted"), With("sha", commit), With("ci_config_ref_uri", "gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main"),
		With("ci_config_sha", commit),
	},
	"google": {
		without("nbf", "jti"), fromSubject("azp", ""), With("email", "job@acme.iam.gserviceaccount.com"), With("email_verified", true),
	},
	"hydra": {
		fromSubject("client_id", ""), With("scp", []string{"jobs"}), With("ext", map[string]any{}),
	},
	"keycloak": {
		without("nbf"), With("typ", "Bearer"), With("azp", "client_job"), With("client_id", "client_job"), With("acr", "1"), keycloakRoles,
		With("scope", "profile email"), With("clientHost", "192.0.2.7"), With("clientAddress", "192.0.2.7"), With("email_verified", false),
		With("preferred_username", "service-account-client_job"),
	},
	"kubernetes": {pod},
	"okta": {
		without("nbf"), withID("AT."), fromSubject("cid", ""), With("scp", []string{"jobs"}), With("ver", 1),
	},
	"spiffe": {
		without("iss", "nbf", "jti"),
	},
	"supabase": {
		without("nbf", "jti"), With("role", "service_role"), With("ref", "project_1"),
	},
	"workos": {
		without("nbf"), With("org_id", "org_1"),
	},
	"zitadel": {
		With("client_id", "job"), With("aud", []string{"project_1"}),
	},
}

const (
	commit   = "9f2c1d7e5b3a4c6d8e0f1a2b3c4d5e6f7a8b9c0d"
	workflow = "acme/app/.github/workflows/ci.yml@refs/heads/main"
)

// keycloakRoles are those that a realm gives everybody.
func keycloakRoles(d *Draft) {
	d.Claims["realm_access"] = map[string]any{"roles": []string{"default-roles-acme", "offline_access", "uma_authorization"}}
	d.Claims["resource_access"] = map[string]any{"account": map[string]any{"roles": []string{"manage-account", "view-profile"}}}
}
