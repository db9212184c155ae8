package web

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	maxList = 1000
	maxName = 100 // of sites, panels, people, notes, in bytes
)

// at is an address on this hub; every part is escaped.
func at(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(p))
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// with puts a query behind an address: names and values in turn, without those whose value is empty.
func with(address string, namesAndValues ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] != "" {
			q.Set(namesAndValues[i], namesAndValues[i+1])
		}
	}
	if len(q) == 0 {
		return address
	}
	return address + "?" + q.Encode()
}

func limitOf(text string) (int, error) {
	if text == "" {
		return 100, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxList {
		return 0, problem(http.StatusBadRequest, "bad-query", fmt.Sprintf("limit is a number of 1 to %d", maxList))
	}
	return n, nil
}

// numberOf reads a number of a query; nothing is 0.
func numberOf(name, text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, problem(http.StatusBadRequest, "bad-query", name+" is a whole number")
	}
	return n, nil
}

// number writes it as a query has it; 0 is nothing.
func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// list makes an empty list of none, which JSON would call null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// checkName takes one line of text for people.
func checkName(field, text string, needed bool) error {
	switch {
	case needed && strings.TrimSpace(text) == "":
		return notValid(field + " is missing")
	case len(text) > maxName:
		return notValid(fmt.Sprintf("%s has more than %d bytes", field, maxName))
	case !utf8.ValidString(text):
		return notValid(field + " is not UTF-8")
	}
	for _, r := range text {
		// Direction marks could make one name look like another.
		if unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029 {
			return notValid(field + " has characters that cannot be shown")
		}
	}
	return nil
}

// checkZone takes a time zone by its IANA name.
func checkZone(name string) error {
	if name == "" || name == "Local" || len(name) > 64 {
		return notValid(`the time zone is missing; write its name as "Europe/Rome"`)
	}
	if _, err := time.LoadLocation(name); err != nil {
		return notValid(fmt.Sprintf("the time zone %q is not known; write its name as \"Europe/Rome\"", name))
	}
	return nil
}

// moment reads a time of RFC 3339, or one without a zone as a page sends it, which counts in zone. Nothing is the zero time.
func moment(field, text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, notValid(field + " is a time such as 2026-12-24T18:00, or with a zone as in RFC 3339")
}

// slug makes an id from a name: "12 Mill Lane" is 12-mill-lane.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 40 {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

// apart makes an id that nobody else has, from a wish: whoever sees only a part of the hub must not learn by a refusal which ids
// there are elsewhere.
func apart(wish string) string {
	return wish[:min(len(wish), 40)] + "-" + strings.ToLower(rand.Text()[:5])
}

// checkSiteID takes what can be a part of a topic and of an address.
func checkSiteID(id string) error {
	ok := id != "" && len(id) <= 64 && telemetry.CheckName(id) == nil
	for i, r := range id {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || i > 0 && strings.ContainsRune("._-", r))
	}
	if !ok {
		return notValid("a site's id has 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit")
	}
	return nil
}
