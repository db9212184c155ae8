package login

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what people choose.
const (
	MinPassword = 10  // characters
	MaxPassword = 128 // bytes
	MaxUserName = 32  // bytes
)

// CheckPassword refuses what is guessed first: what is short, a row of keys, a common word, the user's own name, or one of the
// program's own words, which are in lower case. The error is a *Refusal.
func CheckPassword(password, user string, own []string) error {
	weak := &Refusal{Status: http.StatusUnprocessableEntity, Slug: "weak-password"}
	n := utf8.RuneCountInString(password)
	lower := strings.ToLower(password)
	switch {
	case n < MinPassword:
		weak.Detail = fmt.Sprintf("the password is too short; use at least %d characters", MinPassword)
	case len(password) > MaxPassword:
		weak.Detail = fmt.Sprintf("the password is too long; use at most %d bytes", MaxPassword)
	case fewRunes(lower):
		weak.Detail = "the password repeats a few characters; use a sentence of three or four words"
	case isSequence(lower):
		weak.Detail = "the password is a row of the keyboard or the alphabet; use a sentence of three or four words"
	case commonPassword(lower, strings.ToLower(user), own):
		weak.Detail = "the password is one of the first that are guessed; use a sentence of three or four words"
	default:
		return nil
	}
	return weak
}

func fewRunes(password string) bool {
	seen := map[rune]bool{}
	for _, r := range password {
		seen[r] = true
	}
	return len(seen) < 4
}

func isSequence(password string) bool {
	for _, row := range []string{"01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm"} {
		if strings.Contains(row, password) {
			return true
		}
	}
	return false
}

// commonPassword tells whether what is left without digits and signs is a word that everybody thinks of.
func commonPassword(password, user string, own []string) bool {
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, password)
	switch letters {
	case "password", "passwort", "motdepasse", "contraseña", "passwordpassword", "letmein", "letmeinplease", "welcome", "willkommen", "iloveyou", "admin", "adminadmin",
		"administrator", "doorpanel", "qwerty", "qwertz", "azerty", "changeme", "changemenow", "default", "master", "dragon", "monkey", "sunshine",
		"princess", "football", "baseball", "superman", "trustno", "secret", "abc", "test", "testtest", "qwertyuiop", "correcthorsebatterystaple":
		return true
	}
	return slices.Contains(own, letters) || user != "" && letters == user
}

// CheckUserName takes names that can stand in an address and in a log. The error is a *Refusal.
func CheckUserName(name string) error {
	for i, r := range name {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || i > 0 && strings.ContainsRune("._-", r) {
			continue
		}
		return &Refusal{Status: http.StatusUnprocessableEntity, Slug: "not-valid", Detail: "a user's name is made of a to z, 0 to 9, and inside of it . _ -"}
	}
	if name == "" || len(name) > MaxUserName || name == "root" {
		return &Refusal{Status: http.StatusUnprocessableEntity, Slug: "not-valid", Detail: fmt.Sprintf("a user's name has 1 to %d characters and is not root", MaxUserName)}
	}
	return nil
}
