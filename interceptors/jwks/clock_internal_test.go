package jwks

import (
	"net/http"
	"testing"
	"time"
)

func TestTheClockOfTheIssuerIsComparedByItsAnswers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(at time.Time) string { return at.Format(http.TimeFormat) }
	for name, tt := range map[string]struct {
		date, age string
		took      time.Duration
		want      time.Duration
	}{
		"none":                          {"", "", 0, 0},
		"that is none":                  {"yesterday", "", 0, 0},
		"the same":                      {date(now), "", 0, 0},
		"two seconds ahead":             {date(now.Add(2 * time.Second)), "", 0, 0},
		"five minutes ahead":            {date(now.Add(5 * time.Minute)), "", 0, 5 * time.Minute},
		"five minutes behind":           {date(now.Add(-5 * time.Minute)), "", 0, -5 * time.Minute},
		"of an answer from a cache":     {date(now.Add(-5 * time.Minute)), "300", 0, 0},
		"of an answer that took long":   {date(now.Add(-time.Second)), "", 8 * time.Second, 0},
		"ahead, in one that took long":  {date(now.Add(20 * time.Second)), "", 8 * time.Second, 16 * time.Second},
		"of a cache that says nonsense": {date(now.Add(5 * time.Minute)), "-7", 0, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{"Date": {tt.date}, "Age": {tt.age}}
			if got := clockAhead(header, now, now.Add(tt.took)); got != tt.want {
				t.Errorf("%v; want %v", got, tt.want)
			}
		})
	}
}
