package signals

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Verifying is written here, because no library does all of it: that of Standard
// Webhooks takes an empty secret, reads the time from the machine, does not know Svix'
// names of the headers and, in Go, no Ed25519; that of Svix is a client of its whole API.

// signatureTolerance is how far the time of a signature may be from ours, both ways. It
// is the time of the attempt, not that of the event.
const signatureTolerance = 5 * time.Minute

// maxSignatureBytes and maxSignatures bound the list of signatures of a message, of which a
// sender has one for each of its keys. The body is hashed anew for each of Ed25519.
const (
	maxSignatureBytes = 4 << 10
	maxSignatures     = 10
)

// The prefixes of keys.
const (
	secretPrefix     = "whsec_"
	publicKeyPrefix  = "whpk_"
	privateKeyPrefix = "whsk_"
)

// webhookKeys verify messages that are signed as Standard Webhooks 1.0.0 says, which is
// what Svix does too. One of the keys must match: there are several while they are
// changed.
type webhookKeys struct {
	secrets    [][]byte
	publicKeys []ed25519.PublicKey
}

// newWebhookKeys reads secrets, in base64 with or without whsec_, and public keys of
// Ed25519 with whpk_. No part of them is in its errors.
func newWebhookKeys(texts []string) (*webhookKeys, error) {
	if len(texts) == 0 {
		return nil, errors.New("there is no secret; give the signing secret that the sender shows for this endpoint")
	}
	keys := &webhookKeys{}
	var faults []error
	for i, text := range texts {
		if err := keys.add(text); err != nil {
			faults = append(faults, fmt.Errorf("secret %d of %d: %w", i+1, len(texts), err))
		}
	}
	return keys, errors.Join(faults...)
}

func (k *webhookKeys) add(text string) error {
	if strings.HasPrefix(text, privateKeyPrefix) {
		return errors.New("it is the private key of the sender; give its public key, which begins with " + publicKeyPrefix)
	}
	encoded, isPublic := strings.CutPrefix(text, publicKeyPrefix)
	encoded = strings.TrimPrefix(encoded, secretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	switch {
	case text == "":
		return errors.New("it is empty; give the signing secret that the sender shows for this endpoint")
	case err != nil:
		return errors.New("it is not base64; give it as the sender shows it") // the cause would quote it
	case isPublic && len(key) != ed25519.PublicKeySize:
		return fmt.Errorf("a public key has %d bytes, and this one %d", ed25519.PublicKeySize, len(key))
	case isPublic:
		k.publicKeys = append(k.publicKeys, key)
	case len(key) < 24 || len(key) > 64:
		return fmt.Errorf("a secret has 24 to 64 bytes, and this one %d", len(key))
	default:
		k.secrets = append(k.secrets, key)
	}
	return nil
}

// unsigned is the refusal of a message whose sender is not known.
func unsigned(message string) error {
	return &refusal{status: http.StatusUnauthorized, code: "authentication_failed", message: message}
}

// verify is a verifyFunc.
func (k *webhookKeys) verify(header http.Header, body []byte, now time.Time) (id string, sent time.Time, err error) {
	signed, err := readSignature(header)
	if err != nil {
		return "", time.Time{}, err
	}
	seconds, err := strconv.ParseUint(signed.timestamp, 10, 40)
	if err != nil {
		return "", time.Time{}, unsigned("the timestamp of the signature is not a number of seconds")
	}
	sent = time.Unix(int64(seconds), 0)
	if now.Sub(sent).Abs() > signatureTolerance {
		return "", time.Time{}, unsigned("the timestamp of the signature is too far from now")
	}
	content := make([]byte, 0, len(signed.id)+len(signed.timestamp)+len(body)+2)
	content = append(content, signed.id...)
	content = append(content, '.')
	content = append(content, signed.timestamp...)
	content = append(content, '.')
	content = append(content, body...)
	if !k.match(content, signed.signatures) {
		return "", time.Time{}, unsigned("the signature does not match")
	}
	return signed.id, sent, nil
}

// match reports whether one of the signatures is that of the content by one of the keys.
func (k *webhookKeys) match(content []byte, signatures string) bool {
	matched := false
	macs := make([]string, len(k.secrets))
	for i, secret := range k.secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write(content)
		macs[i] = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	for signature := range strings.SplitSeq(signatures, " ") {
		version, encoded, _ := strings.Cut(signature, ",")
		switch version {
		case "v1":
			for _, mac := range macs {
				matched = hmac.Equal([]byte(mac), []byte(encoded)) || matched
			}
		case "v1a":
			raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
			for _, key := range k.publicKeys {
				matched = err == nil && ed25519.Verify(key, content, raw) || matched
			}
		}
	}
	return matched
}

// A signature is what the headers of a message say. Nothing of it is verified.
type signature struct{ id, timestamp, signatures string }

// readSignature reads the headers, which Svix has named before Standard Webhooks did.
// Those of one name are never completed by those of the other: where a message has both,
// they must say the same.
func readSignature(header http.Header) (signature, error) {
	svix, hasSvix, err := readFamily(header, "Svix")
	if err != nil {
		return signature{}, err
	}
	standard, hasStandard, err := readFamily(header, "Webhook")
	switch {
	case err != nil:
		return signature{}, err
	case hasSvix && hasStandard && svix != standard:
		return signature{}, unsigned("the svix- and webhook- headers contradict each other")
	case hasSvix:
		return svix, nil
	case hasStandard:
		return standard, nil
	default:
		return signature{}, unsigned("the headers webhook-id, webhook-timestamp and webhook-signature, or svix-id, svix-timestamp and svix-signature, are missing")
	}
}

// readFamily reads the headers whose names begin alike. They are all there, once, or none
// is.
func readFamily(header http.Header, prefix string) (s signature, found bool, err error) {
	ids, timestamps, signatures := header.Values(prefix+"-Id"), header.Values(prefix+"-Timestamp"), header.Values(prefix+"-Signature")
	if len(ids)+len(timestamps)+len(signatures) == 0 {
		return signature{}, false, nil
	}
	if len(ids) != 1 || len(timestamps) != 1 || len(signatures) != 1 {
		return signature{}, false, unsigned("one of the headers of the signature is missing, or is there twice")
	}
	s = signature{ids[0], timestamps[0], signatures[0]}
	if s.id == "" || len(s.id) > maxIDBytes || len(s.signatures) > maxSignatureBytes || strings.Count(s.signatures, " ") >= maxSignatures {
		return signature{}, false, unsigned("one of the headers of the signature is empty or too long")
	}
	// The parts of what is signed are separated by full stops. One in the ID would let a
	// message be read as another one with the same signature.
	if strings.Contains(s.id, ".") {
		return signature{}, false, unsigned("the id of the message has a full stop in it")
	}
	return s, true, nil
}
