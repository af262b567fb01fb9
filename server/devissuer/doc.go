// Package devissuer is the development issuer of `ostiary dev`. It gives every
// caller a token of any persona, including an administrator's.
//
// FOR DEVELOPMENT ONLY. Nothing that it signs proves anything. Never trust its
// URL in a server that others can reach.
//
//	issuer, err := devissuer.New("http://localhost:8080")
//	mux.Handle("/.well-known/", issuer)
//	mux.Handle("/dev/", issuer)
//
// What keeps it to the machine it runs on: it signs for a loopback URL alone;
// its key dies with the process, or with [Open] is kept in a file that only its
// owner can read; and it answers only requests that come from loopback, are
// addressed to loopback (so that no name of an attacker's can be pointed at it),
// did not come through a proxy, and were not sent by a web page from elsewhere.
//
// It answers:
//
//	GET  /.well-known/jwks.json, openid-configuration, oauth-authorization-server
//	GET  /dev/personas            [{"name":"ada","title":…,"description":…},…]
//	POST /dev/token               {"as":"ada","ttl":"1h","claims":{"azp":"http://localhost:3000"}}
//	                              {"token":…,"expires_at":…}
//
// A refusal is {"error":…} with a sentence that says what to do. In Go, ask
// with [Mint].
package devissuer
