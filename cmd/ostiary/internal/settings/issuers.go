package settings

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/settings"
)

// addDescribedIssuer adds the issuer that flags and environment describe, if
// they say anything of one.
func (l *Loaded) addDescribedIssuer() {
	described := slices.ContainsFunc(issuerTable(), func(setting setting[settings.Issuer]) bool {
		_, ok := l.values[keyOfDescribed(setting.key)]
		return ok && (len(l.Server.Issuers) == 0 || !slices.Contains(ofSecretKey, setting.key))
	})
	if key := l.Server.Console.PublishableKey; l.Issuer.URL == "" && key != "" {
		url, err := token.ClerkIssuer(key)
		l.Check("publishable_key", err)
		l.failed["issuer"] = err != nil
		l.Issuer.URL, l.names["issuer"] = url, l.name("publishable_key")
		described = true
	}
	if described {
		l.described = entryOf(len(l.Server.Issuers))
		l.Server.Issuers = append(l.Server.Issuers, l.Issuer)
		return
	}
	l.giveSecretKey()
}

// ofSecretKey are the settings of an issuer that describe none beside those of the YAML
// file.
var ofSecretKey = []string{"secret_key", "secret_key_file", "api_url"}

// giveSecretKey gives a secret key outside the list to the one issuer of Clerk in it, so
// that the key need not be in the YAML file.
func (l *Loaded) giveSecretKey() {
	key := "secret_key"
	switch {
	case l.Issuer.SecretKey != "":
	case l.Issuer.SecretKeyFile != "":
		key = "secret_key_file"
	default:
		return
	}
	var clerk []int
	for i, issuer := range l.Server.Issuers {
		if issuer.Profile == "" || issuer.Profile == token.Clerk().Name {
			clerk = append(clerk, i)
		}
	}
	if len(clerk) != 1 {
		l.Check(key, fmt.Errorf("does not say of which issuer it is: %d in the YAML file are of Clerk; give the one that is meant its own secret_key_file there", len(clerk)))
		return
	}
	issuer := &l.Server.Issuers[clerk[0]]
	if issuer.SecretKey != "" || issuer.SecretKeyFile != "" {
		l.Check(key, errors.New("given, though the issuer in the YAML file has its own; remove one of them"))
		return
	}
	issuer.SecretKey, issuer.SecretKeyFile, issuer.APIURL = l.Issuer.SecretKey, l.Issuer.SecretKeyFile, cmp.Or(issuer.APIURL, l.Issuer.APIURL)
	for _, key := range ofSecretKey {
		if _, ok := l.values[key]; ok {
			l.names[entryOf(clerk[0])+"."+key] = l.name(key)
		}
	}
}

// entryOf returns the name of an entry in the list of issuers, as settings.Fault
// has it.
func entryOf(i int) string { return fmt.Sprintf("issuers[%d]", i) }

// keyOfDescribed returns the key, among all settings, of a setting of the issuer
// that flags and environment describe: its url is called issuer.
func keyOfDescribed(key string) string {
	if key == "url" {
		return "issuer"
	}
	return key
}

// IssuersInForce returns the issuers of a server with the settings in a YAML file and
// in the environment; none if any of these settings is at fault, which is for the
// server to report.
func IssuersInForce(path string, environ []string) []settings.Issuer {
	set, flags := Issuers(), pflag.NewFlagSet("", pflag.ContinueOnError)
	set.AddFlags(flags)
	if err := flags.Set(configFlag, path); err != nil {
		return nil
	}
	loaded := set.Load(flags, environ)
	if len(loaded.faults.Faults) > 0 {
		return nil
	}
	return loaded.Server.Issuers
}
