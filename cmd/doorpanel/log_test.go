package main

import (
	"strings"
	"testing"
)

func TestLinesOfTheLogForSupportNameNobody(t *testing.T) {
	v := &veil{strings.NewReplacer("Rossi", hidden)}
	for _, c := range []struct{ line, want string }{
		{`time=1 level=WARN msg="setup code for the first login" code=12345678`, `time=1 level=WARN msg="setup code for the first login" code=***`},
		{`level=ERROR msg="request failed" path=/api/v1/people/p7 error="cannot save person \"Anna\": disk full"`, `level=ERROR msg="request failed" path=*** error="cannot save person ***: disk full"`},
		{`msg="call over" call=c1 target=sip:anna@192.0.2.1 status=486`, `msg="call over" call=*** target=*** status=486`},
		{`cause="no answer from sip:anna@192.0.2.1;transport=tcp for Rossi"`, `cause="no answer from ***;transport=tcp for ***"`},
		{`cause="this is no code: DG1:AB C$%*+-./:9"`, `cause="this is no code: ***"`},
		{`cause="anna@example.org is unknown"`, `cause="*** is unknown"`},
		{`a panic that is no pair`, ``},
	} {
		if got := v.log([]string{c.line}); got != c.want+"\n" {
			t.Errorf("%s\n got %s\nwant %s", c.line, got, c.want)
		}
	}
}
