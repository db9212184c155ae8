package web

import (
	"context"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
)

// licenseListener takes note of the text that it is given.
type licenseListener struct {
	MonitoringLicenses
	text string
}

func (l *licenseListener) EnterLicense(ctx context.Context, site, text string, change fleet.Change) (MonitoringLicense, error) {
	l.text = text
	return l.MonitoringLicenses.EnterLicense(ctx, site, text, change)
}

// Two spaces beside each other are two digits of base45: one license in eight has them.
func TestALicenseIsExaminedDigitByDigit(t *testing.T) {
	f := newHubFake()
	furnish(f)
	o := f.options()
	listener := &licenseListener{MonitoringLicenses: o.Licenses}
	o.Licenses = listener
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	as(t, s, f, roles.Administrator).want(201, "POST", "/api/v1/sites/"+millLane+"/license", object{"token": "\n DP1:AB  CD E\n"})
	if listener.text != "DP1:AB  CD E" {
		t.Errorf("the license became %q", listener.text)
	}
}
