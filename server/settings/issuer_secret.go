package settings

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/ostiary/ostiary/internal/loopback"
)

// The parts of Clerk's names that say what they are of.
const (
	clerkTestKey = "sk_test_"
	clerkLiveKey = "sk_live_"
	// clerkTestHost ends the issuers of development instances.
	clerkTestHost = ".clerk.accounts.dev"
)

// ReadSecretKey returns that of the settings or the file; "" for none.
func (i *Issuer) ReadSecretKey() (string, error) {
	if i.SecretKeyFile == "" {
		return i.SecretKey, nil
	}
	text, err := os.ReadFile(i.SecretKeyFile)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret key: %w", err)
	}
	if key := strings.TrimSpace(string(text)); key != "" {
		return key, nil
	}
	return "", errors.New("the file is empty; write the secret key into it, from the API keys in Clerk's dashboard")
}

// secretKeyFaults returns what is wrong with the secret key and where it is sent to. It
// repeats no part of the key.
func (i *Issuer) secretKeyFaults() []Fault {
	var faults faultList
	add := faults.add
	if i.APIURL != "" {
		add("api_url", checkAPIURL(i.APIURL))
	}
	setting := "secret_key"
	switch {
	case i.SecretKeyFile != "" && i.SecretKey != "":
		add("secret_key_file", mentionf("given beside %s; keep one of them", settingName("secret_key")))
		return faults
	case i.SecretKeyFile != "":
		setting = "secret_key_file"
	}
	switch key, err := i.ReadSecretKey(); {
	case err != nil:
		add(setting, err)
	case key != "":
		add(setting, i.checkSecretKey(key))
	}
	return faults
}

func (i *Issuer) checkSecretKey(key string) error {
	u, err := url.Parse(i.URL)
	known := err == nil && u.Scheme == "https" && !loopback.Host(u.Hostname())
	isTest := known && strings.HasSuffix(u.Hostname(), clerkTestHost)
	rest, isTestKey := strings.CutPrefix(key, clerkTestKey)
	if !isTestKey {
		var isLiveKey bool
		if rest, isLiveKey = strings.CutPrefix(key, clerkLiveKey); !isLiveKey {
			return errors.New("is not a secret key of Clerk's: it starts with sk_test_ or sk_live_; copy it whole from the API keys in the dashboard")
		}
	}
	switch {
	case !i.isClerk():
		return mentionf("is Clerk's, and %s is %s, at which sessions cannot be ended; remove it", settingName("profile"), i.Profile)
	case rest == "" || strings.ContainsFunc(rest, func(c rune) bool { return !bearerCharacter(c) }):
		return errors.New("is not a secret key of Clerk's: it has nothing after its prefix, or a character that no key has; copy it whole from the API keys in the dashboard")
	case isTestKey && known && !isTest:
		return fmt.Errorf("is of a development instance, and the issuer %s is not, so no session could be ended; use the key of its instance", i.URL)
	case !isTestKey && isTest:
		return fmt.Errorf("is of a production instance, and the issuer %s is of a development instance, so no session could be ended; use the key of its instance", i.URL)
	case len(i.Claims.Session) > 0:
		return mentionf("is given with %s, so what is a session here may be another at Clerk, which would be ended; remove one of them", settingName("session_claim"))
	default:
		return nil
	}
}

// checkAPIURL checks where the secret key is sent to.
func checkAPIURL(s string) error {
	if err := checkAddress(s); err != nil {
		return err
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return err
	case isPlain(u):
		return fmt.Errorf("%q is plain http, over which the network can read the secret key; use https", s)
	case u.RawQuery != "" || u.ForceQuery:
		return errors.New("has a query; remove the ? and what follows")
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/v1"):
		return fmt.Errorf("%q ends in the version of the API, which is added to it; remove /v1", s)
	default:
		return nil
	}
}
