package configs

import "time"

// Access is what the installer decided about credentials, whoever has them.
type Access struct {
	Policy      AccessPolicy
	GuessesADay int    // wrong codes that are heard on one day
	EmptyAt     string // when the list of those inside is emptied each day, such as 04:00, in the site's zone
	// InsideWhenOpened counts somebody as inside only once the contact showed the door open, where it has one.
	InsideWhenOpened bool
}

// AccessPolicy says whether credentials that can be copied open doors.
type AccessPolicy string

// The policies.
const (
	OpenPolicy   AccessPolicy = "open"   // they do, and are shown as weak
	SecurePolicy AccessPolicy = "secure" // they are refused
)

const defaultGuesses = 100

func (r *reading) access(s *section) {
	c := &r.config.Access
	policy, _ := s.oneOf("policy", string(OpenPolicy), string(OpenPolicy), string(SecurePolicy))
	c.Policy = AccessPolicy(policy)
	c.GuessesADay, _ = s.number("guesses_a_day", defaultGuesses, 10, 1000)
	empty, p := s.text("empty_at", "04:00")
	if _, err := time.Parse("15:04", empty); err != nil || len(empty) != len("04:00") {
		p.report("not a time of day", `write it as "04:00"`)
		empty = "04:00"
	}
	c.EmptyAt = empty
	inside, _ := s.oneOf("inside", "granted", "granted", "opened")
	c.InsideWhenOpened = inside == "opened"
	s.done()
}
