package auth

import "time"

// A Reverification says how lately, and with which factors, a caller must have
// verified who they are. The zero value is met by nobody.
type Reverification struct {
	// Within is the limit: a factor is fresh while its age is below it.
	Within time.Duration
	// Level says which factors must be fresh.
	Level FactorLevel
}

// StrictMFAReverification asks for both factors within ten minutes.
func StrictMFAReverification() Reverification { return Reverification{10 * time.Minute, MultiFactor} }

// StrictReverification asks for the second factor within ten minutes.
func StrictReverification() Reverification { return Reverification{10 * time.Minute, SecondFactor} }

// ModerateReverification asks for the second factor within an hour.
func ModerateReverification() Reverification { return Reverification{time.Hour, SecondFactor} }

// LaxReverification asks for the second factor within a day.
func LaxReverification() Reverification { return Reverification{24 * time.Hour, SecondFactor} }

// A FactorLevel says which factors of authentication must be fresh. The zero
// value is no level, which nobody meets.
type FactorLevel uint8

// The levels. A caller who has no second factor is asked for the first alone.
const (
	FirstFactor  FactorLevel = iota + 1 // the first
	SecondFactor                        // the second, else the first
	MultiFactor                         // both, else the first
)

var factorLevelNames = [...]string{"no", "first", "second", "multi"}

// String returns the level's name in a schema and in logs, such as second.
func (l FactorLevel) String() string {
	if int(l) >= len(factorLevelNames) {
		l = 0
	}
	return factorLevelNames[l]
}

// Fresh reports whether the caller has verified as lately as is asked, as of now.
// A token that does not say when, as one without a session behind it, is never
// fresh, and neither is a factor that was never verified.
//
// FactorAges count up to when the token was issued: what has passed since is bounded
// by the token's lifetime, a minute for a session token of Clerk's. They are whole
// minutes, and so the limit is rounded down to whole minutes too. Where there are
// none AuthTime counts, up to now (RFC 9470, section 3): such tokens may live for
// hours. Then the second factor counts as verified with the first if the AMR has mfa,
// or methods of two factors (RFC 8176). A caller whose AMR does not say so may have a
// second factor all the same, and so SecondFactor and MultiFactor refuse them.
func (id *Identity) Fresh(r Reverification, now time.Time) bool {
	if id.FactorAges == nil {
		return id.freshByAuthTime(r, now)
	}
	r.Within = r.Within.Truncate(time.Minute) // the ages are rounded down
	first, second := id.FactorAges.First, id.FactorAges.Second
	if second < 0 && (r.Level == SecondFactor || r.Level == MultiFactor) {
		return r.fresh(first) // there is no second factor to ask for
	}
	switch r.Level {
	case FirstFactor:
		return r.fresh(first)
	case SecondFactor:
		return r.fresh(second)
	case MultiFactor:
		return r.fresh(first) && r.fresh(second)
	default:
		return false
	}
}

func (id *Identity) freshByAuthTime(r Reverification, now time.Time) bool {
	age := now.Sub(id.AuthTime)
	if -id.Leeway <= age && age < 0 { // the clocks differ
		age = 0
	}
	if id.AuthTime.IsZero() || !r.fresh(age) {
		return false
	}
	switch r.Level {
	case FirstFactor:
		return true
	case SecondFactor, MultiFactor:
		return provesTwoFactors(id.AMR)
	default:
		return false
	}
}

// A factor is what a method of authentication proves: something that only the user
// knows, has or is. Zero proves none of them by itself.
type factor uint8

const (
	knowledge factor = 1 << iota
	possession
	inherence
)

// factorOf has the methods of RFC 8176, section 2. Methods of other names, which mean
// what their issuer likes, prove nothing here.
var factorOf = map[string]factor{
	"kba": knowledge, "pin": knowledge, "pwd": knowledge,
	"hwk": possession, "otp": possession, "pop": possession, "sc": possession, "sms": possession, "swk": possession, "tel": possession,
	"face": inherence, "fpt": inherence, "iris": inherence, "retina": inherence, "vbm": inherence,
}

func provesTwoFactors(methods []string) bool {
	var proven factor
	for _, method := range methods {
		if method == "mfa" {
			return true
		}
		proven |= factorOf[method]
	}
	return proven&(proven-1) != 0 // more than one bit
}

func (r Reverification) fresh(age time.Duration) bool { return age >= 0 && age < r.Within }
