package console

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
)

// plainPath is a path that is the same in a URL, in a shell and in source code.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9._~/-]*$`)

// CheckURL returns what is wrong with the URL of a server that the page calls, or that has an API
// without a page.
func CheckURL(text string) error {
	const remedy = "; write one such as https://billing.example.com, or with http for this machine alone"
	if _, err := checkEndpoint(text, false); err != nil {
		return errors.New(err.Error() + remedy)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil: // checkEndpoint has parsed it
		return err
	case u.RawQuery != "" || u.ForceQuery:
		return errors.New("it has a query" + remedy)
	case !plainPath.MatchString(u.EscapedPath()):
		return errors.New("its path has other characters than letters, digits and - . _ ~" + remedy)
	default:
		return nil
	}
}

// origins are those of URLs that CheckURL has found good, each once.
func origins(urls []string) []string {
	var all []string
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			continue // CheckURL has parsed it
		}
		if origin := u.Scheme + "://" + u.Host; !slices.Contains(all, origin) {
			all = append(all, origin)
		}
	}
	return all
}
