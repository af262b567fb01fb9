package proxy

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

func trusted(t testing.TB) Trusted {
	t.Helper()
	parsed, errs := Parse([]string{"10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "fe80::1"})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return parsed
}

func TestFaultsOfNetworksAreNamed(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"proxy.internal":  "neither an address nor a network",
		"10.0.0.0/33":     "neither an address nor a network",
		"10.0.0.1:80":     "neither an address nor a network",
		"":                "neither an address nor a network",
		"10.0.0.1/8":      "write 10.0.0.0/8",
		"0.0.0.0/0":       "trusts everybody",
		"::/0":            "trusts everybody",
		"::ffff:10.0.0.1": "write it as IPv4",
	} {
		parsed, errs := Parse([]string{entry, "10.1.2.3"})
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) || len(parsed) != 1 {
			t.Errorf("Parse(%q) = %v, %v, want one fault with %q", entry, parsed, errs, want)
		}
	}
}

func TestOnlyTheWordOfATrustedPeerCounts(t *testing.T) {
	t.Parallel()
	xff := func(lines ...string) http.Header { return http.Header{"X-Forwarded-For": lines} }
	forwarded := func(lines ...string) http.Header { return http.Header{"Forwarded": lines} }
	const direct = "10.0.0.1:5000"
	for name, tt := range map[string]struct {
		peer   string
		header http.Header
		want   string
	}{
		"a stranger's header is ignored":           {"198.51.100.1:80", xff("203.0.113.9"), "198.51.100.1:80"},
		"a stranger's Forwarded is ignored":        {"198.51.100.1:80", forwarded("for=203.0.113.9"), "198.51.100.1:80"},
		"a stranger on IPv6":                       {"[2001:db9::1]:80", xff("203.0.113.9"), "[2001:db9::1]:80"},
		"a peer that is no address":                {"@", xff("203.0.113.9"), "@"},
		"no header":                                {direct, nil, direct},
		"one entry":                                {direct, xff("203.0.113.9"), "203.0.113.9"},
		"a single address is trusted":              {"192.0.2.7:1", xff("203.0.113.9"), "203.0.113.9"},
		"IPv4 in the form of IPv6 is trusted":      {"[::ffff:10.0.0.1]:1", xff("203.0.113.9"), "203.0.113.9"},
		"a link-local proxy":                       {"[fe80::1%eth0]:1", xff("203.0.113.9"), "203.0.113.9"},
		"what the client wrote stays on the left":  {direct, xff("10.9.9.9, 1.1.1.1, 203.0.113.9"), "203.0.113.9"},
		"trusted proxies are skipped":              {direct, xff("1.1.1.1,203.0.113.9 , 10.0.0.2,\t192.0.2.7"), "203.0.113.9"},
		"all entries are trusted":                  {direct, xff("10.0.0.4, 10.0.0.3"), "10.0.0.4"},
		"several lines are one list":               {direct, xff("1.1.1.1", "203.0.113.9, 10.0.0.2", "10.0.0.3"), "203.0.113.9"},
		"a port":                                   {direct, xff("203.0.113.9:4711"), "203.0.113.9:4711"},
		"port 0 is none":                           {direct, xff("203.0.113.9:0"), "203.0.113.9"},
		"IPv6":                                     {direct, xff("2001:db9::9"), "2001:db9::9"},
		"IPv6 in brackets":                         {direct, xff("[2001:db9::9]"), "2001:db9::9"},
		"IPv6 with a port":                         {direct, xff("[2001:db9::9]:4711"), "[2001:db9::9]:4711"},
		"IPv4 in the form of IPv6":                 {direct, xff("::ffff:203.0.113.9"), "203.0.113.9"},
		"a zone":                                   {direct, xff("fe80::9%eth0"), direct},
		"a trusted address with a zone":            {direct, xff("203.0.113.9, fe80::1%eth0"), direct},
		"a bracket alone":                          {direct, xff("[2001:db9::9"), direct},
		"IPv4 in brackets":                         {direct, xff("[203.0.113.9]"), direct},
		"garbage":                                  {direct, xff("203.0.113.9, <script>"), direct},
		"garbage that a client wrote":              {direct, xff("<script>, 203.0.113.9"), "203.0.113.9"},
		"an empty header":                          {direct, xff(""), direct},
		"an empty entry":                           {direct, xff("203.0.113.9,"), direct},
		"an empty line":                            {direct, xff("203.0.113.9", ""), direct},
		"a leading zero":                           {direct, xff("203.0.113.09"), direct},
		"unknown":                                  {direct, xff("unknown"), direct},
		"too many proxies":                         {direct, xff("203.0.113.9" + strings.Repeat(", 10.0.0.2", maxHops)), direct},
		"as many as may be":                        {direct, xff("203.0.113.9" + strings.Repeat(", 10.0.0.2", maxHops-1)), "203.0.113.9"},
		"a long list that a client wrote":          {direct, xff(strings.Repeat("1.1.1.1,", 5000) + "203.0.113.9"), "203.0.113.9"},
		"Forwarded":                                {direct, forwarded("for=203.0.113.9"), "203.0.113.9"},
		"Forwarded in full":                        {direct, forwarded(`for=1.1.1.1;proto=http, For="[2001:db9::9]:4711"; Proto=https;by=10.0.0.1;host="a.example"`), "[2001:db9::9]:4711"},
		"Forwarded through two":                    {direct, forwarded("for=203.0.113.9", "for=10.0.0.2"), "203.0.113.9"},
		"Forwarded without a client":               {direct, forwarded("proto=https"), direct},
		"Forwarded by one that hides its client":   {direct, forwarded("for=_hidden"), direct},
		"Forwarded for nobody known":               {direct, forwarded("for=1.1.1.1, for=unknown"), direct},
		"an obfuscated port":                       {direct, forwarded(`for="203.0.113.9:_x"`), direct},
		"two clients in one element":               {direct, forwarded("for=203.0.113.9;for=1.1.1.1"), direct},
		"a quote that a client opened":             {direct, forwarded(`for=1.1.1.1;x="`, `for=203.0.113.9`), "203.0.113.9"},
		"a client in a quoted host":                {direct, forwarded(`proto=https;host="x;for=1.1.1.1;y"`), direct},
		"an element in a quoted host":              {direct, forwarded(`for=203.0.113.9;host="x,for=1.1.1.1,y"`), direct},
		"an element between escaped quotes":        {direct, forwarded(`for=203.0.113.9;host="x\",for=1.1.1.1;a=\""`), direct},
		"both headers agree":                       {direct, http.Header{"X-Forwarded-For": {"203.0.113.9"}, "Forwarded": {"for=203.0.113.9"}}, "203.0.113.9"},
		"both headers agree but for the port":      {direct, http.Header{"X-Forwarded-For": {"203.0.113.9"}, "Forwarded": {`for="203.0.113.9:4711"`}}, "203.0.113.9:4711"},
		"the headers differ":                       {direct, http.Header{"X-Forwarded-For": {"203.0.113.9"}, "Forwarded": {"for=1.1.1.1"}}, direct},
		"one of both headers is malformed":         {direct, http.Header{"X-Forwarded-For": {"203.0.113.9"}, "Forwarded": {"for="}}, direct},
		"a header that is not one of those is not": {direct, http.Header{"X-Real-Ip": {"203.0.113.9"}}, direct},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxies, trusts := trusted(t), tt.peer != "198.51.100.1:80" && tt.peer != "[2001:db9::1]:80" && tt.peer != "@"
			if got := proxies.Client(tt.peer, tt.header.Values); got != tt.want {
				t.Errorf("the client is %q, want %q", got, tt.want)
			}

			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.RemoteAddr, r.Header = tt.peer, tt.header
			proxies.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.RemoteAddr != tt.want || FromTrusted(r.Context()) != trusts {
					t.Errorf("a request comes from %q, of a trusted peer: %v; want %q, %v", r.RemoteAddr, FromTrusted(r.Context()), tt.want, trusts)
				}
			})).ServeHTTP(nil, r)

			md := metadata.MD{}
			for name, values := range tt.header {
				md.Append(name, values...)
			}
			ctx := metadata.NewIncomingContext(peer.NewContext(t.Context(), &peer.Peer{Addr: address(tt.peer)}), md)
			ctx = proxies.TagRPC(ctx, nil)
			if p, _ := peer.FromContext(ctx); p.Addr.String() != tt.want || FromTrusted(ctx) != trusts {
				t.Errorf("a call comes from %q, of a trusted peer: %v; want %q, %v", p.Addr, FromTrusted(ctx), tt.want, trusts)
			}
		})
	}
}

func TestNobodyIsTrustedByDefault(t *testing.T) {
	t.Parallel()
	var nobody Trusted
	header := http.Header{"X-Forwarded-For": {"203.0.113.9"}}
	for _, peer := range []string{"127.0.0.1:1", "[::1]:1", "10.0.0.1:1"} {
		if got := nobody.Client(peer, header.Values); got != peer {
			t.Errorf("the client of %s is %s", peer, got)
		}
	}
}

// FuzzClient asks whether the client is one that a proxy wrote: the peer, or an address behind
// which all is trusted.
func FuzzClient(f *testing.F) {
	f.Add("203.0.113.9, 10.0.0.2", "")
	f.Add("", `for="[2001:db9::9]:4711";proto=https, for=10.0.0.2`)
	f.Add("1.1.1.1,", `for=_x;host="a,b"`)
	f.Add("[2001:db8::1%eth0]:80", `for="1.1.1.1\""`)
	proxies := trusted(f)
	const direct, last = "10.0.0.1:5000", "198.51.100.77"
	f.Fuzz(func(t *testing.T, unofficial, standard string) {
		values := http.Header{"X-Forwarded-For": {unofficial}, "Forwarded": {standard}}
		if unofficial == "" {
			delete(values, "X-Forwarded-For")
		}
		if standard == "" {
			delete(values, "Forwarded")
		}
		client := proxies.Client(direct, values.Values)
		if _, ok := parseNode(client); !ok {
			t.Fatalf("the client is %q, which is no address", client)
		}
		if client != direct {
			host := client
			if addr, err := netip.ParseAddrPort(client); err == nil {
				host = addr.Addr().String()
			}
			if _, err := netip.ParseAddr(host); err != nil {
				t.Fatalf("the client is %q", client)
			}
		}
		// What a stranger writes changes nothing of what the proxy behind it adds.
		for header, added := range map[string]string{"X-Forwarded-For": last, "Forwarded": "for=" + last} {
			all := http.Header{header: slices.Concat(values[header], []string{added})}
			joined := http.Header{header: {strings.Join(all[header], ", ")}}
			for _, h := range []http.Header{all, joined} {
				if got := proxies.Client(direct, h.Values); got != last {
					t.Fatalf("with %q the client is %q, want %s", h, got, last)
				}
			}
		}
		if got := proxies.Client(last+":1", values.Values); got != last+":1" {
			t.Fatalf("a stranger is taken for %q", got)
		}
	})
}

var _ net.Addr = address("")
