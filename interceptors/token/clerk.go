package token

import (
	"encoding/base64"
	"errors"
	"strings"
)

// ClerkIssuer returns the issuer that a Clerk publishable key stands for. The
// key is pk_test_ or pk_live_ and the base64 of the instance's host name and a
// dollar sign.
func ClerkIssuer(publishableKey string) (string, error) {
	parts := strings.Split(publishableKey, "_")
	if len(parts) != 3 || parts[0] != "pk" || (parts[1] != "test" && parts[1] != "live") {
		return "", errors.New("not a publishable key: it starts with pk_test_ or pk_live_")
	}
	decoded, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(parts[2], "="))
	if err != nil {
		return "", errors.New("not a publishable key: its last part is not base64; copy it whole from the dashboard")
	}
	host, found := strings.CutSuffix(string(decoded), "$")
	if !found || !isHostName(host) {
		return "", errors.New("not a publishable key: it does not hold a host name; copy it whole from the dashboard")
	}
	return "https://" + host, nil
}

// isHostName reports whether s is a DNS name of at least two labels, with an
// optional port.
func isHostName(s string) bool {
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort && (port == "" || strings.Trim(port, "0123456789") != "") {
		return false
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return false
		}
	}
	return len(labels) > 1
}
