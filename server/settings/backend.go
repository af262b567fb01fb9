package settings

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ostiary/ostiary/server/internal/console"
	"github.com/ostiary/ostiary/server/internal/schemas"
)

// A Backend is another server of yours. The AccessService, and the console with it, show the rules
// in its schema to everybody with a valid token. The console's page Try calls its methods.
type Backend struct {
	// Name is what people see: up to 100 characters. No two Backends have the same. Required.
	Name string
	// Image is a file with the schema, as buf build -o makes it. It is read at the start, and by
	// Server.Reload. Either an Image or Reflection is required.
	Image string
	// Reflection is the URL of the gRPC server, which is asked for the schema by gRPC reflection,
	// version v1 or else v1alpha: https, or http on a loopback host, without a path. No token is
	// sent. It is asked after the start, every second to every minute while it does not answer,
	// and then every minute.
	Reflection string
	// URL is where browsers reach its Connect API: https, or http on a loopback host. With it the
	// console's users can call the methods, and their tokens are sent there: the backend can use
	// the token of everybody who tries it. It must allow the console's origin by CORS. Default:
	// its methods cannot be called from the console.
	URL string
}

// Services reads the schema, or asks the server for it, and returns the names of its services,
// sorted. The error says too what is wrong with its rules.
func (b Backend) Services(ctx context.Context) ([]string, error) {
	var schema *schemas.Schema
	var err error
	if b.Image != "" {
		schema, err = schemas.ReadImage(b.Image, time.Now)
	} else {
		schema, err = schemas.ReadReflection(ctx, strings.TrimRight(b.Reflection, "/"), nil, time.Now)
	}
	if err == nil {
		err = schema.RulesErr
	}
	if err != nil {
		return nil, err
	}
	return schema.Services, nil
}

// maxBackendName is how many characters a name has.
const maxBackendName = 100

// backendFaults returns what is wrong with the Backends.
func (c Config) backendFaults() []Fault {
	var faults []Fault
	names := make(map[string]int)
	for i, b := range c.Backends {
		add := func(setting string, err error) {
			if err != nil {
				faults = append(faults, Fault{Setting: fmt.Sprintf("backends[%d]%s", i, setting), Err: err})
			}
		}
		add(".name", checkBackendName(b.Name))
		if first, again := names[b.Name]; again && b.Name != "" {
			add(".name", fmt.Errorf("%s is backends[%d] already; choose another name", b.Name, first))
		} else {
			names[b.Name] = i
		}
		switch {
		case b.Image == "" && b.Reflection == "":
			add("", errors.New("nothing says where its schema is; set image to a file that buf build -o has made, or reflection to the URL of the gRPC server"))
		case b.Image != "" && b.Reflection != "":
			add(".reflection", errors.New("an image is given, too; remove one of the two"))
		case b.Image != "":
			_, err := schemas.ReadImage(b.Image, c.Now)
			add(".image", err)
		default:
			if err := console.CheckURL(b.Reflection); err != nil {
				add(".reflection", err)
			} else if strings.Count(strings.TrimSuffix(b.Reflection, "/"), "/") > 2 {
				add(".reflection", errors.New("it has a path, and gRPC knows none; name the server alone, such as https://billing.example.com"))
			}
		}
		if b.URL != "" && b.URL != b.Reflection {
			add(".url", console.CheckURL(b.URL))
		}
	}
	return faults
}

func checkBackendName(name string) error {
	switch {
	case name == "":
		return errors.New("missing; give the backend a name that people know it by")
	case utf8.RuneCountInString(name) > maxBackendName || !utf8.ValidString(name):
		return fmt.Errorf("longer than %d characters, or no text; choose a short name", maxBackendName)
	case strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("has characters that nobody can see; write letters, digits and single spaces")
	default:
		return nil
	}
}
