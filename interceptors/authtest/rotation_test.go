package authtest_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

func TestRotation(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t)
	old := iss.Key()
	before := iss.Session("user_ada")
	next := iss.RotateKey()
	after := iss.Session("user_ada")
	if iss.Key() != next || old.ID() == next.ID() {
		t.Errorf("the current key is %s, want the new one", iss.Key().ID())
	}
	set := keySet(t, iss.JWKSURL())
	for name, token := range map[string]string{"before": before, "after": after} {
		if err := verify(token, set); err != nil {
			t.Errorf("the token from %s the rotation: %v", name, err)
		}
	}

	if !iss.RemoveKey(old.ID()) {
		t.Error("the old key was not published")
	}
	if iss.RemoveKey(old.ID()) {
		t.Error("the old key was removed twice")
	}
	set = keySet(t, iss.JWKSURL())
	if err := verify(before, set); !errors.Is(err, jws.VerifyError()) {
		t.Errorf("the removed key still verifies: %v", err)
	}
	if err := verify(after, set); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

func TestATokenOfARemovedKeyCanStillBeMade(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t)
	removed := iss.Key()
	iss.RemoveKey(removed.ID())
	header, _ := decode(t, iss.Session("user_ada", authtest.SignedBy(removed)))
	if header["kid"] != removed.ID() {
		t.Errorf("kid %v", header["kid"])
	}
	if set := keySet(t, iss.JWKSURL()); set.Len() != 1 {
		t.Errorf("%d keys are published, want a new one", set.Len())
	} else if _, found := set.LookupKeyID(removed.ID()); found {
		t.Error("the removed key is published")
	}
}

func TestKeysShareAnIDIfConfigured(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t)
	twin := authtest.NewKey("RS256").WithID(iss.Key().ID())
	iss.Publish(twin)
	if keys := iss.Keys(); len(keys) != 2 || !slices.Contains(keys, twin) {
		t.Errorf("%d keys", len(keys))
	}
	if set := keySet(t, iss.JWKSURL()); set.Len() != 2 {
		t.Errorf("%d keys are served, want 2", set.Len())
	}
}

func TestAKeySignsWithAnotherAlgorithmThanItsOwn(t *testing.T) {
	t.Parallel()
	iss := authtest.Start(t)
	token := iss.Session("user_ada", authtest.SignedBy(iss.Key().As("PS256")))
	header, _ := decode(t, token)
	if header["alg"] != "PS256" || header["kid"] != iss.Key().ID() {
		t.Errorf("header %v", header)
	}
	public, err := jwk.ParseKey(iss.PublicPEM(), jwk.WithPEM(true))
	if err != nil {
		t.Fatal(err)
	}
	set := jwk.NewSet()
	if err := errors.Join(public.Set("kid", iss.Key().ID()), public.Set("alg", "PS256"), set.AddKey(public)); err != nil {
		t.Fatal(err)
	}
	if err := verify(token, set); err != nil {
		t.Errorf("the signature is not one of PS256: %v", err)
	}
}

func TestAMACOfThePublicKeyIsMadeWithWrapKey(t *testing.T) {
	t.Parallel()
	iss := authtest.New("https://clerk.example.com")
	confused := authtest.WrapKey("HS256", iss.PublicPEM()).WithID(iss.Key().ID())
	token := iss.Session("user_ada", authtest.SignedBy(confused))
	secret, err := jwk.Import(iss.PublicPEM())
	if err != nil {
		t.Fatal(err)
	}
	set := jwk.NewSet()
	if err := errors.Join(secret.Set("kid", iss.Key().ID()), secret.Set("alg", "HS256"), set.AddKey(secret)); err != nil {
		t.Fatal(err)
	}
	if err := verify(token, set); err != nil {
		t.Errorf("the signature is not the MAC: %v", err)
	}
}
