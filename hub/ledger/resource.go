package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/doorpanel/doorpanel/license"
)

// Resource is something that is counted (T-19, R-1).
type Resource uint8

// The resources, in the order in which people should see them.
const (
	SIPNumbers Resource = iota // virtual numbers
	Apps                       // installed applications; each takes a SIP number too (B-10)
	UKey                       // mobile keys on telephones
	Buttons                    // call buttons beyond the free one of each panel
	Panels                     // registered panels: 1 each

	resources = 5
)

var resourceNames = [resources]string{"sip_numbers", "apps", "ukey", license.Buttons, "panels"}

// Resources lists them all. The caller owns the slice.
func Resources() []Resource { return []Resource{SIPNumbers, Apps, UKey, Buttons, Panels} }

// ParseResource finds a resource by the name that licenses use for it, such as "sip_numbers".
func ParseResource(name string) (Resource, bool) {
	i := slices.Index(resourceNames[:], name)
	return Resource(max(i, 0)), i >= 0
}

// String is the name that licenses use.
func (r Resource) String() string {
	if int(r) >= resources {
		return "resource " + strconv.Itoa(int(r))
	}
	return resourceNames[r]
}

// Title is the resource's name for people: "SIP numbers".
func (r Resource) Title() string {
	if r == Panels {
		return "Panels"
	}
	return license.Describe(r.String()).Title
}

// MarshalText is String, for JSON.
func (r Resource) MarshalText() ([]byte, error) {
	if int(r) >= resources {
		return nil, fmt.Errorf("cannot write resource %d: it does not exist", r)
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (r *Resource) UnmarshalText(text []byte) error {
	found, ok := ParseResource(string(text))
	if !ok {
		return fmt.Errorf("cannot read resource %.40q: not one of %v", text, resourceNames)
	}
	*r = found
	return nil
}

// Unlimited is a limit that nothing reaches.
const Unlimited = 1 << 30

// MaxCount is the most that a block may name of one resource.
const MaxCount = 10_000_000

// Amounts is so many of each resource. As JSON it is an object of those that are not 0, by their names.
type Amounts [resources]int

// Of is so many of one resource.
func (r Resource) Of(count int) Amounts {
	var a Amounts
	a[r] = count
	return a
}

// IsZero tells that there is none of anything.
func (a Amounts) IsZero() bool { return a == Amounts{} }

func (a Amounts) plus(b Amounts) Amounts {
	for r := range a {
		a[r] = sum(a[r], b[r])
	}
	return a
}

func (a Amounts) minus(b Amounts) Amounts {
	for r := range a {
		a[r] -= b[r]
	}
	return a
}

// MarshalJSON writes the object in the order of Resources.
func (a Amounts) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for r, count := range a {
		if count == 0 {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%d", resourceNames[r], count)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. A resource that does not exist, or a count beyond Unlimited, is an error.
func (a *Amounts) UnmarshalJSON(text []byte) error {
	var named map[Resource]int
	if err := json.Unmarshal(text, &named); err != nil {
		return fmt.Errorf("cannot read amounts: %w", err)
	}
	*a = Amounts{}
	for _, r := range Resources() {
		if count := named[r]; count > Unlimited || count < -Unlimited {
			return fmt.Errorf("cannot read amounts: %d %s are more than there can be", count, r)
		}
		a[r] = named[r]
	}
	return nil
}

// sum adds without passing Unlimited, also where an int has 32 bits.
func sum(a, b int) int {
	if b > 0 && a >= Unlimited-b {
		return Unlimited
	}
	return a + b
}
