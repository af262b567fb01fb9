package doctor

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/interceptors/token"
)

// settings says where each setting comes from, and what is wrong with them.
func (p *patient) settings(context.Context) []Finding {
	findings := p.settingFaults()
	changed := 0
	for _, source := range p.Settings.Sources() {
		if source.From != "default" {
			changed++
		}
		findings = append(findings, ok("settings.value", source.Key, fmt.Sprintf("%s, from %s", source.Value, source.From)))
	}
	return append(findings, ok("settings.sources", "", fmt.Sprintf("%s set, the others are defaults; --all lists them", terminal.Count(changed, "setting"))))
}

// inDetail are settings whose faults another check finds, with more to say.
var inDetail = []string{"tls_cert"}

var listIndex = regexp.MustCompile(`\[[^]]*\]`)

// settingFaults are those with which the server does not start.
func (p *patient) settingFaults() []Finding {
	var found []Finding
	for _, wrong := range p.Settings.AllFaults() {
		key := listIndex.ReplaceAllString(wrong.Key, "")
		key = key[strings.LastIndexByte(key, '.')+1:]
		switch {
		case slices.Contains(inDetail, key):
			continue
		case key == "issuer":
			key = "url"
		case key == "":
			key = "source"
		}
		what, remedy, both := cutRemedy(wrong.Err.Error())
		if !both {
			remedy = "correct it; docs/configuration.md has its meaning"
		}
		found = append(found, fault("settings."+key, wrong.Setting, what, "the server does not start with it", remedy))
	}
	return found
}

// cutRemedy cuts an error into what is wrong, and what to do.
func cutRemedy(text string) (what, remedy string, both bool) {
	if i := strings.LastIndex(text, "; "); i >= 0 {
		return text[:i], text[i+2:], true
	}
	return text, "", false
}

// environment looks for variables that do not mean what they seem to.
func (p *patient) environment(context.Context) []Finding {
	var findings []Finding
	known := p.Settings.Variables()
	for _, unknown := range p.Settings.Unknown() {
		what, remedy, _ := cutRemedy(unknown.Err.Error())
		findings = append(findings, warning("settings.unknown_variable", unknown.Setting, what, "the setting that was meant has its default, or that of another source", remedy))
	}
	for _, entry := range p.Environ {
		name, value, _ := strings.Cut(entry, "=")
		trimmed := strings.TrimSpace(value)
		switch {
		case !slices.Contains(known, name) && slices.Contains(known, strings.TrimSpace(name)):
			findings = append(findings, fault("settings.blank_in_name", fmt.Sprintf("%q", name), "the name of the variable has a blank at its beginning or end, so no setting has this name",
				"docker run --env-file and Kubernetes take the blank as a part of it", "write NAME=value without blanks around the ="))
		case trimmed != "" && strings.HasPrefix(name, "CLERK_") && !slices.Contains(known, name) && !slices.Contains(ofClerkAlone, name):
			if near := nearClerk(name, known); len(near) > 0 {
				findings = append(findings, warning("settings.unknown_variable", name, "no setting has this name, so the variable does nothing",
					"the setting that was meant has its default, or that of another source", "did you mean "+strings.Join(near, " or ")+"?"))
			}
		}
	}
	findings = append(findings, p.elsewhere(known)...)
	return findings
}

// ofClerkAlone are variables of Clerk's own libraries that are no settings here.
var ofClerkAlone = []string{"CLERK_API_KEY", "CLERK_API_VERSION", "CLERK_DOMAIN", "CLERK_ENCRYPTION_KEY", "CLERK_FRONTEND_API", "CLERK_FAPI", "CLERK_PROXY_URL", "CLERK_MACHINE_SECRET_KEY"}

// parents is how many folders above this one are searched for a .env file.
const parents = 4

// elsewhere finds a .env file that is not read, of another folder than the one in which this
// runs.
func (p *patient) elsewhere(known []string) []Finding {
	if _, err := os.Stat(p.Settings.EnvFile()); err == nil {
		return nil
	}
	for n := 1; n <= parents; n++ {
		path := strings.Repeat(".."+string(filepath.Separator), n) + ".env"
		variables, err := godotenv.Read(path)
		if err != nil {
			continue
		}
		var unread []string
		for _, name := range known {
			if variables[name] != "" && !slices.ContainsFunc(p.Environ, func(entry string) bool { return strings.HasPrefix(entry, name+"=") && entry != name+"=" }) {
				unread = append(unread, name)
			}
		}
		if len(unread) > 0 {
			return []Finding{warning("settings.env_file_elsewhere", path, "it sets "+strings.Join(unread, ", ")+", and is not read: only .env in the folder in which the server starts is",
				"these settings have their defaults", "start the server in that folder, or with --env-file "+path)}
		}
	}
	return nil
}

// clerkKeys compares Clerk's keys with the issuers.
func (p *patient) clerkKeys(context.Context) []Finding {
	config := &p.Settings.Server
	publishable := config.Console.PublishableKey
	if publishable == "" {
		return nil
	}
	name := p.Settings.NameOf("publishable_key")
	of, err := token.ClerkIssuer(publishable)
	if err != nil {
		return nil // which is a fault of the settings
	}
	var findings []Finding
	var clerk []string
	for i := range config.Issuers {
		if config.Issuers[i].ProfileName() == token.Clerk().Name {
			clerk = append(clerk, config.Issuers[i].URL)
		}
		if secret := config.Issuers[i].SecretKey; environmentOf(secret) != "" && config.Issuers[i].URL == of && environmentOf(secret) != environmentOf(publishable) {
			findings = append(findings, fault("clerk.environments", p.Settings.NameOfIssuer(i, "secret_key"),
				fmt.Sprintf("it is of the %s environment, and %s of the %s one", environmentOf(secret), name, environmentOf(publishable)),
				"sessions that end here are not ended at Clerk", "copy both keys from the same instance in Clerk's dashboard"))
		}
		if config.Issuers[i].URL == of && config.Issuers[i].SecretKey == "" && config.Issuers[i].SecretKeyFile == "" && len(config.Follow.Hubs) == 0 {
			findings = append(findings, warning("clerk.secret_key_missing", of, "the publishable key is set, and the secret key is not",
				"sessions that are ended here go on at Clerk, and are not looked for after an outage", "set CLERK_SECRET_KEY, or OSTIARY_SECRET_KEY_FILE"))
		}
	}
	switch {
	case slices.Contains(clerk, of):
		findings = append(findings, ok("clerk.publishable_key", name, "it is that of "+of))
	case len(clerk) > 0:
		what := fmt.Sprintf("it is that of %s, and the issuer is %s", of, strings.Join(clerk, ", "))
		if isDevelopment(of) != isDevelopment(clerk[0]) {
			what += ": one of them is of Clerk's development environment, the other is not"
		}
		findings = append(findings, fault("clerk.publishable_key", name, what,
			"the tokens of who signs in with this key are refused with ISSUER_UNTRUSTED",
			fmt.Sprintf("copy issuer and keys from the same instance in Clerk's dashboard: set the issuer to %s, or another %s", of, name)))
	default:
		findings = append(findings, warning("clerk.publishable_key", name, "it is that of "+of+", and no issuer is Clerk's",
			"the tokens of who signs in with this key are refused with ISSUER_UNTRUSTED", "add this issuer, or remove the key"))
	}
	return findings
}

// consoleClients looks for clients of the console that nobody can use, and says how to register the others.
func (p *patient) consoleClients(context.Context) []Finding {
	config := &p.Settings.Server
	var findings []Finding
	for i := range config.Issuers {
		issuer := &config.Issuers[i]
		client := issuer.Console.ClientID
		if client == "" {
			continue
		}
		name := p.Settings.NameOfIssuer(i, "console_client_id")
		if !config.Console.Enabled {
			findings = append(findings, warning("console.client_unused", name, "there is no console to sign in on",
				"nobody signs in with this client", "set "+p.Settings.NameOf("console")+", or remove it"))
			continue
		}
		findings = append(findings, ok(redirectURI, issuer.URL, fmt.Sprintf("the redirect URI and the post-logout redirect URI of the client %s are {origin of the console}%s", client, issuer.ConsoleCallback())))
		if parties := issuer.AuthorizedParties; len(parties) > 0 && !slices.Contains(parties, client) {
			findings = append(findings, warning("console.client_not_authorized", name, "the client is not among the authorized parties",
				"a token that names it as azp is refused with AUTHORIZED_PARTY_MISMATCH: who signs in on the console is signed out at once",
				"add the client to "+p.Settings.NameOfIssuer(i, "authorized_parties")))
		}
	}
	return findings
}

// environmentOf returns test or live for a key of Clerk, or "".
func environmentOf(key string) string {
	parts := strings.Split(key, "_")
	if len(parts) >= 3 && (parts[1] == "test" || parts[1] == "live") {
		return parts[1]
	}
	return ""
}

// isDevelopment reports whether an issuer is of one of Clerk's development instances.
func isDevelopment(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && strings.HasSuffix(u.Hostname(), ".accounts.dev")
}
