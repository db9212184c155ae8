package ledger

import "github.com/doorpanel/doorpanel/license"

// Features lists what a block can switch on, in the order in which people should see it. The caller owns the slice.
func Features() []license.Feature {
	var switches []license.Feature
	for _, f := range license.Features() {
		if !f.Counted {
			switches = append(switches, f)
		}
	}
	return switches
}
