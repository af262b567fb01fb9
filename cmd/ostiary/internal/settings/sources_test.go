package settings

import "testing"

func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"postgres://ada:secret@db/x?password=secret": "postgres://db/x",
		"postgres:/ada:secret@db/x":                  Masked,
		"ada:secret@db/x":                            Masked,
		"host=db password=secret":                    Masked,
		"sqlite:/var/lib/ostiary/ostiary.db":         "sqlite:/var/lib/ostiary/ostiary.db",
		"sqlite://ada:secret@db/x":                   "sqlite://db/x",
		"sqlite:/ada:secret@db/x":                    Masked,
	} {
		if got := mask("database_url", value); got != want {
			t.Errorf("%q is shown as %q, want %q", value, got, want)
		}
	}
}
