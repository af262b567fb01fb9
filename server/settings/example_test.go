package settings_test

import (
	"fmt"

	"github.com/ostiary/ostiary/server/settings"
)

func ExampleConfig_Faults() {
	config := settings.Config{
		Issuers: []settings.Issuer{{URL: "http://clerk.example.com", Audiences: []string{"invoices"}}},
		CORS:    settings.CORS{AllowedOrigins: []string{"https://app.example.com/"}},
	}
	for _, fault := range config.Faults() {
		fmt.Println(fault)
	}
	// Output:
	// cors_allowed_origins: "https://app.example.com/" is not an origin: leave out everything after the host and the port, a trailing slash too
	// issuers[0].url: "http://clerk.example.com" is plain http, which is allowed on loopback alone; use https, or set `insecure_http` within a private network
}
