package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"connectrpc.com/connect"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

// feed says who may follow this server.
func (p *patient) feed(context.Context) []Finding {
	config := &p.Settings.Server
	switch {
	case len(config.FeedSecret) > 0 || config.FeedSecretFile != "" || config.FeedPermission != "":
		return []Finding{ok("feed.offered", "", "services may follow the feed of revocations")}
	default:
		return []Finding{ok("feed.closed", "", "nobody may follow the feed of revocations: neither a feed_secret nor a feed_permission is set")}
	}
}

// hub asks a hub for a page of changes, with the credentials of the settings.
func (p *patient) hub(ctx context.Context, hub string) []Finding {
	follow := p.Settings.Server.Follow
	base, err := url.Parse(hub)
	if err != nil || base.Hostname() == "" || p.hasFault("follow") {
		return nil // which is a fault of the settings
	}
	const why = "what is revoked at the hub is not refused here; a relay that starts is not ready"
	source, err := follow.Source(time.Now)
	if err != nil {
		return nil // a fault of the settings, too
	}
	visits, err := newRecorder("")
	if err != nil {
		return nil
	}
	options := []connect.ClientOption{connectauth.WithToken(hub, source), connect.WithReadMaxBytes(2 << 20)}
	if follow.InsecureHTTP {
		options[0] = connectauth.WithToken(hub, source, connectauth.InsecureAllowPlaintext())
	}
	client := feedv1connect.NewFeedServiceClient(&http.Client{Transport: visits}, hub, options...)
	_, err = client.ReadChanges(ctx, &feedv1.ReadChangesRequest{
		PageSize: 1, Follower: &feedv1.Follower{Service: "ostiary-doctor", InstanceId: "doctor"}, // which without a position is not counted
	})
	if err == nil {
		return []Finding{ok("feed.hub", hub, "it is reached, and accepts the secret")}
	}
	v, visited := visits.last()
	secret := p.Settings.NameOf("follow_secret")
	if follow.SecretFile != "" {
		secret = p.Settings.NameOf("follow_secret_file")
	}
	switch code := connect.CodeOf(err); {
	case !visited && follow.TokenURL != "":
		return []Finding{fault("feed.token", follow.TokenURL, fmt.Sprintf("no token is given out to follow with: %v", err), why, "compare follow_client_id and "+secret+" with the client at the authorization server")}
	case !visited:
		return []Finding{fault("feed.failed", hub, err.Error(), why, "correct "+p.Settings.NameOf("follow"))}
	case v.err != nil:
		trouble := v.trouble("")
		remedy := trouble.remedy
		if trouble.id == "refused" && isLoopback(base.Hostname()) && p.inContainer() {
			remedy = "inside a container " + base.Hostname() + " is the container itself: name the hub by the name of its service"
		}
		return []Finding{fault("feed."+trouble.id, hub, trouble.what, why, remedy)}
	case code == connect.CodeUnauthenticated:
		return []Finding{fault("feed.secret_refused", hub, "the hub refuses the secret", why, "set "+secret+" to one of the secrets in feed_secret of the hub; it may have been changed there without this one")}
	case code == connect.CodePermissionDenied:
		return []Finding{fault("feed.permission", hub, "the hub does not let this client follow", why, "give the machine's token the permission that feed_permission of the hub names")}
	case v.status == http.StatusNotFound, code == connect.CodeUnimplemented:
		return []Finding{fault("feed.no_hub", hub, "no hub answers there", why, "correct "+p.Settings.NameOf("follow")+": it is the URL of the hub's http_addr, without a path")}
	default:
		return []Finding{fault("feed.failed", hub, messageOf(err), why, "see the log of the hub")}
	}
}

// messageOf returns what the other end says, without the code.
func messageOf(err error) string {
	var failed *connect.Error
	if errors.As(err, &failed) {
		return failed.Message()
	}
	return err.Error()
}
