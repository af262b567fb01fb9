package devissuer

import (
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// A Persona is somebody to be while developing.
type Persona struct {
	// Name is what to ask for.
	Name string `json:"name"`
	// Title says who that is, in a few words.
	Title string `json:"title"`
	// Description says what the persona's tokens hold.
	Description string `json:"description"`
}

// Personas returns all personas.
func Personas() []Persona {
	var list []Persona
	for _, p := range personas() {
		list = append(list, p.Persona)
	}
	return list
}

// A persona is one with what it takes to mint its tokens.
type persona struct {
	Persona

	subject string
	machine bool          // has machine tokens, and no session
	ttl     time.Duration // of a token, by default
	edits   []authtest.Edit
}

func personas() []persona {
	return []persona{
		{
			Persona: Persona{
				Name:        "ada",
				Title:       "Ada, administrator of Acme",
				Description: "a session in organization acme, role admin, who may read, write and delete invoices",
			},
			subject: "user_ada",
			ttl:     time.Minute,
			edits: []authtest.Edit{authtest.InOrganization("org_acme", "acme", "admin",
				"invoices:read", "invoices:write", "invoices:delete")},
		},
		{
			Persona: Persona{
				Name:        "ben",
				Title:       "Ben, member of Acme",
				Description: "a session in organization acme, role member, who may only read invoices",
			},
			subject: "user_ben",
			ttl:     time.Minute,
			edits:   []authtest.Edit{authtest.InOrganization("org_acme", "acme", "member", "invoices:read")},
		},
		{
			Persona: Persona{
				Name:        "cleo",
				Title:       "Cleo, in no organization",
				Description: "a session of a user who acts in no organization",
			},
			subject: "user_cleo",
			ttl:     time.Minute,
		},
		{
			Persona: Persona{
				Name:        "olga",
				Title:       "Olga, operator of this server",
				Description: "a session of an operator in ostiary dev, who may end every session, revoke tokens and watch decisions",
			},
			subject: "user_olga",
			ttl:     time.Minute,
		},
		{
			Persona: Persona{
				Name:        "robo",
				Title:       "Robo, a machine",
				Description: "a machine's token, which belongs to no user and no session",
			},
			subject: "mch_robo",
			machine: true,
			ttl:     time.Hour,
		},
	}
}
