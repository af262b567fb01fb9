package signals

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The ways in which senders prove that a webhook is theirs: WebhookConfig.Signature.
const (
	// SignatureStandard is that of Standard Webhooks and Svix: HMAC-SHA256 (v1) or
	// Ed25519 (v1a) in the headers webhook-id, webhook-timestamp and webhook-signature, or
	// svix-id, svix-timestamp and svix-signature.
	SignatureStandard = "standard"
	// SignatureWorkOS is that of WorkOS: HMAC-SHA256 in the header WorkOS-Signature.
	SignatureWorkOS = "workos"
	// SignatureHeader is none: the sender shows a secret in a header that is the same in
	// each message. Who sees one message can write any other, so it needs TLS on the whole
	// way, and no log of headers on it.
	SignatureHeader = "header"
)

// verifyFunc returns the ID of a message that the sender has proved to be its own, and ""
// where no header has one; and when it was sent. It reads nothing of the body.
type verifyFunc func(header http.Header, body []byte, now time.Time) (id string, sent time.Time, err error)

func newVerify(config WebhookConfig) (verifyFunc, error) {
	if config.Header != "" && config.Signature != SignatureHeader {
		return nil, fmt.Errorf("the header %s is only for the signature %q", config.Header, SignatureHeader)
	}
	switch config.Signature {
	case "", SignatureStandard:
		keys, err := newWebhookKeys(config.Secrets)
		return keys.verify, err
	case SignatureWorkOS:
		return workOSSecrets(config.Secrets).verify, checkSharedSecrets(config.Secrets)
	case SignatureHeader:
		shown := headerSecrets{name: config.Header}
		if shown.name == "" {
			shown.name = "Authorization"
		}
		for _, secret := range config.Secrets {
			shown.digests = append(shown.digests, sha256.Sum256([]byte(secret)))
		}
		return shown.verify, checkSharedSecrets(config.Secrets)
	default:
		return nil, fmt.Errorf("unknown signature %q; use %s, %s or %s", config.Signature, SignatureStandard, SignatureWorkOS, SignatureHeader)
	}
}

// checkSharedSecrets refuses secrets that can be guessed. No part of them is in its error.
func checkSharedSecrets(secrets []string) error {
	if len(secrets) == 0 {
		return errors.New("there is no secret; give the one that the sender knows")
	}
	var faults []error
	for i, secret := range secrets {
		switch {
		case len(secret) < 16:
			faults = append(faults, fmt.Errorf("secret %d of %d: it has %d characters; use 16 or more", i+1, len(secrets), len(secret)))
		case strings.TrimSpace(secret) != secret:
			faults = append(faults, fmt.Errorf("secret %d of %d: it begins or ends with white space", i+1, len(secrets)))
		}
	}
	return errors.Join(faults...)
}

// workOSSecrets verify the header WorkOS-Signature: t=1795000000000, v1=<hex>, whose time
// is in milliseconds.
type workOSSecrets []string

func (s workOSSecrets) verify(header http.Header, body []byte, now time.Time) (id string, sent time.Time, err error) {
	values := header.Values("WorkOS-Signature")
	if len(values) != 1 {
		return "", time.Time{}, unsigned("the header WorkOS-Signature is missing, or is there twice")
	}
	first, second, _ := strings.Cut(values[0], ",")
	timestamp, hasTime := strings.CutPrefix(first, "t=")
	signature, hasSignature := strings.CutPrefix(strings.TrimPrefix(second, " "), "v1=")
	millis, err := strconv.ParseUint(timestamp, 10, 50)
	if !hasTime || !hasSignature || err != nil {
		return "", time.Time{}, unsigned("the header WorkOS-Signature is not t=…, v1=…")
	}
	sent = time.UnixMilli(int64(millis))
	if now.Sub(sent).Abs() > signatureTolerance {
		return "", time.Time{}, unsigned("the timestamp of the signature is too far from now")
	}
	matched := false
	for _, secret := range s {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(timestamp + "."))
		mac.Write(body)
		matched = hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(signature)) || matched
	}
	if !matched {
		return "", time.Time{}, unsigned("the signature does not match")
	}
	return "", sent, nil
}

// headerSecrets are shown in a header, with or without Bearer before them. Digests are
// compared, so that the time does not show how long a secret is.
type headerSecrets struct {
	name    string
	digests [][sha256.Size]byte
}

func (s headerSecrets) verify(header http.Header, _ []byte, now time.Time) (id string, sent time.Time, err error) {
	values := header.Values(s.name)
	if len(values) != 1 {
		return "", time.Time{}, unsigned("the header with the secret is missing, or is there twice")
	}
	whole, bearer := sha256.Sum256([]byte(values[0])), sha256.Sum256([]byte(strings.TrimPrefix(values[0], "Bearer ")))
	matched := 0
	for _, digest := range s.digests {
		matched |= subtle.ConstantTimeCompare(digest[:], whole[:]) | subtle.ConstantTimeCompare(digest[:], bearer[:])
	}
	if matched == 0 {
		return "", time.Time{}, unsigned("the secret does not match")
	}
	return "", now, nil
}
