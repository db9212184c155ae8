package license

import "time"

// Share is what another panel has of a license of this one.
type Share struct {
	License TokenID `json:"license"`
	Feature string  `json:"feature"`
	Panel   string  `json:"panel"` // id
	Count   int     `json:"count"`
}

// Line is one feature with what is behind it, for pages.
type Line struct {
	Feature   string    `json:"feature"`
	Title     string    `json:"title"`
	Counted   bool      `json:"counted"`
	Status    Status    `json:"status"`         // Missing when no license is here
	Until     time.Time `json:"until,omitzero"` // when the first part of it ends
	Maximum   int       `json:"maximum"`        // usable here
	Used      int       `json:"used"`
	Available int       `json:"available"`
	Over      int       `json:"over,omitempty"` // used above the maximum
	From      []Source  `json:"from"`
	Given     []Share   `json:"given"`
	Why       string    `json:"why,omitempty"` // in words, for whatever is not simply there
}

// Source is one license behind a line.
type Source struct {
	License TokenID   `json:"license"`
	Label   string    `json:"label,omitempty"`
	Count   int       `json:"count"`
	Until   time.Time `json:"until,omitzero"`
	Status  Status    `json:"status"`
	GivenBy string    `json:"given_by,omitempty"` // id of the panel that gave it
}

// Overview is one line for every known feature in the order of Features, then for unknown ones that are held. used is how much of each
// counted feature is in use.
func (e Entitlements) Overview(used map[string]int) []Line { return nil }
